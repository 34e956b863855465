//! What the simulator's books say, whatever the operator reports.

use chrono::{DateTime, TimeDelta, Utc};
use pim_operator::api::status::GrantStatus;
use pim_simulator::{Kind, ScheduleView};

use crate::stage::Stage;

/// The group of the story, by the name that people use in the portal.
pub const GROUP: &str = "payments-ops";
const GROUP_ID: &str = "68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7";

/// Somebody's id in Contoso.
pub mod ids {
    pub const ALICE: &str = "a11ce000-0000-4000-8000-000000000001";
    pub const BOB: &str = "b0b00000-0000-4000-8000-000000000002";
    pub const CAROL: &str = "ca401000-0000-4000-8000-000000000003";
    pub const DAVE: &str = "da7e0000-0000-4000-8000-000000000004";
    pub const ERIN: &str = "e4e00000-0000-4000-8000-000000000005";
    pub const PIPELINE: &str = "5e4f1ce0-0000-4000-8000-000000000001";
}

/// What somebody holds in the group of the story.
pub fn held(stage: &Stage, kind: Kind, principal: &str) -> Vec<ScheduleView> {
    let mut rows = stage.simulator.schedules(kind);
    rows.retain(|row| row.group_id == GROUP_ID && row.principal_id == principal);
    rows
}

/// The end of the one grant that somebody holds; none where there is no such grant, or it is permanent.
pub fn end(stage: &Stage, kind: Kind, principal: &str) -> Option<DateTime<Utc>> {
    match held(stage, kind, principal).as_slice() {
        [row] => row.end,
        _ => None,
    }
}

/// The end that an object's status says.
pub fn declared_end(status: &GrantStatus) -> Option<DateTime<Utc>> {
    status.schedule.as_ref()?.end_date_time
}

/// How many days lie between two instants, to the nearest: a request takes a moment.
pub fn days(from: DateTime<Utc>, to: Option<DateTime<Utc>>) -> Option<i64> {
    to.map(|to| (to - from + TimeDelta::hours(12)).num_days())
}
