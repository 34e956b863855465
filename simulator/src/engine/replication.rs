//! When a write can be seen: delays between the answer to a POST and the lists.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::behaviour::Behaviour;

/// When a row appears.
pub(super) struct Appearance {
    pub effective: DateTime<Utc>,
    pub listed_from: DateTime<Utc>,
    pub instance_from: DateTime<Utc>,
}

/// A start now: after `PendingProvisioning`, the lists follow with their own delays.
pub(super) fn immediate(behaviour: &Behaviour, now: DateTime<Utc>) -> Appearance {
    let effective = now + behaviour.pending_provisioning_for;
    Appearance {
        effective,
        listed_from: effective + behaviour.schedule_list_lag,
        instance_from: effective + behaviour.instance_list_lag,
    }
}

/// A start in the future: the schedule is listed ahead; access begins 40–47 s after the start
/// (measured on live tenants), a different delay for each request.
pub(super) fn scheduled(
    behaviour: &Behaviour,
    now: DateTime<Utc>,
    start: DateTime<Utc>,
    request: Uuid,
) -> Appearance {
    let (least, most) = (
        behaviour.future_start_lag_min,
        behaviour.future_start_lag_max,
    );
    let spread = u64::try_from(most.saturating_sub(least).as_millis()).unwrap_or(u64::MAX);
    let dice = u64::try_from(request.as_u128() & 0xffff_ffff).unwrap_or(0);
    let lag = least + Duration::from_millis(if spread == 0 { 0 } else { dice % spread });
    let effective = start + lag;
    Appearance {
        effective,
        listed_from: now + behaviour.schedule_list_lag,
        instance_from: effective,
    }
}
