//! The JSON shapes of requests, schedules and instances of groups.
//!
//! Enum values are camelCase, as groups have them on live tenants; times are trimmed, except in the
//! answer to a POST.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::input::Expiration;
use super::request::Request;
use super::row::Row;
use crate::types::Kind;
use crate::{duration, timestamp};

/// What an unmodified group row says.
const NEVER_MODIFIED: &str = "0001-01-01T08:00:00Z";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExpirationPattern {
    r#type: &'static str,
    end_date_time: Option<String>,
    duration: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScheduleInfo {
    start_date_time: Option<String>,
    recurrence: Option<()>,
    expiration: ExpirationPattern,
}

// Graph's own names.
#[allow(clippy::struct_field_names)]
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Schedule {
    id: String,
    schedule_info: ScheduleInfo,
    created_date_time: Option<String>,
    modified_date_time: Option<&'static str>,
    created_using: Option<Uuid>,
    status: &'static str,
    principal_id: Uuid,
    access_id: &'static str,
    group_id: Uuid,
    member_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    assignment_type: Option<&'static str>,
}

/// A row as seen by a list: a principal may hold it through a group.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub row: &'a Row,
    pub principal: Uuid,
}

impl Seen<'_> {
    pub fn member_type(&self) -> &'static str {
        if self.principal == self.row.principal {
            "direct"
        } else {
            "group"
        }
    }

    pub fn assignment_type(&self) -> Option<&'static str> {
        match self.row.kind {
            Kind::Eligibility => None,
            Kind::Assignment if self.row.activated => Some("activated"),
            Kind::Assignment => Some("assigned"),
        }
    }
}

pub(crate) fn schedule(seen: Seen<'_>, now: DateTime<Utc>) -> Schedule {
    let row = seen.row;
    let plain = row.is_plain();
    // A membership made outside PIM shows the time of the read as its start.
    let start = if plain { now } else { row.listed_start(now) };
    Schedule {
        id: row.id(),
        schedule_info: ScheduleInfo {
            start_date_time: Some(timestamp::trimmed(start)),
            recurrence: None,
            expiration: ExpirationPattern {
                r#type: if row.end.is_some() {
                    "afterDateTime"
                } else {
                    "noExpiration"
                },
                end_date_time: row.end.map(timestamp::trimmed),
                duration: None,
            },
        },
        created_date_time: (!plain).then(|| timestamp::trimmed(row.created)),
        modified_date_time: (!plain).then_some(NEVER_MODIFIED),
        created_using: row.created_using,
        status: "Provisioned",
        principal_id: seen.principal,
        access_id: row.access.as_str(),
        group_id: row.group,
        member_type: seen.member_type(),
        assignment_type: seen.assignment_type(),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Instance {
    id: String,
    start_date_time: Option<String>,
    end_date_time: Option<String>,
    principal_id: Uuid,
    access_id: &'static str,
    group_id: Uuid,
    member_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    assignment_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assignment_schedule_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eligibility_schedule_id: Option<String>,
}

pub(crate) fn instance(seen: Seen<'_>) -> Instance {
    let row = seen.row;
    let link = Some(row.id());
    let (assignment, eligibility) = match row.kind {
        Kind::Assignment => (link, None),
        Kind::Eligibility => (None, link),
    };
    Instance {
        id: row.instance_id(),
        start_date_time: (!row.is_plain()).then(|| timestamp::trimmed(row.effective)),
        end_date_time: row.end.map(timestamp::trimmed),
        principal_id: seen.principal,
        access_id: row.access.as_str(),
        group_id: row.group,
        member_type: seen.member_type(),
        assignment_type: seen.assignment_type(),
        assignment_schedule_id: assignment,
        eligibility_schedule_id: eligibility,
    }
}

#[derive(Serialize)]
struct Identity {
    id: Option<Uuid>,
}

#[derive(Serialize)]
struct IdentitySet {
    user: Identity,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TicketInfo {
    ticket_number: Option<String>,
    ticket_system: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestBody {
    id: Uuid,
    status: &'static str,
    created_date_time: String,
    completed_date_time: Option<String>,
    approval_id: Option<Uuid>,
    custom_data: Option<String>,
    action: &'static str,
    is_validation_only: bool,
    justification: Option<String>,
    principal_id: Uuid,
    access_id: &'static str,
    group_id: Uuid,
    target_schedule_id: Option<String>,
    /// Only `user` in every sample, also for app-only callers as far as anybody has shown.
    created_by: IdentitySet,
    schedule_info: Option<ScheduleInfo>,
    ticket_info: TicketInfo,
}

/// A request keeps its expiration as sent, unlike the schedule it makes.
pub(crate) fn request(request: &Request, now: DateTime<Utc>, posted: bool) -> RequestBody {
    let stamp = if posted {
        timestamp::full
    } else {
        timestamp::trimmed
    };
    let input = &request.input;
    let schedule_info = input
        .schedule
        .filter(|_| !request.is_removal())
        .map(|asked| {
            let (r#type, end, length) = match asked.expiration {
                Expiration::Never => ("noExpiration", None, None),
                Expiration::At(end) => ("afterDateTime", Some(timestamp::trimmed(end)), None),
                Expiration::After(length) => {
                    ("afterDuration", None, Some(duration::format(length)))
                }
            };
            // A start in the future is answered as sent, a past one as the completion.
            let start = match (asked.start, request.start) {
                (Some(asked), Some(start)) if asked == start => Some(timestamp::trimmed(start)),
                (_, start) => start.map(stamp),
            };
            ScheduleInfo {
                start_date_time: start,
                recurrence: None,
                expiration: ExpirationPattern {
                    r#type,
                    end_date_time: end,
                    duration: length,
                },
            }
        });
    RequestBody {
        id: request.id,
        status: request.status(now),
        created_date_time: stamp(request.created),
        completed_date_time: request.completed.map(stamp),
        approval_id: request.approval.then_some(request.id),
        custom_data: None,
        action: input.action.as_str(),
        is_validation_only: input.validation_only,
        justification: input.justification.clone(),
        principal_id: input.principal,
        access_id: input.access.as_str(),
        group_id: input.group,
        target_schedule_id: request.target_schedule_id(),
        created_by: IdentitySet {
            user: Identity {
                id: request.created_by,
            },
        },
        schedule_info,
        ticket_info: TicketInfo {
            ticket_number: input.ticket_number.clone(),
            ticket_system: input.ticket_system.clone(),
        },
    }
}
