//! The last active owner of a group is not removed, nor the last Global Administrator.
//!
//! Measured on live tenants for owners: when the window of the last owner passes, the row stays listed with an
//! end in the past and status `Provisioned`; deactivating it answers
//! `CannotDeleteLastAdminAssignment`. A service principal as second owner does not count.

use chrono::{DateTime, Utc};

use super::row::Row;
use crate::directory::{Class, Directory};
use crate::error::GraphError;
use crate::types::Kind;

/// Whether the row at this position stays although its end has passed.
pub(super) fn stays(rows: &[Row], at: usize, directory: &Directory) -> bool {
    let Some(row) = rows.get(at) else {
        return false;
    };
    let end = row.end.unwrap_or_default();
    row.effective <= end && is_last(rows, row, end, directory)
}

/// Refuses to remove the last active holder.
pub(super) fn refuse(
    rows: &[Row],
    row: &Row,
    now: DateTime<Utc>,
    directory: &Directory,
) -> Result<(), GraphError> {
    if row.in_force(now) && is_last(rows, row, now, directory) {
        return Err(GraphError::bad_request(
            "CannotDeleteLastAdminAssignment",
            "Cannot delete the last admin assignment.",
        ));
    }
    Ok(())
}

fn is_last(rows: &[Row], row: &Row, at: DateTime<Utc>, directory: &Directory) -> bool {
    let holds = |row: &Row| row.kind == Kind::Assignment && row.target.keeps_last();
    let is_user = |row: &Row| {
        directory
            .get(row.principal)
            .is_some_and(|entry| entry.object.class() == Class::User)
    };
    holds(row)
        && is_user(row)
        && !rows.iter().any(|other| {
            holds(other) && other.seq != row.seq && other.in_force(at) && is_user(other)
        })
}
