//! What a pass over a policy carries along, and the ways in which it ends without a change.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    api::{
        conditions::{ConditionType, Reason},
        pim_policy::PimPolicy,
        pim_policy_status::{PimPolicyStatus, ResolvedPolicy},
        status::AuthorizedBy,
    },
    controller::{
        resolve::Unresolved,
        status::{Verdict, set_condition},
        tenants::Tenant,
    },
    graph::{Advice, GraphError},
    pim::{boundary::Permit, retry::REPLICATION_DEADLINE},
};

use super::{
    PolicyKey,
    report::{self, Report},
};

/// How often what is denied or refused for good is looked at without being asked.
pub(super) const RARELY: TimeDelta = TimeDelta::minutes(15);

/// What is remembered of an object between passes. All of it can be lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Remembered {
    /// Failures in a row.
    pub failures: u32,
    /// From when on a read counts.
    pub reread_from: Option<DateTime<Utc>>,
    /// Since when something is to be loosened.
    pub loosening_since: Option<DateTime<Utc>>,
}

/// What a pass carries along.
#[derive(Clone)]
pub(super) struct Pass {
    /// The object, as last written.
    pub object: PimPolicy,
    /// The status that is to be written.
    pub status: PimPolicyStatus,
    /// When to look again.
    pub wake: Option<DateTime<Utc>>,
    /// What the next pass is to know.
    pub remembered: Remembered,
}

/// A tenant and the policy that an object is about.
pub(super) struct Place {
    pub tenant: Arc<Tenant>,
    pub resolved: ResolvedPolicy,
    pub key: PolicyKey,
}

impl Pass {
    pub(super) fn generation(&self) -> i64 {
        self.object.metadata.generation.unwrap_or_default()
    }

    pub(super) fn say(mut self, report: &Report, now: DateTime<Utc>) -> Self {
        let generation = self.generation();
        report.apply(&mut self.status, generation, now);
        self
    }

    pub(super) fn set(&mut self, type_: ConditionType, verdict: &Verdict, now: DateTime<Utc>) {
        let generation = self.generation();
        let conditions = &mut self.status.conditions;
        set_condition(conditions, type_, Some(verdict), generation, now);
    }

    /// Leaves the status as it is, and looks again later.
    pub(super) fn put_off(mut self, until: DateTime<Utc>) -> Self {
        self.status = self.object.status.clone().unwrap_or_default();
        self.wake = Some(until);
        self
    }

    /// Reports a call that failed, and looks again with growing delays.
    pub(super) fn fail(mut self, error: &GraphError, now: DateTime<Utc>) -> Self {
        let failures = self.remembered.failures.saturating_add(1);
        let growing = TimeDelta::seconds(5) * 2_i32.saturating_pow(failures.min(7) - 1);
        let wait = match error.advice() {
            Advice::RetryAfter(wait) => TimeDelta::from_std(wait).unwrap_or(growing).max(growing),
            Advice::FixPermissions { .. } | Advice::FixLicense => TimeDelta::minutes(10),
            _ => growing,
        };
        self.remembered.failures = failures;
        self.wake = Some(now + wait);
        self.say(&report::failed(error), now)
    }
}

/// Notes the boundary that allows the policy.
pub(super) fn allow(pass: &mut Pass, permit: &Permit, now: DateTime<Utc>) {
    pass.status.authorized_by = Some(AuthorizedBy {
        name: permit.name.clone(),
        uid: permit.uid.clone(),
        generation: permit.generation,
    });
    let message = format!("the GrantBoundary {} allows this policy", permit.name);
    let verdict = Verdict::yes(Reason::Allowed, message);
    pass.set(ConditionType::Authorized, &verdict, now);
}

/// Whether the policy is allowed depends on something that could not be read.
pub(super) fn not_judged(mut pass: Pass, error: &GraphError, now: DateTime<Utc>) -> Pass {
    let message = format!("whether a boundary allows this policy could not be judged: {error}");
    let verdict = Verdict::unknown(Reason::FactsUnavailable, message);
    pass.set(ConditionType::Authorized, &verdict, now);
    pass.fail(error, now)
}

pub(super) fn unresolved_pass(mut pass: Pass, unresolved: Unresolved, now: DateTime<Utc>) -> Pass {
    let waited = report::false_for(&pass.status, ConditionType::ReferencesResolved, now);
    let (reason, message, may_appear) = match unresolved {
        Unresolved::Failed(error) => return pass.fail(&error, now),
        Unresolved::Wrong {
            reason,
            message,
            may_appear,
        } => (reason, message, may_appear),
    };
    let late = waited >= REPLICATION_DEADLINE;
    // New objects replicate for minutes: look often at first, and ever more rarely.
    let wait = if may_appear && !late {
        (waited / 4).clamp(TimeDelta::seconds(10), TimeDelta::minutes(2))
    } else {
        RARELY
    };
    pass.wake = Some(now + wait);
    let verdict = Verdict::no(reason, message.clone());
    pass.set(ConditionType::ReferencesResolved, &verdict, now);
    let mut report = report::waiting(reason, message);
    report.stalled = late || !may_appear;
    pass.say(&report, now)
}

/// A new group takes minutes to become known to PIM, and until then has no policy.
pub(super) fn unknown_to_pim(mut pass: Pass, place: &Place, now: DateTime<Utc>) -> Pass {
    let name = &place.resolved.target_name;
    let message = format!(
        "Entra lists no PIM policy for {name}: a new group or role takes some minutes to become known to PIM"
    );
    let waited = report::false_for(&pass.status, ConditionType::Ready, now);
    let wait = (waited / 4).clamp(TimeDelta::seconds(10), TimeDelta::minutes(2));
    pass.wake = Some(now + wait);
    pass.remembered.reread_from = pass.wake;
    pass.say(&report::waiting(Reason::AwaitingReplication, message), now)
}
