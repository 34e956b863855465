//! What an existing row or request says to a new one.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

use super::row::Row;
use crate::error::GraphError;

pub(super) fn exists() -> GraphError {
    GraphError::bad_request(
        "RoleAssignmentExists",
        "The Role assignment already exists.",
    )
}

pub(super) fn does_not_exist(status: u16) -> GraphError {
    GraphError::new(
        status,
        "RoleAssignmentDoesNotExist",
        "The Role assignment does not exist.",
    )
}

pub(super) fn pending() -> GraphError {
    GraphError::bad_request(
        "PendingRoleAssignmentRequest",
        "There is already an existing pending Role assignment request.",
    )
}

/// Refuses a new row beside an existing one: `RoleAssignmentExists` when one is in force (also for
/// a start in the future), `OverlapsPendingRoleAssignmentRequests` when a scheduled one overlaps.
/// Windows are compared by whole minutes, inclusive (measured on a live tenant).
pub(super) fn check<'a>(
    mut rows: impl Iterator<Item = &'a Row>,
    start: DateTime<Utc>,
    end: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<(), GraphError> {
    rows.try_for_each(|row| {
        if row.in_force(now) {
            return Err(exists());
        }
        let meets = |one: DateTime<Utc>, other: Option<DateTime<Utc>>| {
            other.is_none_or(|end| minute(one) <= minute(end))
        };
        if meets(start, row.end) && meets(row.start, end) {
            return Err(GraphError::bad_request(
                "OverlapsPendingRoleAssignmentRequests",
                "The role assignment request overlaps existing role assignment requests.",
            ));
        }
        Ok(())
    })
}

fn minute(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_trunc(TimeDelta::minutes(1)).unwrap_or(at)
}
