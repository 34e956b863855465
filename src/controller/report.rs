//! Report: from a decision to conditions. Every message is one sentence that says what is, or what to do; none holds
//! anything that changes from try to try.

mod authority;
mod conflict;

use chrono::{DateTime, Utc};

use crate::{
    api::{
        RECONCILE_ANNOTATION,
        conditions::{ConditionType, Reason},
        status::{GrantStatus, LastRequest, ResolvedReferences},
    },
    graph::{Advice, GraphError, ScheduleKind},
    pim::{
        desired::Mode,
        observed::{Anchor, Refusal},
        plan::{Settled, Wait, Why},
        policy::PolicyRejected,
    },
};

use super::{
    grant::ObjectKey,
    resolve::Unresolved,
    status::{Verdict, end_text, instant_text, refusal, set_condition},
};

pub use authority::{
    Held, authorized, boundary_changed, denial, denied, last_place_taken, not_judged,
};
pub use conflict::{conflict, rival, rival_row};

/// What is to be said of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// `Ready`.
    pub ready: Verdict,
    /// Whether no retry can help.
    pub stalled: bool,
    /// `InSync`; none leaves it as it is.
    pub in_sync: Option<Verdict>,
    /// `ReferencesResolved`; none leaves it as it is.
    pub references: Option<Verdict>,
    /// `Authorized`; none leaves it as it is.
    pub authorized: Option<Verdict>,
}

impl Report {
    fn of(ready: Verdict) -> Self {
        Self {
            ready,
            stalled: false,
            in_sync: None,
            references: None,
            authorized: None,
        }
    }

    fn stalled(mut self, stalled: bool) -> Self {
        self.stalled = stalled;
        self
    }

    fn differing(mut self) -> Self {
        self.in_sync = Some(Verdict::no(self.ready.reason, self.ready.message.clone()));
        self
    }

    /// Writes the conditions.
    pub fn apply(&self, status: &mut GrantStatus, generation: i64, now: DateTime<Utc>) {
        let mut set = |type_, verdict: Option<&Verdict>| {
            set_condition(&mut status.conditions, type_, verdict, generation, now);
        };
        set(ConditionType::Ready, Some(&self.ready));
        let working = self.ready.status != Some(true) && !self.stalled;
        let progress = Verdict::yes(self.ready.reason, self.ready.message.clone());
        set(ConditionType::Reconciling, working.then_some(&progress));
        set(ConditionType::Stalled, self.stalled.then_some(&progress));
        if let Some(in_sync) = &self.in_sync {
            set(ConditionType::InSync, Some(in_sync));
        }
        if let Some(references) = &self.references {
            set(ConditionType::ReferencesResolved, Some(references));
        }
        if let Some(authorized) = &self.authorized {
            set(ConditionType::Authorized, Some(authorized));
        }
        status.observed_generation = Some(generation);
    }
}

/// Who holds what, in words.
pub struct Subject<'a> {
    /// The names.
    pub names: &'a ResolvedReferences,
    /// Eligible or active.
    pub schedules: ScheduleKind,
    /// `member` or `owner`; none of a role.
    pub access: Option<&'a str>,
}

impl Subject<'_> {
    fn sentence(&self) -> String {
        let manner = match self.schedules {
            ScheduleKind::Eligibility => "eligible",
            ScheduleKind::Assignment => "active",
        };
        let ResolvedReferences {
            principal_name,
            target_name,
            scope_name,
            ..
        } = self.names;
        match (self.access, scope_name.as_deref()) {
            (Some(access), _) => {
                format!("{principal_name} is {manner} as {access} of {target_name}")
            }
            (None, None | Some("/")) => {
                format!("{principal_name} is {manner} as {target_name} in the whole tenant")
            }
            (None, Some(scope)) => {
                format!("{principal_name} is {manner} as {target_name} in {scope}")
            }
        }
    }
}

/// Entra agrees.
#[must_use]
pub fn settled(
    settled: Settled,
    mode: Mode,
    anchor: Option<&Anchor>,
    subject: &Subject<'_>,
) -> Report {
    let window = anchor.map(|anchor| anchor.window);
    let until = match window.map(|window| window.end.instant()) {
        Some(Some(end)) => format!(" until {}", instant_text(end)),
        Some(None) => " permanently".to_owned(),
        None => String::new(),
    };
    let sentence = subject.sentence();
    let mut in_sync = true;
    let (reason, message) = match settled {
        Settled::Provisioned { .. } => (Reason::Provisioned, format!("{sentence}{until}")),
        Settled::Scheduled { .. } => {
            let from = window
                .map(|window| format!(" from {}", instant_text(window.start)))
                .unwrap_or_default();
            (Reason::Scheduled, format!("{sentence}{from}{until}"))
        }
        Settled::Expired { regranted } => {
            in_sync = !regranted;
            let end = window
                .map(|window| end_text(window.end))
                .unwrap_or_default();
            let tail = if regranted {
                "; Entra lists the same access again, granted by someone else, which this object does not manage"
            } else {
                ""
            };
            (
                Reason::Expired,
                format!("the window ended at {end}; edit `scheduleInfo` to grant it again{tail}"),
            )
        }
    };
    let (reason, message) = match mode {
        Mode::Manage => (reason, message),
        Mode::Observe => (Reason::Observed, format!("observed only: {message}")),
        Mode::Suspended => (
            Reason::Suspended,
            format!("suspended, and nothing is to be done: {message}"),
        ),
    };
    let mut report = Report::of(Verdict::yes(reason, message.clone()));
    report.in_sync = Some(Verdict {
        status: Some(in_sync),
        reason,
        message,
    });
    report
}

fn difference(why: Why) -> &'static str {
    match why {
        Why::NotGranted => "the grant is not there yet",
        Why::Differs => "the grant is there with another window",
        Why::WindowEdited => "the declared window was edited",
        Why::EndedByEdit => "the declared window was edited to one that is over",
        Why::LeaseDue => "the lease is to be extended",
        Why::Removed => "someone removed the grant in Entra",
        Why::Altered => "someone changed the grant's window in Entra",
        Why::Outlived => "the grant was made to outlive its window in Entra",
        Why::AuthorityLost => "no boundary allows the grant any more",
        Why::Deleted => "this object is being deleted",
    }
}

/// Entra differs, and the mode forbids writing.
#[must_use]
pub fn withheld(why: Why, mode: Mode) -> Report {
    let difference = difference(why);
    let ready = match mode {
        Mode::Suspended => Verdict::no(
            Reason::Suspended,
            format!("{difference}; nothing is written while `suspend` is true"),
        ),
        _ => Verdict::no(
            Reason::Drifted,
            format!("{difference}; nothing is written because `managementPolicy` is Observe"),
        ),
    };
    Report::of(ready).differing()
}

/// A request is about to be sent.
#[must_use]
pub fn sending(action: &str, why: Why) -> Report {
    let reason = match why {
        Why::Removed | Why::Altered | Why::Outlived => Reason::Drifted,
        _ => Reason::PendingProvisioning,
    };
    Report::of(Verdict::no(
        reason,
        format!("{}; sending {action} to Entra", difference(why)),
    ))
    .differing()
}

/// A plan waits.
#[must_use]
pub fn waiting(wait: Wait, last: Option<&LastRequest>) -> Report {
    let action = last.map_or("the request", |last| last.action.as_str());
    let no = |reason, message: String| Report::of(Verdict::no(reason, message));
    match wait {
        Wait::Observation => no(Reason::GraphUnavailable, "what Entra lists is not known".to_owned()),
        Wait::Provisioning => {
            let state = last.and_then(|last| last.status.as_deref()).unwrap_or("Granted");
            no(Reason::PendingProvisioning, format!("Entra accepted {action} and is working on it ({state})")).differing()
        }
        Wait::Replication if last.is_none_or(|last| last.error.is_some() || last.status.is_none()) => {
            no(Reason::AwaitingReplication, format!("what became of {action} is not certain until Entra's lists have had time to show it")).differing()
        }
        Wait::Replication => {
            no(Reason::AwaitingReplication, format!("Entra carried out {action}; its lists do not show it yet")).differing()
        }
        Wait::MinimumDuration => no(
            Reason::AwaitingMinimumDuration,
            "Entra allows no change in the first five minutes of an active assignment; the change follows after them".to_owned(),
        )
        .differing(),
        Wait::AbsenceProof => no(
            Reason::Drifted,
            "Entra no longer lists the grant; it is restored once a second read agrees".to_owned(),
        )
        .differing(),
        Wait::Stuck => no(
            Reason::PendingProvisioning,
            format!("Entra took {action} and does not carry it out ({}): so it does with a principal that cannot hold the role; see whether it can, delete this object, or ask again with the annotation {RECONCILE_ANNOTATION}", last.and_then(|last| last.status.as_deref()).unwrap_or("Granted")),
        )
        .stalled(true)
        .differing(),
        Wait::End => no(
            Reason::Drifted,
            "Entra differs, and what is left of the window is shorter than Entra's minimum of five minutes: nothing is changed".to_owned(),
        )
        .differing(),
        Wait::Retry { stalled } => refused(last, stalled),
    }
}

/// The answer to the last request was lost, and Entra's request list may not show it yet.
#[must_use]
pub fn unknown_outcome(last: Option<&LastRequest>) -> Report {
    let action = last.map_or("the request", |last| last.action.as_str());
    let message = format!(
        "the answer to {action} was lost; it is not sent again before Entra's request list has been asked once more"
    );
    Report::of(Verdict::no(Reason::PendingProvisioning, message)).differing()
}

/// Graph refused or failed the last request.
#[must_use]
pub fn refused(last: Option<&LastRequest>, stalled: bool) -> Report {
    let action = last.map_or("the request", |last| last.action.as_str());
    let code = last.and_then(|last| last.error.as_deref());
    let sentence = last
        .and_then(|last| last.message.clone())
        .unwrap_or_else(|| match code {
            Some(code) => format!("Graph refused {action} ({code})"),
            None => format!("Entra took {action} and failed to carry it out; it is tried again"),
        });
    let reason = match code.map(refusal) {
        Some(Refusal::Policy) => Reason::PolicyRejected,
        Some(Refusal::Permission) => Reason::PermissionDenied,
        Some(Refusal::MinimumDuration) => Reason::AwaitingMinimumDuration,
        Some(Refusal::Pending) => Reason::PendingProvisioning,
        Some(Refusal::Exists | Refusal::DoesNotExist) => Reason::AwaitingReplication,
        Some(Refusal::NotReplicated) if code == Some("SubjectNotFound") => {
            Reason::PrincipalNotFound
        }
        Some(Refusal::NotReplicated) => Reason::TargetNotFound,
        Some(Refusal::NotCancellable | Refusal::LastHolder | Refusal::Other) | None => {
            Reason::RequestFailed
        }
    };
    Report::of(Verdict::no(reason, sentence))
        .stalled(stalled)
        .differing()
}

/// The target's PIM policy forbids the request, which was not sent.
#[must_use]
pub fn policy_rejects(target: &str, rejected: &PolicyRejected) -> Report {
    let message = format!("{target}: {rejected}");
    Report::of(Verdict::no(Reason::PolicyRejected, message))
        .stalled(true)
        .differing()
}

/// The target's policy still allows the request, and is about to forbid it.
#[must_use]
pub fn policy_is_tightened(by: &ObjectKey, rejected: &PolicyRejected) -> Report {
    let message = format!("{by} is about to change the policy: {rejected}");
    Report::of(Verdict::no(Reason::PolicyRejected, message)).differing()
}

/// A reference leads nowhere.
#[must_use]
pub fn unresolved(reason: Reason, message: String, stalled: bool) -> Report {
    let mut report = Report::of(Verdict::no(reason, message.clone())).stalled(stalled);
    report.references = Some(Verdict::no(reason, message));
    report
}

/// Graph could not be asked.
#[must_use]
pub fn failed(error: &GraphError) -> Report {
    let (reason, stalled) = match error.advice() {
        Advice::RetryAfter(_) => (Reason::Throttled, false),
        Advice::Retry | Advice::ReObserve => (Reason::GraphUnavailable, false),
        Advice::WaitMinimumDuration => (Reason::AwaitingMinimumDuration, false),
        Advice::AwaitReplication => (Reason::TargetNotFound, false),
        Advice::FixPermissions { .. } | Advice::FixLicense => (Reason::PermissionDenied, true),
        Advice::FixPolicy { .. } => (Reason::PolicyRejected, true),
        Advice::FixCredential => (Reason::TenantNotReady, false),
        _ => (Reason::RequestFailed, false),
    };
    Report::of(Verdict::no(reason, error.to_string())).stalled(stalled)
}

/// The tenant is missing or not signed in to.
#[must_use]
pub fn tenant(message: String) -> Report {
    Report::of(Verdict::no(Reason::TenantNotReady, message))
}

/// The spec cannot be carried out.
#[must_use]
pub fn invalid(message: String) -> Report {
    Report::of(Verdict::no(Reason::InvalidSpec, message)).stalled(true)
}

/// The removal guard holds a revocation.
#[must_use]
pub fn guarded(tenant: &str) -> Report {
    let message = format!(
        "the revocation waits: the removal guard of the EntraTenant {tenant} has tripped, because many grants were revoked in a short time; a person has to acknowledge it as `kubectl describe entratenant {tenant}` says"
    );
    Report::of(Verdict::no(Reason::RemovalGuardTripped, message)).stalled(true)
}

/// The tenant is frozen.
#[must_use]
pub fn frozen(why: Why, tenant: &str) -> Report {
    let message = format!(
        "{}; nothing but revocations is written while `freeze` is true in the EntraTenant {tenant}",
        difference(why)
    );
    Report::of(Verdict::no(Reason::Frozen, message)).differing()
}

/// The principal's access is neither revoked nor shortened.
#[must_use]
pub fn protected(principal: &str, tenant: &str) -> Report {
    let message = format!(
        "{principal} is in `protectedPrincipals` of the EntraTenant {tenant}: the access is neither revoked nor shortened, and stays as it is in Entra"
    );
    Report::of(Verdict::no(Reason::ProtectedPrincipal, message))
        .stalled(true)
        .differing()
}

/// Nothing is revoked yet, because a read failed.
#[must_use]
pub fn unread(error: &GraphError, tenant: &str) -> Report {
    let mut report = failed(error);
    report.ready.message = format!(
        "nothing is revoked before everything that is declared in the EntraTenant {tenant} has been read once since the operator started: {error}"
    );
    report
}

/// What is left in Entra of a grant whose object goes.
#[must_use]
pub fn stays(status: &GrantStatus, schedules: ScheduleKind, access: Option<&str>) -> String {
    let (Some(names), Some(_)) = (&status.resolved, status.created_via) else {
        return "nothing is known to have been granted for it".to_owned();
    };
    let subject = Subject {
        names,
        schedules,
        access,
    };
    let until = match status.schedule.as_ref().map(|window| window.end_date_time) {
        Some(Some(end)) => format!(" until {}", instant_text(end)),
        Some(None) => " permanently".to_owned(),
        None => String::new(),
    };
    format!("in Entra, {}{until}, unmanaged", subject.sentence())
}

/// Deletion waits for something that a person may have to change.
#[must_use]
pub fn deletion_held(reason: Reason, message: String, stalled: bool) -> Report {
    Report::of(Verdict::no(reason, message)).stalled(stalled)
}

/// Deletion waits for `suspend` to be false.
#[must_use]
pub fn deletion_suspended() -> Report {
    let message = "deletion waits: `suspend` is true, and `deletionPolicy` is Revoke".to_owned();
    deletion_held(Reason::Suspended, message, false)
}

/// The references resolved.
#[must_use]
pub fn resolved(names: &ResolvedReferences) -> Verdict {
    Verdict::yes(
        Reason::Provisioned,
        format!(
            "{} and {} were found",
            names.principal_name, names.target_name
        ),
    )
}

impl Unresolved {
    /// The report of a reference that leads nowhere.
    #[must_use]
    pub fn report(self, stalled: bool) -> Report {
        match self {
            Self::Wrong {
                reason,
                message,
                may_appear,
            } => unresolved(reason, message, stalled || !may_appear),
            Self::Failed(error) => failed(&error),
        }
    }
}
