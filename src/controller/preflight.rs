//! The last look before a request for access leaves: what the target's PIM policy will say to it. A request that the policy forbids
//! is never sent, and the object names the rule, its limit and the two ways out ([`preflight`](crate::pim::policy::preflight()), pure).
//!
//! Policies are read once per target and shared. A verdict against a grant is given by a policy of this minute only; one for it may
//! rest on an older read, because Graph has the last word in any case. A policy that is about to be tightened counts already: what it
//! will forbid must not slip through before. Where the operator may not read policies at all, Graph alone decides, as it does for a
//! group that PIM does not know yet.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    graph::{Advice, GraphError, ScheduleKind},
    pim::{
        boundary::GrantTarget,
        plan::Change,
        policy::{Ask, GrantSort, PolicyRejected, preflight},
    },
};

use super::{
    act::Order,
    authority::span,
    grant::{Grant, ObjectKey},
    pass::{Pass, Place},
    policy::{PolicyKey, PolicyView},
    reconcile::Reconciler,
    report,
    snapshots::Freshness,
};

/// How old a policy may be by which a grant is let through.
const BELIEVED: TimeDelta = TimeDelta::minutes(15);
/// How old one may be by which it is not.
const FRESH: TimeDelta = TimeDelta::minutes(1);
/// How often an object that a policy rejects looks again without being woken by a change of the policy.
const AGAIN: TimeDelta = TimeDelta::hours(1);

/// How soon a grant looks again that a policy would reject which is about to be tightened.
const SOON: TimeDelta = TimeDelta::seconds(2);

/// What a look at the policy says.
enum Verdict {
    /// Nothing against the request.
    Pass,
    /// A rule of this policy forbids it.
    Rejected(PolicyRejected, Arc<PolicyView>),
    /// The policy could not be read now.
    Unknown(GraphError),
}

impl<K: Grant> Reconciler<K> {
    /// Looks whether the target's policy forbids the request that is about to be sent; none when it does not.
    pub(super) async fn preflight(
        &self,
        pass: &Pass<K>,
        place: &Place,
        order: &Order<'_>,
        now: DateTime<Utc>,
    ) -> Option<Pass<K>> {
        let window = match order.change {
            Change::Assign(window) | Change::Update(window) | Change::Extend(window) => window,
            Change::Remove | Change::Cancel { .. } => return None,
        };
        let ask = Ask {
            sort: match K::SCHEDULES {
                ScheduleKind::Eligibility => GrantSort::Eligible,
                ScheduleKind::Assignment => GrantSort::Active,
            },
            span: span(window),
            // Every request carries at least the reference to its manifest.
            justified: true,
            ticketed: pass.grant.terms().ticket_info.is_some(),
        };
        let key = policy_of(&place.about);
        let generation = pass.grant.meta().generation.unwrap_or_default();
        match look(&ask, &key, place, now).await {
            Verdict::Pass => {
                let policy = (place.tenant.id.clone(), key);
                let becoming = self.context.policies.becoming(&policy);
                let (object, rejected) = becoming.into_iter().find_map(|(object, policy)| {
                    let rejected = preflight(&ask, &policy).err()?;
                    Some((object, rejected))
                })?;
                let mut pass = pass.clone();
                pass.wake = Some(now + SOON);
                let report = report::policy_is_tightened(&object, &rejected);
                Some(pass.say(&report, generation, now))
            }
            Verdict::Unknown(error) => Some(pass.clone().fail(&error, generation, now)),
            Verdict::Rejected(rejected, view) => {
                let object = ObjectKey::of(K::KIND, &pass.grant);
                place.tenant.policies.wait_for(&key, &object, &view);
                let mut pass = pass.clone();
                pass.wake = Some(now + AGAIN);
                let report = report::policy_rejects(&place.resolved.target_name, &rejected);
                Some(pass.say(&report, generation, now))
            }
        }
    }
}

async fn look(ask: &Ask, key: &PolicyKey, place: &Place, now: DateTime<Utc>) -> Verdict {
    let mut verdict = Verdict::Pass;
    for age in [BELIEVED, FRESH] {
        let freshness = Freshness::Since(now - age);
        let read = place
            .tenant
            .policies
            .observe(&place.tenant.client, key, freshness)
            .await;
        let view = match read {
            Ok(Some(view)) => view,
            Ok(None) => return Verdict::Pass,
            Err(error) if is_no_obstacle(&error) => return Verdict::Pass,
            Err(error) => return Verdict::Unknown(error),
        };
        verdict = match preflight(ask, &view.policy) {
            Ok(()) => return Verdict::Pass,
            Err(rejected) => Verdict::Rejected(rejected, view),
        };
    }
    verdict
}

/// Whether Graph is asked without a look at the policy: PIM does not know the group yet, or the operator may not read policies.
fn is_no_obstacle(error: &GraphError) -> bool {
    error.is_not_found() || matches!(error.advice(), Advice::FixPermissions { .. })
}

/// The policy that rules over a grant.
fn policy_of(about: &GrantTarget) -> PolicyKey {
    match about {
        GrantTarget::Group { id, access } => PolicyKey::Group(id.clone(), *access),
        GrantTarget::Role { id, .. } => PolicyKey::Role(id.clone()),
    }
}
