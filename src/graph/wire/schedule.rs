//! Schedules, instances and requests, of groups and of directory roles: the same shapes about different targets.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};

use super::{open_enum::open_enum, time};

/// What schedules are about: the first half of every path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// Memberships and ownerships of groups.
    Groups,
    /// Directory roles.
    Roles,
}

/// What a grant is about, in the fields that Graph has for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum ScheduleTarget {
    /// A relationship with a group.
    Group {
        /// Member or owner.
        access_id: AccessId,
        /// Object id of the group.
        group_id: String,
    },
    /// A directory role at a scope.
    Role {
        /// Id of the role definition.
        role_definition_id: String,
        /// The scope, such as `/`.
        directory_scope_id: String,
    },
}

impl ScheduleTarget {
    /// Where it is asked for.
    #[must_use]
    pub const fn family(&self) -> Family {
        match self {
            Self::Group { .. } => Family::Groups,
            Self::Role { .. } => Family::Roles,
        }
    }

    /// The target of a row. None for a row that names neither, or a role at a scope of an application.
    fn of_row(
        (group_id, access_id): (&str, &AccessId),
        role: Option<&String>,
        scope: Option<&String>,
    ) -> Option<Self> {
        match (role, scope) {
            (Some(role), Some(scope)) => Some(Self::Role {
                role_definition_id: role.clone(),
                directory_scope_id: scope.clone(),
            }),
            (None, _) if !group_id.is_empty() => Some(Self::Group {
                access_id: access_id.clone(),
                group_id: group_id.to_owned(),
            }),
            _ => None,
        }
    }
}

macro_rules! rows_with_a_target {
    ($($row:ident),+) => {
        $(impl $row {
            /// What the row is about; none where it is nothing that a grant can be about.
            #[must_use]
            pub fn target(&self) -> Option<ScheduleTarget> {
                ScheduleTarget::of_row(
                    (&self.group_id, &self.access_id),
                    self.role_definition_id.as_ref(),
                    self.directory_scope_id.as_ref(),
                )
            }
        })+
    };
}

rows_with_a_target!(Schedule, ScheduleInstance, ScheduleRequest);

/// Which of the two sets a grant belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScheduleKind {
    /// The principal may activate the membership or role.
    Eligibility,
    /// The principal holds the membership or role.
    Assignment,
}

impl ScheduleKind {
    /// The prefix of Graph's entity set names.
    #[must_use]
    pub const fn of(self, family: Family) -> &'static str {
        match (family, self) {
            (Family::Groups, Self::Eligibility) => "eligibility",
            (Family::Groups, Self::Assignment) => "assignment",
            (Family::Roles, Self::Eligibility) => "roleEligibility",
            (Family::Roles, Self::Assignment) => "roleAssignment",
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Eligibility => Self::Assignment,
            Self::Assignment => Self::Eligibility,
        }
    }
}

open_enum! {
    /// Member or owner of the group.
    AccessId {
        /// An ordinary member.
        Member = "member",
        /// An owner.
        Owner = "owner",
    }
}

open_enum! {
    /// How the principal came to the row.
    MemberType {
        /// The row names the principal itself.
        Direct = "direct",
        /// Through a nested group.
        Group = "group",
        /// Through a parent scope.
        Inherited = "inherited",
    }
}

open_enum! {
    /// Why an active row exists.
    AssignmentType {
        /// An administrator assigned it.
        Assigned = "assigned",
        /// The principal activated an eligibility.
        Activated = "activated",
    }
}

open_enum! {
    /// What a request asks for.
    RequestAction {
        /// Create a grant.
        AdminAssign = "adminAssign",
        /// Replace the window of an existing grant.
        AdminUpdate = "adminUpdate",
        /// Take a grant away.
        AdminRemove = "adminRemove",
        /// Prolong a grant that has not ended.
        AdminExtend = "adminExtend",
        /// Bring back a grant that has ended.
        AdminRenew = "adminRenew",
        /// A principal activates its eligibility.
        SelfActivate = "selfActivate",
        /// A principal ends its activation.
        SelfDeactivate = "selfDeactivate",
        /// A principal asks for a longer grant.
        SelfExtend = "selfExtend",
        /// A principal asks for an ended grant again.
        SelfRenew = "selfRenew",
    }
}

impl RequestAction {
    /// Whether the action takes access away.
    #[must_use]
    pub fn is_removal(&self) -> bool {
        matches!(self, Self::AdminRemove | Self::SelfDeactivate)
    }
}

open_enum! {
    /// How a window ends.
    ExpirationType {
        /// Not stated.
        NotSpecified = "notSpecified",
        /// It does not end.
        NoExpiration = "noExpiration",
        /// At a date.
        AfterDateTime = "afterDateTime",
        /// After a duration.
        AfterDuration = "afterDuration",
    }
}

/// The end of a window. Use the constructors to write one: Graph refuses some mixtures of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Expiration {
    /// Which of the other fields counts.
    #[serde(rename = "type", default, deserialize_with = "null_as_default")]
    pub kind: ExpirationType,
    /// The end, for `afterDateTime`.
    #[serde(
        default,
        deserialize_with = "time::read",
        serialize_with = "time::write",
        skip_serializing_if = "Option::is_none"
    )]
    pub end_date_time: Option<DateTime<Utc>>,
    /// ISO 8601 duration in days, hours and minutes, for `afterDuration`; Graph refuses months and years.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
}

impl Expiration {
    /// A permanent grant.
    #[must_use]
    pub fn never() -> Self {
        Self {
            kind: ExpirationType::NoExpiration,
            ..Self::default()
        }
    }

    /// A grant that ends at a date (whole seconds).
    #[must_use]
    pub fn at(end: DateTime<Utc>) -> Self {
        Self {
            kind: ExpirationType::AfterDateTime,
            end_date_time: Some(end),
            duration: None,
        }
    }

    /// A grant that ends after an ISO 8601 duration such as `P30D` or `PT8H`.
    #[must_use]
    pub fn after(duration: impl Into<String>) -> Self {
        Self {
            kind: ExpirationType::AfterDuration,
            end_date_time: None,
            duration: Some(duration.into()),
        }
    }
}

/// The window of a grant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleInfo {
    /// The start. Graph replaces one that is not in the future by the time of provisioning.
    #[serde(
        default,
        deserialize_with = "time::read",
        serialize_with = "time::write",
        skip_serializing_if = "Option::is_none"
    )]
    pub start_date_time: Option<DateTime<Utc>>,
    /// The end.
    #[serde(default, deserialize_with = "null_as_default")]
    pub expiration: Expiration,
}

/// Reference to a ticket that justifies a grant.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TicketInfo {
    /// Number in the ticket system.
    #[serde(default)]
    pub ticket_number: Option<String>,
    /// Name of the ticket system.
    #[serde(default)]
    pub ticket_system: Option<String>,
}

impl fmt::Debug for TicketInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketInfo(..)")
    }
}

/// A current or future grant. Its `id` changes with every update: identify a grant by group, principal, access and kind.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// Id of the row, not of the grant.
    pub id: String,
    /// The group; empty for a role, or if Graph left it out.
    #[serde(default, deserialize_with = "null_as_default")]
    pub group_id: String,
    /// Who holds the grant; empty if Graph left it out.
    #[serde(default, deserialize_with = "null_as_default")]
    pub principal_id: String,
    /// Member or owner, of a row about a group.
    #[serde(default, deserialize_with = "null_as_default")]
    pub access_id: AccessId,
    /// The role, of a row about a role.
    #[serde(default)]
    pub role_definition_id: Option<String>,
    /// The scope of the role; none for one within an application.
    #[serde(default)]
    pub directory_scope_id: Option<String>,
    /// Open text; see [`classify`](crate::graph::classify).
    #[serde(default, deserialize_with = "null_as_default")]
    pub status: String,
    /// The request that made the row; `None` for a membership made outside PIM.
    #[serde(default)]
    pub created_using: Option<String>,
    /// Direct or through a group.
    #[serde(default, deserialize_with = "null_as_default")]
    pub member_type: MemberType,
    /// Assigned or activated; only active rows have it.
    #[serde(default)]
    pub assignment_type: Option<AssignmentType>,
    /// The window. Graph turns a requested duration into an end date here.
    #[serde(default, deserialize_with = "null_as_default")]
    pub schedule_info: ScheduleInfo,
    /// When the row was made.
    #[serde(default, deserialize_with = "time::read_bookkeeping")]
    pub created_date_time: Option<DateTime<Utc>>,
    /// When it was changed; `None` also for Graph's "never" placeholder.
    #[serde(default, deserialize_with = "time::read_bookkeeping")]
    pub modified_date_time: Option<DateTime<Utc>>,
}

/// A grant that is in force now.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleInstance {
    /// Id of the row.
    pub id: String,
    /// The group; empty for a role, or if Graph left it out.
    #[serde(default, deserialize_with = "null_as_default")]
    pub group_id: String,
    /// Who holds the grant; empty if Graph left it out.
    #[serde(default, deserialize_with = "null_as_default")]
    pub principal_id: String,
    /// Member or owner, of a row about a group.
    #[serde(default, deserialize_with = "null_as_default")]
    pub access_id: AccessId,
    /// The role, of a row about a role.
    #[serde(default)]
    pub role_definition_id: Option<String>,
    /// The scope of the role; none for one within an application.
    #[serde(default)]
    pub directory_scope_id: Option<String>,
    /// Direct or through a group.
    #[serde(default, deserialize_with = "null_as_default")]
    pub member_type: MemberType,
    /// Assigned or activated; only active rows have it.
    #[serde(default)]
    pub assignment_type: Option<AssignmentType>,
    /// Since when; `None` for a membership made outside PIM.
    #[serde(default, deserialize_with = "time::read")]
    pub start_date_time: Option<DateTime<Utc>>,
    /// Until when; `None` = permanent.
    #[serde(default, deserialize_with = "time::read")]
    pub end_date_time: Option<DateTime<Utc>>,
    /// The schedule behind an active instance.
    #[serde(default, alias = "roleAssignmentScheduleId")]
    pub assignment_schedule_id: Option<String>,
    /// The schedule behind an eligible instance.
    #[serde(default, alias = "roleEligibilityScheduleId")]
    pub eligibility_schedule_id: Option<String>,
}

/// A request as Graph reports it. Requests are history: Graph forgets them after some weeks.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleRequest {
    /// Id of the request.
    pub id: String,
    /// Open text; see [`ScheduleRequest::state`](Self::state).
    pub status: String,
    /// What was asked for.
    #[serde(default, deserialize_with = "null_as_default")]
    pub action: RequestAction,
    /// The group; empty for a role, or if Graph left it out.
    #[serde(default, deserialize_with = "null_as_default")]
    pub group_id: String,
    /// Whose grant; empty if Graph left it out.
    #[serde(default, deserialize_with = "null_as_default")]
    pub principal_id: String,
    /// Member or owner, of a row about a group.
    #[serde(default, deserialize_with = "null_as_default")]
    pub access_id: AccessId,
    /// The role, of a row about a role.
    #[serde(default)]
    pub role_definition_id: Option<String>,
    /// The scope of the role; none for one within an application.
    #[serde(default)]
    pub directory_scope_id: Option<String>,
    /// Why.
    #[serde(default)]
    pub justification: Option<String>,
    /// The window; absent for removals.
    #[serde(default)]
    pub schedule_info: Option<ScheduleInfo>,
    /// The ticket.
    #[serde(default)]
    pub ticket_info: Option<TicketInfo>,
    /// The schedule row the request made; absent for removals.
    #[serde(default)]
    pub target_schedule_id: Option<String>,
    /// Set when somebody has to approve.
    #[serde(default)]
    pub approval_id: Option<String>,
    /// Whether this was only a trial run.
    #[serde(default)]
    pub is_validation_only: Option<bool>,
    /// When Graph took the request; differs by parts of a second between answers.
    #[serde(default, deserialize_with = "time::read_bookkeeping")]
    pub created_date_time: Option<DateTime<Utc>>,
    /// When it was carried out, or, for a grant that lies in the future, its start.
    #[serde(default, deserialize_with = "time::read_bookkeeping")]
    pub completed_date_time: Option<DateTime<Utc>>,
}

impl fmt::Debug for ScheduleRequest {
    /// Leaves out what people wrote (justification, ticket).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScheduleRequest")
            .field("id", &self.id)
            .field("status", &self.status)
            .field("action", &self.action)
            .field("target", &self.target())
            .field("principal_id", &self.principal_id)
            .field("schedule_info", &self.schedule_info)
            .finish_non_exhaustive()
    }
}

/// The body of a new request.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewRequest {
    /// What to do.
    pub action: RequestAction,
    /// What the grant is about.
    #[serde(flatten)]
    pub target: ScheduleTarget,
    /// Object id of the principal (never a sign-in name).
    pub principal_id: String,
    /// Why; always send one, as many policies demand it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub justification: Option<String>,
    /// The window; needed for everything but removals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule_info: Option<ScheduleInfo>,
    /// The ticket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket_info: Option<TicketInfo>,
    /// Only run Graph's checks and change nothing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_validation_only: bool,
}

impl fmt::Debug for NewRequest {
    /// Leaves out what people wrote (justification, ticket).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewRequest")
            .field("action", &self.action)
            .field("target", &self.target)
            .field("principal_id", &self.principal_id)
            .field("schedule_info", &self.schedule_info)
            .finish_non_exhaustive()
    }
}

/// Graph writes null where it has nothing to say.
pub(super) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
