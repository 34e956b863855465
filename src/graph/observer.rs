//! The hook through which metrics learn about calls.

use std::{fmt, time::Duration};

/// The target of spans: they are for traces, and not for the log.
pub const SPANS: &str = "pim_operator::spans";

/// Receives one call per Graph request; must return quickly and never panic.
pub trait GraphObserver: Send + Sync {
    /// A Graph call ended. Items of a `$batch` are reported one by one with the time of the whole batch,
    /// and the batch itself once more as [`EndpointClass::Batch`].
    fn call(&self, class: EndpointClass, outcome: Outcome, elapsed: Duration);
    /// A call waited this long because Graph had asked for a pause (`Retry-After`).
    fn throttled(&self, waited: Duration);
}

/// Observes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl GraphObserver for NoObserver {
    fn call(&self, _: EndpointClass, _: Outcome, _: Duration) {}
    fn throttled(&self, _: Duration) {}
}

/// What a call was about. Few values, free of ids and names: fit for a metric label or a log field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum EndpointClass {
    /// Sign-in at the authority.
    Token,
    /// `POST /$batch`.
    Batch,
    /// Eligible or active group schedules.
    GroupSchedules,
    /// Eligible or active group schedule instances.
    GroupInstances,
    /// Reading group schedule requests.
    GroupRequests,
    /// Creating or cancelling a group schedule request.
    GroupWrites,
    /// Eligible or active role schedules.
    RoleSchedules,
    /// Eligible or active role schedule instances.
    RoleInstances,
    /// Reading role schedule requests.
    RoleRequests,
    /// Creating or cancelling a role schedule request.
    RoleWrites,
    /// `/roleManagement/directory/roleDefinitions`.
    RoleDefinitions,
    /// `/directory/administrativeUnits`.
    AdministrativeUnits,
    /// `/users`.
    Users,
    /// `/groups`.
    Groups,
    /// `/servicePrincipals`.
    ServicePrincipals,
    /// `/directoryObjects`.
    DirectoryObjects,
    /// Reading the policies of a group.
    GroupPolicies,
    /// Reading the policies of directory roles.
    RolePolicies,
    /// Changing a policy.
    PolicyWrites,
    /// The authentication contexts of Conditional Access.
    AuthenticationContexts,
}

impl EndpointClass {
    /// Every class.
    pub const ALL: &'static [Self] = &[
        Self::Token,
        Self::Batch,
        Self::GroupSchedules,
        Self::GroupInstances,
        Self::GroupRequests,
        Self::GroupWrites,
        Self::RoleSchedules,
        Self::RoleInstances,
        Self::RoleRequests,
        Self::RoleWrites,
        Self::RoleDefinitions,
        Self::AdministrativeUnits,
        Self::Users,
        Self::Groups,
        Self::ServicePrincipals,
        Self::DirectoryObjects,
        Self::GroupPolicies,
        Self::RolePolicies,
        Self::PolicyWrites,
        Self::AuthenticationContexts,
    ];

    /// Name for labels and log fields, in snake case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Batch => "batch",
            Self::GroupSchedules => "group_schedules",
            Self::GroupInstances => "group_instances",
            Self::GroupRequests => "group_requests",
            Self::GroupWrites => "group_writes",
            Self::RoleSchedules => "role_schedules",
            Self::RoleInstances => "role_instances",
            Self::RoleRequests => "role_requests",
            Self::RoleWrites => "role_writes",
            Self::RoleDefinitions => "role_definitions",
            Self::AdministrativeUnits => "administrative_units",
            Self::Users => "users",
            Self::Groups => "groups",
            Self::ServicePrincipals => "service_principals",
            Self::DirectoryObjects => "directory_objects",
            Self::GroupPolicies => "group_policies",
            Self::RolePolicies => "role_policies",
            Self::PolicyWrites => "policy_writes",
            Self::AuthenticationContexts => "authentication_contexts",
        }
    }
}

impl fmt::Display for EndpointClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Outcome {
    /// 2xx.
    Success,
    /// 401: the token was not accepted.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
    /// 429.
    Throttled,
    /// Any other 4xx, and 3xx, which Graph does not use.
    Refused,
    /// 5xx.
    ServerError,
    /// No complete answer: connection failed, broke off or timed out.
    NoAnswer,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: &'static [Self] = &[
        Self::Success,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::Throttled,
        Self::Refused,
        Self::ServerError,
        Self::NoAnswer,
    ];

    /// The class of an HTTP status.
    #[must_use]
    pub fn of_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Success,
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            429 => Self::Throttled,
            500..=599 => Self::ServerError,
            _ => Self::Refused,
        }
    }

    /// Name for labels and log fields, in snake case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Throttled => "throttled",
            Self::Refused => "refused",
            Self::ServerError => "server_error",
            Self::NoAnswer => "no_answer",
        }
    }
}
