//! The few words that every part of the simulator shares, and the views that tests assert on.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Active or eligible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// In force: a membership or ownership.
    Assignment,
    /// May be activated.
    Eligibility,
}

/// Which relationship to the group. The two are independent: own schedules, own policies, own ids.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub enum Access {
    /// Owner of the group.
    Owner,
    /// Member of the group.
    #[default]
    Member,
}

impl Access {
    /// As Graph writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Member => "member",
        }
    }

    /// Graph accepts any case in requests.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Owner, Self::Member]
            .into_iter()
            .find(|a| a.as_str().eq_ignore_ascii_case(text))
    }
}

/// From when to when. Neither end nor duration: permanent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Window {
    /// Start; none: now.
    pub start: Option<DateTime<Utc>>,
    /// End.
    pub end: Option<DateTime<Utc>>,
    /// Length, in place of an end.
    #[serde(with = "crate::duration::iso_option")]
    pub duration: Option<Duration>,
}

impl Window {
    /// From now on, without end.
    #[must_use]
    pub fn permanent() -> Self {
        Self::default()
    }

    /// From now on, for this long.
    #[must_use]
    pub fn lasting(duration: Duration) -> Self {
        Self {
            duration: Some(duration),
            ..Self::default()
        }
    }

    /// From now on, for so many days.
    #[must_use]
    pub fn days(days: u64) -> Self {
        Self::lasting(Duration::from_secs(days * 86_400))
    }

    /// From now on, until then.
    #[must_use]
    pub fn until(end: DateTime<Utc>) -> Self {
        Self {
            end: Some(end),
            ..Self::default()
        }
    }

    /// The same from a later start.
    #[must_use]
    pub fn starting(self, start: DateTime<Utc>) -> Self {
        Self {
            start: Some(start),
            ..self
        }
    }
}

/// A schedule row as it is in the simulator's books, without replication delays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleView {
    /// Schedule id; changes at each update and extension.
    pub id: String,
    /// Active or eligible.
    pub kind: Kind,
    /// Group.
    pub group_id: String,
    /// Principal.
    pub principal_id: String,
    /// Member or owner.
    pub access_id: Access,
    /// Whether a user activated it (`assignmentType` activated).
    pub activated: bool,
    /// The request that made it; none for a membership made outside PIM.
    pub created_using: Option<String>,
    /// Status as listed.
    pub status: String,
    /// Start; none for a membership made outside PIM.
    pub start: Option<DateTime<Utc>>,
    /// End; none: permanent.
    pub end: Option<DateTime<Utc>>,
    /// Whether an instance exists now.
    pub in_force: bool,
}

/// A policy in the simulator's books, without replication delays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyView {
    /// Policy id; changes when the group is onboarded.
    pub id: String,
    /// The rules as v1.0 shows them.
    pub rules: Vec<serde_json::Value>,
    /// Who changed it last.
    pub modified_by: Option<String>,
    /// When.
    pub modified: Option<DateTime<Utc>>,
}

impl PolicyView {
    /// The rule with an id; null when there is none.
    #[must_use]
    pub fn rule(&self, id: &str) -> serde_json::Value {
        let rule = self.rules.iter().find(|rule| rule["id"] == id);
        rule.cloned().unwrap_or_default()
    }
}

/// A schedule request in the simulator's books, purged ones included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestView {
    /// Request id.
    pub id: String,
    /// Active or eligible.
    pub kind: Kind,
    /// Action, such as `adminAssign`.
    pub action: String,
    /// Status now.
    pub status: String,
    /// Group.
    pub group_id: String,
    /// Principal.
    pub principal_id: String,
    /// Member or owner.
    pub access_id: Access,
    /// Justification as sent.
    pub justification: Option<String>,
    /// Ticket number as sent.
    pub ticket_number: Option<String>,
    /// Ticket system as sent.
    pub ticket_system: Option<String>,
    /// When it was received.
    pub created: DateTime<Utc>,
    /// The schedule it made.
    pub target_schedule_id: Option<String>,
    /// Object id of the caller; none for the portal.
    pub created_by: Option<String>,
}

/// A row of a directory role in the simulator's books, without replication delays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleScheduleView {
    /// Schedule id; changes at each update and extension.
    pub id: String,
    /// Active or eligible.
    pub kind: Kind,
    /// Role.
    pub role_definition_id: String,
    /// Scope, such as `/` or `/administrativeUnits/{id}`; none for an app scope.
    pub directory_scope_id: Option<String>,
    /// App scope.
    pub app_scope_id: Option<String>,
    /// Principal.
    pub principal_id: String,
    /// Whether a user activated it (`assignmentType` Activated).
    pub activated: bool,
    /// The request that made it; none for a role assignment made outside PIM.
    pub created_using: Option<String>,
    /// Status as listed.
    pub status: String,
    /// Start; none for a role assignment made outside PIM.
    pub start: Option<DateTime<Utc>>,
    /// End; none: permanent.
    pub end: Option<DateTime<Utc>>,
    /// Whether an instance exists now.
    pub in_force: bool,
}

/// A request about a directory role in the simulator's books, purged ones included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleRequestView {
    /// Request id.
    pub id: String,
    /// Active or eligible.
    pub kind: Kind,
    /// Action, such as `adminAssign`.
    pub action: String,
    /// Status now.
    pub status: String,
    /// Role.
    pub role_definition_id: String,
    /// Scope; none for an app scope.
    pub directory_scope_id: Option<String>,
    /// App scope.
    pub app_scope_id: Option<String>,
    /// Principal.
    pub principal_id: String,
    /// Justification as sent.
    pub justification: Option<String>,
    /// Ticket number as sent.
    pub ticket_number: Option<String>,
    /// Ticket system as sent.
    pub ticket_system: Option<String>,
    /// When it was received.
    pub created: DateTime<Utc>,
    /// The schedule it made.
    pub target_schedule_id: Option<String>,
    /// Object id of the caller; none for the portal.
    pub created_by: Option<String>,
}
