//! What is said of a `PimPolicy`. Every message is one sentence that says what is, or what to do, and is stable from try to try.

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::{
    api::{
        conditions::{ConditionType, Reason},
        pim_policy_status::PimPolicyStatus,
    },
    controller::status::{Verdict, set_condition, since},
    graph::{Advice, GraphError},
    pim::policy::{Difference, InvalidPolicy, Lint, Obstacle, describe},
};

/// The most differences that a message names.
const NAMED: usize = 3;

/// A verdict on the whole object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Report {
    /// `Ready`.
    pub ready: Verdict,
    /// Whether no retry can help.
    pub stalled: bool,
    /// `InSync`; none leaves it as it is.
    pub in_sync: Option<bool>,
}

impl Report {
    fn of(ready: Verdict, in_sync: Option<bool>) -> Self {
        Self {
            ready,
            stalled: false,
            in_sync,
        }
    }

    /// A person has to act.
    pub(super) fn stalled(mut self) -> Self {
        self.stalled = true;
        self
    }

    /// Writes the conditions.
    pub(super) fn apply(&self, status: &mut PimPolicyStatus, generation: i64, now: DateTime<Utc>) {
        let mut set = |type_, verdict: Option<&Verdict>| {
            set_condition(&mut status.conditions, type_, verdict, generation, now);
        };
        set(ConditionType::Ready, Some(&self.ready));
        let working = self.ready.status != Some(true) && !self.stalled;
        let progress = Verdict::yes(self.ready.reason, self.ready.message.clone());
        set(ConditionType::Reconciling, working.then_some(&progress));
        set(ConditionType::Stalled, self.stalled.then_some(&progress));
        if let Some(in_sync) = self.in_sync {
            let verdict = Verdict {
                status: Some(in_sync),
                ..self.ready.clone()
            };
            set(ConditionType::InSync, Some(&verdict));
        }
        status.observed_generation = Some(generation);
    }
}

/// A condition of a type.
pub(super) fn find(status: &PimPolicyStatus, type_: ConditionType) -> Option<&Condition> {
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == type_.as_str())
}

/// How long a condition has not held.
pub(super) fn false_for(
    status: &PimPolicyStatus,
    type_: ConditionType,
    now: DateTime<Utc>,
) -> TimeDelta {
    find(status, type_)
        .filter(|condition| condition.status == "False")
        .map_or(TimeDelta::zero(), |condition| now - since(condition))
}

/// Something holds the object up.
pub(super) fn waiting(reason: Reason, message: String) -> Report {
    Report::of(Verdict::no(reason, message), None)
}

/// Entra holds the rules as stated.
pub(super) fn applied(rules: usize) -> Report {
    let message = match rules {
        0 => "no rule is stated, so nothing is managed".to_owned(),
        1 => "Entra holds the rule as stated".to_owned(),
        rules => format!("Entra holds the {rules} rules as stated"),
    };
    Report::of(Verdict::yes(Reason::Applied, message), Some(true))
}

/// Entra agrees, and nothing may be written anyway.
pub(super) fn agrees(reason: Reason) -> Report {
    let message = match reason {
        Reason::Suspended => {
            "suspended, and nothing is to be done: Entra holds the rules as stated"
        }
        _ => "observed only: Entra holds the rules as stated",
    };
    Report::of(Verdict::yes(reason, message), Some(true))
}

/// Entra differs, and nothing may be written.
pub(super) fn withheld(reason: Reason, why: &str, differences: &[Difference]) -> Report {
    let message = format!("{}; {why}", differing(differences));
    Report::of(Verdict::no(reason, message), Some(false))
}

/// Rules are about to be changed.
pub(super) fn changing(reason: Reason, differences: &[Difference], what_next: &str) -> Report {
    let message = format!("{}; {what_next}", differing(differences));
    Report::of(Verdict::no(reason, message), Some(false))
}

/// Somebody else wrote at the same time.
pub(super) fn lost_race(differences: &[Difference]) -> Report {
    let message = format!(
        "somebody else changed the policy while it was written: {}; it is looked at again",
        differing(differences)
    );
    Report::of(Verdict::no(Reason::LostRace, message), Some(false))
}

/// What is stated cannot be carried out.
pub(super) fn invalid(invalid: &InvalidPolicy) -> Report {
    let reason = match invalid {
        InvalidPolicy::LocksOperatorOut(_) => Reason::OperatorLockedOut,
        _ => Reason::InvalidSpec,
    };
    Report::of(Verdict::no(reason, invalid.to_string()), None).stalled()
}

/// Entra would refuse it.
pub(super) fn obstacle(obstacle: &Obstacle) -> Report {
    let verdict = Verdict::no(Reason::InvalidSpec, obstacle.to_string());
    Report::of(verdict, Some(false)).stalled()
}

/// Graph could not be asked, or refused.
pub(super) fn failed(error: &GraphError) -> Report {
    let (reason, stalled) = match error.advice() {
        Advice::RetryAfter(_) => (Reason::Throttled, false),
        Advice::Retry | Advice::ReObserve => (Reason::GraphUnavailable, false),
        Advice::AwaitReplication => (Reason::AwaitingReplication, false),
        Advice::FixPermissions { .. } | Advice::FixLicense => (Reason::PermissionDenied, true),
        Advice::FixCredential => (Reason::TenantNotReady, false),
        _ => (Reason::RequestFailed, false),
    };
    let mut report = Report::of(Verdict::no(reason, error.to_string()), None);
    report.stalled = stalled;
    report
}

/// One difference, with rule, from and to.
pub(super) fn difference(one: &Difference) -> String {
    let (from, to) = (describe::rule(&one.from), describe::rule(&one.to));
    format!("{} is {from} and is to be {to}", one.rule)
}

/// The first differences by name, the others by number.
fn differing(differences: &[Difference]) -> String {
    let mut words: Vec<String> = differences.iter().take(NAMED).map(difference).collect();
    if differences.len() > NAMED {
        words.push(format!("{} more rules differ", differences.len() - NAMED));
    }
    words.join(", ")
}

/// `Sound`: what looks like a mistake.
pub(super) fn sound(lints: &[Lint]) -> Verdict {
    let Some(worst) = lints.first() else {
        return Verdict::yes(
            Reason::NoFindings,
            "nothing about the rules in force looks like a mistake",
        );
    };
    let words: Vec<String> = lints.iter().map(ToString::to_string).collect();
    Verdict::no(worst.reason(), words.join("; "))
}
