//! The frozen vocabulary of conditions: types whose meaning never changes, and one enum of reasons.

use std::fmt;

/// A condition type. `Reconciling` and `Stalled` follow kstatus: present only while true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionType {
    /// Entra holds what the object declares, or lawfully no longer does.
    Ready,
    /// Work is in progress.
    Reconciling,
    /// No retry can help: a person must act.
    Stalled,
    /// A boundary permits this grant.
    Authorized,
    /// The tenant, group and principal were found.
    ReferencesResolved,
    /// The last observation equals the declared state.
    InSync,
}

impl ConditionType {
    /// The type as it is written in `status.conditions`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::Authorized => "Authorized",
            Self::ReferencesResolved => "ReferencesResolved",
            Self::InSync => "InSync",
        }
    }
}

/// Why a condition has its status. One vocabulary for conditions, events, metrics and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The grant exists as declared.
    Provisioned,
    /// Entra holds the grant; its start lies ahead.
    Scheduled,
    /// The window has ended; the grant is not given again.
    Expired,
    /// Entra accepted the request and has not finished it.
    PendingProvisioning,
    /// Entra finished a request, and its lists do not show it yet.
    AwaitingReplication,
    /// Entra refuses changes in the first five minutes of an active assignment.
    AwaitingMinimumDuration,
    /// The target's PIM policy forbids the grant.
    PolicyRejected,
    /// The operator lacks a permission.
    PermissionDenied,
    /// The group or role was not found, or PIM does not support it.
    TargetNotFound,
    /// The principal was not found.
    PrincipalNotFound,
    /// A name matches several objects.
    Ambiguous,
    /// Graph refused or failed the request.
    RequestFailed,
    /// Graph asks to slow down.
    Throttled,
    /// Graph cannot be reached or answers nonsense.
    GraphUnavailable,
    /// Another, older object declares the same grant.
    Conflict,
    /// `spec.suspend` is true.
    Suspended,
    /// `managementPolicy: Observe`, and Entra agrees.
    Observed,
    /// Entra differs from what is declared.
    Drifted,
    /// The EntraTenant is missing or not ready.
    TenantNotReady,
    /// The spec asks for something that cannot be.
    InvalidSpec,
}

impl Reason {
    /// The reason as it is written in conditions, events and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provisioned => "Provisioned",
            Self::Scheduled => "Scheduled",
            Self::Expired => "Expired",
            Self::PendingProvisioning => "PendingProvisioning",
            Self::AwaitingReplication => "AwaitingReplication",
            Self::AwaitingMinimumDuration => "AwaitingMinimumDuration",
            Self::PolicyRejected => "PolicyRejected",
            Self::PermissionDenied => "PermissionDenied",
            Self::TargetNotFound => "TargetNotFound",
            Self::PrincipalNotFound => "PrincipalNotFound",
            Self::Ambiguous => "Ambiguous",
            Self::RequestFailed => "RequestFailed",
            Self::Throttled => "Throttled",
            Self::GraphUnavailable => "GraphUnavailable",
            Self::Conflict => "Conflict",
            Self::Suspended => "Suspended",
            Self::Observed => "Observed",
            Self::Drifted => "Drifted",
            Self::TenantNotReady => "TenantNotReady",
            Self::InvalidSpec => "InvalidSpec",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
