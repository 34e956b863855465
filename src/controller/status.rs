//! Between `status` and what a plan is judged on: reading the record, writing conditions. Pure, but for the types.

use chrono::{DateTime, Utc};
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};

use crate::{
    api::{
        conditions::{ConditionType, Reason},
        schedule_info::{Expiration, ExpirationType, ScheduleInfo},
        status::{DeclaredWindow, GrantStatus, LastRequest, ScheduleStatus},
    },
    graph::{RequestAction, RequestState, classify},
    pim::{
        observed::{Action, Anchor, Outcome, Record, Refusal, Sent},
        window::{Declared, End, Window},
    },
};

/// What a condition says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// True, false, or not known.
    pub status: Option<bool>,
    /// Why.
    pub reason: Reason,
    /// One sentence that a person can act on; stable from try to try.
    pub message: String,
}

/// The longest message: the API server's own limit is far above, but a condition is no place for a page.
const LONGEST_MESSAGE: usize = 1024;

impl Verdict {
    /// It holds.
    #[must_use]
    pub fn yes(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            status: Some(true),
            reason,
            message: message.into(),
        }
    }

    /// It does not hold.
    #[must_use]
    pub fn no(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            status: Some(false),
            reason,
            message: message.into(),
        }
    }

    /// It is not known.
    #[must_use]
    pub fn unknown(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            status: None,
            reason,
            message: message.into(),
        }
    }

    /// The status as it is written.
    #[must_use]
    pub const fn status_text(&self) -> &'static str {
        match self.status {
            Some(true) => "True",
            Some(false) => "False",
            None => "Unknown",
        }
    }
}

/// Sets or removes a condition. Its transition time moves only when its status does.
pub fn set_condition(
    conditions: &mut Vec<Condition>,
    type_: ConditionType,
    verdict: Option<&Verdict>,
    generation: i64,
    now: DateTime<Utc>,
) {
    let position = conditions
        .iter()
        .position(|condition| condition.type_ == type_.as_str());
    let Some(verdict) = verdict else {
        if let Some(position) = position {
            conditions.remove(position);
        }
        return;
    };
    let mut message = verdict.message.clone();
    message.truncate(message.floor_char_boundary(LONGEST_MESSAGE));
    let mut condition = Condition {
        type_: type_.as_str().to_owned(),
        status: verdict.status_text().to_owned(),
        reason: verdict.reason.as_str().to_owned(),
        message,
        observed_generation: Some(generation),
        last_transition_time: Time(Timestamp::from_second(now.timestamp()).unwrap_or_default()),
    };
    if let Some(position) = position {
        let earlier = &mut conditions[position];
        if earlier.status == condition.status {
            condition.last_transition_time = earlier.last_transition_time.clone();
        }
        *earlier = condition;
    } else {
        conditions.push(condition);
        conditions.sort_by(|one, two| one.type_.cmp(&two.type_));
    }
}

/// A condition of a type.
#[must_use]
pub fn find_condition(status: &GrantStatus, type_: ConditionType) -> Option<&Condition> {
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == type_.as_str())
}

/// Since when a condition has had its status, UTC.
#[must_use]
pub fn since(condition: &Condition) -> DateTime<Utc> {
    DateTime::from_timestamp(condition.last_transition_time.0.as_second(), 0).unwrap_or_default()
}

/// What the object's status remembers, for a plan.
#[must_use]
pub fn record(status: &GrantStatus, generation: i64) -> Record {
    let schedule = status.schedule.as_ref();
    let anchor = schedule.and_then(|schedule| {
        let declared = Declared::from_status(&schedule.declared).ok()?;
        let window = Window {
            start: schedule.start_date_time,
            end: schedule.end_date_time.into(),
        };
        Some(Anchor { declared, window })
    });
    Record {
        anchor,
        created_via: status.created_via,
        granted: schedule.is_some_and(|schedule| schedule.id.is_some()),
        confirmed: schedule.is_some_and(|schedule| schedule.status.is_some()),
        in_force: status
            .instance
            .as_ref()
            .is_some_and(|instance| instance.present),
        last: status
            .last_request
            .as_ref()
            .and_then(|last| sent(last, generation)),
    }
}

fn sent(last: &LastRequest, generation: i64) -> Option<Sent> {
    let action = Action::read(&last.action)?;
    let outcome = match (&last.error, &last.id, &last.status) {
        (Some(code), _, _) => Outcome::Refused(refusal(code)),
        (None, Some(id), Some(status)) => match classify(status, &RequestAction::from(action)) {
            RequestState::Succeeded => Outcome::Succeeded { id: id.clone() },
            RequestState::InProgress => Outcome::InProgress { id: id.clone() },
            RequestState::Failed => Outcome::Failed,
        },
        _ => Outcome::Unknown,
    };
    Some(Sent {
        action,
        at: last.settled_time.unwrap_or(last.time),
        outcome,
        failures: last.failures.unwrap_or_default(),
        failing_since: last.failing_since,
        current: last.generation == generation,
        only_granted: last
            .status
            .as_deref()
            .is_some_and(|status| status.eq_ignore_ascii_case("Granted")),
    })
}

impl From<Action> for RequestAction {
    fn from(action: Action) -> Self {
        match action {
            Action::AdminAssign => Self::AdminAssign,
            Action::AdminUpdate => Self::AdminUpdate,
            Action::AdminExtend => Self::AdminExtend,
            Action::AdminRemove | Action::Cancel => Self::AdminRemove,
        }
    }
}

/// The code that is recorded when Graph denies a permission under a code that does not say so.
pub const FORBIDDEN: &str = "Forbidden";

/// What a recorded error code means for a plan.
#[must_use]
pub fn refusal(code: &str) -> Refusal {
    match code {
        "RoleAssignmentExists" => Refusal::Exists,
        "RoleAssignmentDoesNotExist" => Refusal::DoesNotExist,
        "ActiveDurationTooShort" => Refusal::MinimumDuration,
        "PendingRoleAssignmentRequest"
        | "OverlapsPendingRoleAssignmentRequests"
        | "ResourceIsLocked" => Refusal::Pending,
        "RoleAssignmentRequestPolicyValidationFailed"
        | "RoleAssignmentRequestAcrsValidationFailed" => Refusal::Policy,
        "PermissionScopeNotGranted"
        | "Authorization_RequestDenied"
        | "UnauthorizedAccessException"
        | "InsufficientPermissions"
        | "AadPremiumLicenseRequired"
        | FORBIDDEN => Refusal::Permission,
        "SubjectNotFound" | "RoleNotFound" | "ResourceNotFound" | "Request_ResourceNotFound" => {
            Refusal::NotReplicated
        }
        "CannotDeleteLastAdminAssignment" => Refusal::LastHolder,
        "RequestCannotBeCancelled" | "RoleAssignmentRequestNotFound" => Refusal::NotCancellable,
        _ => Refusal::Other,
    }
}

/// The record of a window. `kept` carries over what is known of the schedule while the window stays the same.
#[must_use]
pub fn schedule_status(
    anchor: &Anchor,
    schedule: &ScheduleInfo,
    kept: Option<&ScheduleStatus>,
) -> ScheduleStatus {
    let end_date_time = anchor.window.end.instant().map(whole_seconds);
    let start_date_time = whole_seconds(anchor.window.start);
    let declared = kept
        .filter(|kept| {
            Declared::from_status(&kept.declared).is_ok_and(|declared| declared == anchor.declared)
        })
        .map_or_else(|| declared_window(schedule), |kept| kept.declared.clone());
    let same = kept.filter(|kept| {
        kept.start_date_time == start_date_time && kept.end_date_time == end_date_time
    });
    ScheduleStatus {
        id: same.and_then(|kept| kept.id.clone()),
        status: same.and_then(|kept| kept.status.clone()),
        start_date_time,
        end_date_time,
        expires: end_text(anchor.window.end),
        declared,
    }
}

fn declared_window(schedule: &ScheduleInfo) -> DeclaredWindow {
    let Expiration {
        type_,
        end_date_time,
        duration,
    } = schedule.expiration.clone();
    DeclaredWindow {
        start_date_time: schedule.start_date_time,
        expiration: Expiration {
            type_,
            end_date_time: end_date_time.filter(|_| type_ == ExpirationType::AfterDateTime),
            duration: duration.filter(|_| type_ == ExpirationType::AfterDuration),
        },
    }
}

/// Kubernetes keeps times in whole seconds; so does everything that is compared with them.
#[must_use]
pub fn whole_seconds(instant: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp(instant.timestamp(), 0).unwrap_or(instant)
}

/// An instant as people and Graph read it: UTC, ISO 8601, whole seconds.
#[must_use]
pub fn instant_text(instant: DateTime<Utc>) -> String {
    instant.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// An end as people read it.
#[must_use]
pub fn end_text(end: End) -> String {
    end.instant()
        .map_or_else(|| "never".to_owned(), instant_text)
}
