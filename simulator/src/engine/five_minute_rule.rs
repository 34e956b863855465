//! The five-minute rule: a young active assignment blocks changes of either kind.
//!
//! Measured on live tenants: while a principal's active row is younger than five minutes, each
//! adminUpdate and adminRemove of the active *or the eligible* row of the same target is refused with
//! `ActiveDurationTooShort`; creates are never refused; a principal that is only eligible can be
//! changed at once. Nor can a window be shorter than five minutes. ("Miniumum" is Graph's spelling.)

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::store::GroupPim;
use crate::error::GraphError;
use crate::types::{Access, Kind};

/// The shortest window.
const SHORTEST: Duration = Duration::from_mins(5);

/// Refuses a change while an active row of the same principal and relationship is too young.
/// Memberships made outside PIM have no start and do not block.
pub(super) fn check(
    group: &GroupPim,
    principal: Uuid,
    access: Access,
    now: DateTime<Utc>,
    minimum_age: Duration,
) -> Result<(), GraphError> {
    let young = group
        .alive(Kind::Assignment, principal, access, now)
        .any(|row| !row.is_plain() && row.start <= now && now < row.effective + minimum_age);
    if young { Err(too_short()) } else { Ok(()) }
}

/// Refuses a window shorter than five minutes.
pub(super) fn check_length(length: Option<Duration>) -> Result<(), GraphError> {
    match length {
        Some(length) if length < SHORTEST => Err(too_short()),
        _ => Ok(()),
    }
}

fn too_short() -> GraphError {
    GraphError::bad_request(
        "ActiveDurationTooShort",
        "The Active duration is too short. Miniumum Required is 5 minutes.",
    )
}
