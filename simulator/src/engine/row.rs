//! One schedule row: a window of eligible or active access, and when it can be seen.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::types::{Access, Kind, ScheduleView};

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
    pub group: Uuid,
    pub principal: Uuid,
    pub access: Access,
    /// Third part of the schedule id: the request that made it.
    pub id_part: Uuid,
    /// None for a membership made outside PIM.
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
    /// The last active owner: its end passed but access stays.
    pub stuck: bool,
}

impl Row {
    /// Schedule id: three parts, the last one changes at each update.
    pub fn id(&self) -> String {
        format!("{}_{}_{}", self.group, self.access.as_str(), self.id_part)
    }

    /// Instance id: the third part is the principal (measured on a live tenant).
    pub fn instance_id(&self) -> String {
        format!("{}_{}_{}", self.group, self.access.as_str(), self.principal)
    }

    pub fn is_plain(&self) -> bool {
        self.created_using.is_none()
    }

    pub fn concerns(&self, kind: Kind, principal: Uuid, access: Access) -> bool {
        self.kind == kind && self.principal == principal && self.access == access
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

    pub fn view(&self, now: DateTime<Utc>) -> ScheduleView {
        ScheduleView {
            id: self.id(),
            kind: self.kind,
            group_id: self.group.to_string(),
            principal_id: self.principal.to_string(),
            access_id: self.access,
            activated: self.activated,
            created_using: self.created_using.map(|id| id.to_string()),
            status: "Provisioned".to_owned(),
            start: (!self.is_plain()).then(|| self.listed_start(now)),
            end: self.end,
            in_force: self.in_force(now),
        }
    }
}
