//! The JSON shapes of requests, schedules and instances.
//!
//! Groups have camelCase enum values on live tenants; what is a string for roles is `PascalCase`. Times are
//! trimmed, except in the answer to a POST.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::input::Expiration;
use super::request::Request;
use super::row::Row;
use super::target::{Service, Target};
use crate::types::Kind;
use crate::{duration, timestamp};

/// What an unmodified group row says.
const NEVER_MODIFIED: &str = "0001-01-01T08:00:00Z";

/// What a row or request is about, in the words of its service.
#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum About {
    Group {
        access_id: &'static str,
        group_id: Uuid,
    },
    Role {
        role_definition_id: Uuid,
        directory_scope_id: Option<String>,
        app_scope_id: Option<&'static str>,
    },
}

impl From<Target> for About {
    fn from(target: Target) -> Self {
        match target {
            Target::Group { group, access } => Self::Group {
                access_id: access.as_str(),
                group_id: group,
            },
            Target::Role { role, scope } => Self::Role {
                role_definition_id: role,
                directory_scope_id: scope.directory(),
                app_scope_id: scope.app(),
            },
        }
    }
}

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
    #[serde(flatten)]
    about: About,
    member_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    assignment_type: Option<&'static str>,
}

/// A row as seen by a list: a principal may hold it through a group.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub row: &'a Row,
    pub principal: Uuid,
    /// Whether the group that holds it has the principal only through another group.
    pub nested: bool,
}

impl<'a> Seen<'a> {
    /// Seen with the principal that holds it.
    pub fn directly(row: &'a Row) -> Self {
        Self {
            row,
            principal: row.principal,
            nested: false,
        }
    }

    pub fn member_type(&self) -> &'static str {
        let direct = self.is_direct();
        match (self.row.target.service(), direct) {
            (Service::Groups, true) => "direct",
            (Service::Groups, false) => "group",
            (Service::Roles, true) => "Direct",
            // When Graph says which of the two is not documented; this is a guess.
            (Service::Roles, false) if self.nested => "Inherited",
            (Service::Roles, false) => "Group",
        }
    }

    pub fn is_direct(&self) -> bool {
        self.principal == self.row.principal
    }

    pub fn assignment_type(&self) -> Option<&'static str> {
        let groups = self.row.target.service() == Service::Groups;
        match self.row.kind {
            Kind::Eligibility => None,
            Kind::Assignment if self.row.activated => {
                Some(if groups { "activated" } else { "Activated" })
            }
            Kind::Assignment => Some(if groups { "assigned" } else { "Assigned" }),
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
        modified_date_time: (!plain && row.target.service() == Service::Groups)
            .then_some(NEVER_MODIFIED),
        created_using: row.created_using,
        status: "Provisioned",
        principal_id: seen.principal,
        about: row.target.into(),
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
    #[serde(flatten)]
    about: About,
    member_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    assignment_type: Option<&'static str>,
    #[serde(flatten)]
    links: InstanceLinks,
}

// Graph's own names.
#[allow(clippy::enum_variant_names)]
#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum InstanceLinks {
    GroupAssignment {
        assignment_schedule_id: String,
    },
    GroupEligibility {
        eligibility_schedule_id: String,
    },
    RoleAssignment {
        role_assignment_schedule_id: String,
        role_assignment_origin_id: String,
    },
    RoleEligibility {
        role_eligibility_schedule_id: String,
    },
}

pub(crate) fn instance(seen: Seen<'_>) -> Instance {
    let row = seen.row;
    let link = row.id();
    let links = match (row.target.service(), row.kind) {
        (Service::Groups, Kind::Assignment) => InstanceLinks::GroupAssignment {
            assignment_schedule_id: link,
        },
        (Service::Groups, Kind::Eligibility) => InstanceLinks::GroupEligibility {
            eligibility_schedule_id: link,
        },
        (Service::Roles, Kind::Assignment) => InstanceLinks::RoleAssignment {
            role_assignment_schedule_id: link,
            role_assignment_origin_id: row.instance_id(),
        },
        (Service::Roles, Kind::Eligibility) => InstanceLinks::RoleEligibility {
            role_eligibility_schedule_id: link,
        },
    };
    Instance {
        id: row.instance_id(),
        start_date_time: (!row.is_plain()).then(|| timestamp::trimmed(row.effective)),
        end_date_time: row.end.map(timestamp::trimmed),
        principal_id: seen.principal,
        about: row.target.into(),
        member_type: seen.member_type(),
        assignment_type: seen.assignment_type(),
        links,
    }
}

/// Only `user` is filled in every sample, also for app-only callers as far as anybody has shown.
#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum IdentitySet {
    Group {
        user: GroupIdentity,
    },
    Role {
        application: Option<()>,
        device: Option<()>,
        user: RoleIdentity,
    },
}

#[derive(Serialize)]
struct GroupIdentity {
    id: Option<Uuid>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RoleIdentity {
    display_name: Option<()>,
    id: Option<Uuid>,
}

impl IdentitySet {
    fn of(service: Service, id: Option<Uuid>) -> Self {
        match service {
            Service::Groups => Self::Group {
                user: GroupIdentity { id },
            },
            Service::Roles => Self::Role {
                application: None,
                device: None,
                user: RoleIdentity {
                    display_name: None,
                    id,
                },
            },
        }
    }
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
    #[serde(flatten)]
    about: About,
    target_schedule_id: Option<String>,
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
        about: input.target.into(),
        target_schedule_id: request.target_schedule_id(),
        created_by: IdentitySet::of(request.service(), request.created_by),
        schedule_info,
        ticket_info: TicketInfo {
            ticket_number: input.ticket_number.clone(),
            ticket_system: input.ticket_system.clone(),
        },
    }
}
