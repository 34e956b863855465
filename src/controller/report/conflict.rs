//! What is said of grants that stand in each other's way.

use crate::{
    api::{conditions::Reason, status::ResolvedReferences},
    graph::ScheduleKind,
    pim::observed::Row,
};

use super::{Report, Subject};
use crate::controller::{grant::ObjectKey, status::Verdict};

/// An older object declares the same.
#[must_use]
pub fn conflict(winner: &str) -> Report {
    let message =
        format!("{winner}, created earlier, declares the same grant; delete one of the two");
    Report::of(Verdict::no(Reason::Conflict, message)).stalled(true)
}

/// An older object declares the other kind of the same role, and the two would delete each other.
#[must_use]
pub fn rival(this: &ObjectKey, winner: &ObjectKey) -> Report {
    let message = format!(
        "{this} and {winner}, which was created earlier, give the same principal the same role, eligible and permanently active: Entra deletes the one when it changes the other; delete one of the two, or give the assignment an end"
    );
    Report::of(Verdict::no(Reason::Conflict, message)).stalled(true)
}

/// Entra holds the other kind of the same role, no object declares it, and the two would delete each other.
#[must_use]
pub fn rival_row(
    this: &ObjectKey,
    names: &ResolvedReferences,
    schedules: ScheduleKind,
    row: &Row,
) -> Report {
    let held = Subject {
        names,
        schedules,
        access: None,
    };
    let message = format!(
        "{}, which no object declares (schedule {}), and beside {this} Entra would delete it, because one of the two would be active without an end; remove it in Entra, declare it in the place of this object, or give the assignment an end",
        held.sentence(),
        row.id,
    );
    Report::of(Verdict::no(Reason::Conflict, message)).stalled(true)
}
