//! The end of history: requests are gone after about 45 days, cancelled ones after 30.
//!
//! A purged request answers 404 `RoleAssignmentRequestNotFound`; its schedule lives on (reported by
//! users of several clients). Expired rows can be renewed for 30 days.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::request::{Progress, Request};
use super::row::{Death, Row};
use crate::behaviour::Behaviour;

const CANCELLED_KEPT: Duration = Duration::from_hours(30 * 24);
/// How long expired rows can be renewed.
const RENEWABLE: TimeDelta = TimeDelta::days(30);
/// How long removed rows are remembered for stale reads.
const REMOVED_KEPT: TimeDelta = TimeDelta::minutes(10);

pub(crate) fn kept(request: &Request, now: DateTime<Utc>, behaviour: &Behaviour) -> bool {
    let lifetime = match request.progress {
        Progress::Done("Canceled") => CANCELLED_KEPT.min(behaviour.requests_purged_after),
        _ => behaviour.requests_purged_after,
    };
    now < request.created + lifetime
}

/// Whether nothing can refer to a row any more.
pub(super) fn forgotten(row: &Row, now: DateTime<Utc>) -> bool {
    match row.died {
        None => false,
        Some((at, Death::Expired)) => at + RENEWABLE < now,
        Some((_, Death::Removed)) => row.listed_until + REMOVED_KEPT < now,
    }
}

/// Whether an ended row can be renewed.
pub(super) fn renewable(row: &Row, now: DateTime<Utc>) -> bool {
    matches!(row.died, Some((at, Death::Expired)) if now <= at + RENEWABLE)
}
