//! The five-minute rule: a young active assignment blocks changes of either kind.
//!
//! Measured on live tenants: while a principal's active row is younger than five minutes, each
//! adminUpdate and adminRemove of the active *or the eligible* row of the same target is refused with
//! `ActiveDurationTooShort`; creates are never refused; a principal that is only eligible can be
//! changed at once. Nor can a window be shorter than five minutes. ("Miniumum" is Graph's spelling.)

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::store::Book;
use super::target::Target;
use crate::error::GraphError;
use crate::types::Kind;

/// The shortest window.
const SHORTEST: Duration = Duration::from_mins(5);

/// Refuses a change while an active row of the same principal and target is too young.
/// What was made outside PIM has no start and does not block.
pub(super) fn check(
    book: &Book,
    principal: Uuid,
    target: Target,
    now: DateTime<Utc>,
    minimum_age: Duration,
) -> Result<(), GraphError> {
    let young = book.rows.iter().any(|row| {
        row.kind == Kind::Assignment
            && row.principal == principal
            && row.target.shares_age_with(target)
            && row.alive(now)
            && !row.is_plain()
            && row.start <= now
            && now < row.effective + minimum_age
    });
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
