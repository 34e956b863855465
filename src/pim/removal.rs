//! The decision for a grant whose object is being deleted: revoke what the operator manages, and let the object go once
//! Entra no longer lists it.

use chrono::{DateTime, Utc};

use crate::api::terms::DeletionPolicy;

use super::{
    desired::Mode,
    observed::{Observation, Record, assigned},
    plan::{Change, Decision, Plan, Wait, Why, ending, gone, on_its_way},
};

/// What to do about a deleted object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Nothing of it is left in Entra, or nothing that must go: let the object go.
    Done(Done),
    /// Deletion is held by `suspend`.
    Held,
    /// Do this first.
    First(Plan),
}

/// Why a deleted object may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// The access is gone.
    Gone,
    /// `deletionPolicy: Retain`, or an object that only observed.
    Retained,
    /// The operator never granted or adopted anything for it.
    NeverManaged,
}

/// Decides about a grant whose object is being deleted.
#[must_use]
pub fn removal(
    policy: DeletionPolicy,
    mode: Mode,
    record: &Record,
    observation: &Observation<'_>,
    now: DateTime<Utc>,
) -> Removal {
    if record.anchor.is_none() {
        return Removal::Done(Done::NeverManaged);
    }
    let on_its_way = on_its_way(record, now);
    if record.created_via.is_none() && on_its_way.is_none() {
        return Removal::Done(Done::NeverManaged);
    }
    if policy == DeletionPolicy::Retain || mode == Mode::Observe {
        return Removal::Done(Done::Retained);
    }
    if mode == Mode::Suspended {
        return Removal::Held;
    }
    let Observation::Rows { rows, absence, .. } = *observation else {
        return Removal::First(Plan {
            decision: Decision::Wait(Wait::Observation),
            anchor: record.anchor,
            wake: None,
        });
    };
    let listed = assigned(rows);
    let live = listed.filter(|row| !row.has_lapsed(now));
    if let Some(row) = live.filter(|row| record.owns(row, now)) {
        return Removal::First(ending(row, record, Why::Deleted, record.anchor, now));
    }
    // A grant that was asked for and is not listed yet would outlive its object.
    if let Some(wait) = on_its_way {
        return Removal::First(wait);
    }
    match gone(record, absence, now) {
        // A row that is listed is no gap in the list: ours has lapsed, or it is somebody else's.
        Some(wait) if listed.is_none() => Removal::First(wait),
        _ => Removal::Done(Done::Gone),
    }
}

impl Removal {
    /// The change to send, if there is one.
    #[must_use]
    pub const fn change(&self) -> Option<&Change> {
        match self {
            Self::First(Plan {
                decision: Decision::Send(change, _),
                ..
            }) => Some(change),
            _ => None,
        }
    }
}
