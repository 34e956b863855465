//! One schedule row: a window of eligible or active access, and when it can be seen.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::target::{Resource, Target};
use crate::types::{Kind, RoleScheduleView, ScheduleView};

/// How a row ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Death {
    /// Its window passed. It can be renewed for 30 days.
    Expired,
    /// It was removed, replaced or cancelled.
    Removed,
}

#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Order of creation, also the page position.
    pub seq: u64,
    pub kind: Kind,
    pub target: Target,
    pub principal: Uuid,
    /// What the schedule id carries: the id of the request that made it.
    pub id_part: Uuid,
    /// None for a membership or role assignment made outside PIM.
    pub created_using: Option<Uuid>,
    /// The eligible row that an activation rests on.
    pub activated_using: Option<Uuid>,
    pub activated: bool,
    pub created: DateTime<Utc>,
    /// Start as asked, or the completion of the request when that was later.
    pub start: DateTime<Utc>,
    /// When access really begins: the start, or some 40 s after a start in the future.
    pub effective: DateTime<Utc>,
    /// None: permanent.
    pub end: Option<DateTime<Utc>>,
    /// First time in the schedule list and the instance list.
    pub listed_from: DateTime<Utc>,
    pub instance_from: DateTime<Utc>,
    /// When and how it ended.
    pub died: Option<(DateTime<Utc>, Death)>,
    /// Sequence number of the write that ended it, for stale reads.
    pub died_seq: u64,
    /// Until when a dead row is still listed.
    pub listed_until: DateTime<Utc>,
    /// The last active holder: its end passed but access stays.
    pub stuck: bool,
}

impl Row {
    /// Schedule id: it changes at each update. What was made outside PIM has the id of its instance.
    pub fn id(&self) -> String {
        if self.is_plain() {
            self.instance_id()
        } else {
            self.target.schedule_id(self.id_part)
        }
    }

    pub fn instance_id(&self) -> String {
        self.target.instance_id(self.principal, self.kind)
    }

    pub fn resource(&self) -> Resource {
        self.target.resource()
    }

    pub fn is_plain(&self) -> bool {
        self.created_using.is_none()
    }

    pub fn concerns(&self, kind: Kind, principal: Uuid, target: Target) -> bool {
        self.kind == kind && self.principal == principal && self.target == target
    }

    /// Not ended at this time: in force or still to start.
    pub fn alive(&self, now: DateTime<Utc>) -> bool {
        self.died.is_none() && (self.stuck || self.end.is_none_or(|end| now < end))
    }

    /// Grants access at this time.
    pub fn in_force(&self, now: DateTime<Utc>) -> bool {
        self.alive(now) && self.effective <= now
    }

    pub fn scheduled(&self, now: DateTime<Utc>) -> bool {
        self.alive(now) && now < self.effective
    }

    /// The start as listed: the real one once access began.
    pub fn listed_start(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        if self.effective <= now {
            self.effective
        } else {
            self.start
        }
    }

    pub fn kill(
        &mut self,
        now: DateTime<Utc>,
        death: Death,
        seq: u64,
        listed_until: DateTime<Utc>,
    ) {
        self.died = Some((now, death));
        self.died_seq = seq;
        self.listed_until = listed_until;
    }

    /// The row of a group as tests see it.
    pub fn view(&self, now: DateTime<Utc>) -> Option<ScheduleView> {
        let Target::Group { group, access } = self.target else {
            return None;
        };
        Some(ScheduleView {
            id: self.id(),
            kind: self.kind,
            group_id: group.to_string(),
            principal_id: self.principal.to_string(),
            access_id: access,
            activated: self.activated,
            created_using: self.created_using.map(|id| id.to_string()),
            status: "Provisioned".to_owned(),
            start: (!self.is_plain()).then(|| self.listed_start(now)),
            end: self.end,
            in_force: self.in_force(now),
        })
    }

    /// The row of a role as tests see it.
    pub fn role_view(&self, now: DateTime<Utc>) -> Option<RoleScheduleView> {
        let Target::Role { role, scope } = self.target else {
            return None;
        };
        Some(RoleScheduleView {
            id: self.id(),
            kind: self.kind,
            role_definition_id: role.to_string(),
            directory_scope_id: scope.directory(),
            app_scope_id: scope.app().map(str::to_owned),
            principal_id: self.principal.to_string(),
            activated: self.activated,
            created_using: self.created_using.map(|id| id.to_string()),
            status: "Provisioned".to_owned(),
            start: (!self.is_plain()).then(|| self.listed_start(now)),
            end: self.end,
            in_force: self.in_force(now),
        })
    }
}
