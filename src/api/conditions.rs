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
    /// Nothing about the rules of a policy looks like a mistake.
    Sound,
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
            Self::Sound => "Sound",
        }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// Why a condition has its status. One vocabulary for conditions, events, metrics and logs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[$doc])+ $name,)+
        }

        impl Reason {
            /// Every reason there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The reason as it is written in conditions, events and metrics.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }
        }
    };
}

reasons! {
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
    /// The `EntraTenant` is missing or not ready.
    TenantNotReady,
    /// The spec asks for something that cannot be.
    InvalidSpec,
    /// A boundary allows the grant.
    Allowed,
    /// No boundary allows the grant.
    BoundaryDenied,
    /// The built-in deny list forbids the grant, whatever boundaries say.
    DenyListed,
    /// Whether the grant is allowed could not be judged: a fact that it depends on could not be read.
    FactsUnavailable,
    /// The access was revoked because no boundary allows it any more.
    AuthorityLost,
    /// The tenant's removal guard holds revocations until somebody acknowledges them.
    RemovalGuardTripped,
    /// The tenant is frozen: nothing but revocations is written.
    Frozen,
    /// The principal is protected: its access is never revoked or shortened.
    ProtectedPrincipal,
    /// Entra holds the rules as stated.
    Applied,
    /// Nothing about the rules looks like a mistake.
    NoFindings,
    /// Somebody else changed the policy while it was written.
    LostRace,
    /// The rule would lock the operator out of the target.
    OperatorLockedOut,
    /// Approval is demanded and nobody is left who could give it.
    NoLivingApprover,
    /// Approval depends on one person.
    SingleApprover,
    /// Those who ask for approval may also give it.
    SelfApproval,
    /// A longest duration of nothing makes every request fail.
    ZeroDuration,
    /// Nobody is told.
    NobodyNotified,
    /// The tenant has no such authentication context.
    UnknownAuthenticationContext,
    /// The operator is signed in to the tenant.
    Connected,
    /// The tenant's Secret is missing, or Entra refuses what it holds.
    CredentialUnavailable,
}

impl Reason {
    /// The reason of a spelling; none for one of another version.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|reason| reason.as_str() == text)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
