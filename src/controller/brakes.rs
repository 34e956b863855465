//! The brakes, applied just before a request leaves: `freeze`, protected principals, no revocation before the first complete read,
//! and the removal guard.

use chrono::{DateTime, TimeDelta, Utc};
use kube::ResourceExt;

use crate::{
    api::{guid::Guid, tenant::EntraTenant},
    pim::{
        guard::{Answer, Effect, effect},
        observed::Outcome,
        plan::Change,
    },
};

use super::{
    act::Order,
    context::Context,
    grant::{Grant, ObjectKey},
    pass::{Pass, Place},
    reconcile::{ReconcileError, Reconciler},
    report,
};

/// How long a revocation waits that depends on the outcome of others.
const OUTCOMES: TimeDelta = TimeDelta::seconds(5);

/// What the brakes say of a request.
pub(super) enum Braked<K> {
    /// It may leave.
    Free(Pass<K>, Clearance),
    /// It may not; the pass says why.
    Held(Pass<K>),
}

/// Leave of the brakes to send one request, and whom to tell what became of it.
pub(super) struct Clearance {
    counted: Option<Counted>,
}

struct Counted {
    tenant: String,
    uid: String,
    again: bool,
}

impl Clearance {
    /// Takes in what became of the request.
    pub(super) fn learn(&self, context: &Context, outcome: Option<&Outcome>) {
        if let (Some(counted), Some(outcome)) = (&self.counted, outcome) {
            let Counted { tenant, uid, again } = counted;
            context
                .removals
                .learn(context, tenant, uid, *again, outcome);
        }
    }

    /// The request was not sent.
    pub(super) fn not_sent(&self, context: &Context) {
        if let Some(Counted { tenant, uid, .. }) = &self.counted {
            context.removals.not_sent(tenant, uid);
        }
    }
}

/// Whether a principal's access is neither revoked nor shortened.
pub(super) fn is_protected(tenant: &EntraTenant, principal: &Guid) -> bool {
    let protected = &tenant.spec.protected_principals;
    protected.iter().any(|one| one.id == *principal)
}

/// Whether a change takes access away from whoever holds it.
fn takes_away(order: &Order<'_>) -> bool {
    match order.change {
        Change::Remove | Change::Cancel { .. } => true,
        Change::Update(window) | Change::Extend(window) => {
            order.listed.is_some_and(|listed| window.end < listed)
        }
        Change::Assign(_) => false,
    }
}

impl<K: Grant> Reconciler<K> {
    /// Asks every brake whether a request may leave now.
    pub(super) async fn brake(
        &self,
        mut pass: Pass<K>,
        place: &Place,
        order: &Order<'_>,
        now: DateTime<Utc>,
    ) -> Result<Braked<K>, ReconcileError> {
        let generation = pass.grant.meta().generation.unwrap_or_default();
        let name = &place.tenant.name;
        let Some(tenant) = self.context.tenants.object(name) else {
            let message = format!("there is no EntraTenant named {name}");
            let held = pass.say(&report::tenant(message), generation, now);
            return Ok(Braked::Held(held));
        };
        let effect = effect(order.change, order.why);
        if takes_away(order) && is_protected(&tenant, &place.resolved.principal_id) {
            let report = report::protected(&place.resolved.principal_name, name);
            return Ok(Braked::Held(pass.say(&report, generation, now)));
        }
        if tenant.spec.freeze && effect == Effect::Grants {
            // The end of the window that is not opened is what time alone changes next.
            pass.wake = order
                .anchor
                .and_then(|anchor| anchor.window.end.instant())
                .filter(|end| *end > now);
            let report = report::frozen(order.why, name);
            return Ok(Braked::Held(pass.say(&report, generation, now)));
        }
        if !order.change.action().is_removal() {
            return Ok(Braked::Free(pass, Clearance { counted: None }));
        }
        if let Err(error) = self
            .context
            .removals
            .first_read(&self.context, &place.tenant)
            .await
        {
            let report = report::unread(&error, name);
            let held = pass
                .fail(&error, generation, now)
                .say(&report, generation, now);
            return Ok(Braked::Held(held));
        }
        if effect != Effect::Revokes {
            return Ok(Braked::Free(pass, Clearance { counted: None }));
        }
        let uid = pass.grant.uid().unwrap_or_default();
        let key = ObjectKey::of(K::KIND, &pass.grant);
        let answer = self
            .context
            .removals
            .ask(&self.context, &tenant, &key, &uid)
            .await?;
        match answer {
            Answer::Allow { again } => {
                let counted = Some(Counted {
                    tenant: name.clone(),
                    uid,
                    again,
                });
                Ok(Braked::Free(pass, Clearance { counted }))
            }
            Answer::Wait => Ok(Braked::Held(pass.put_off(now + OUTCOMES))),
            Answer::Hold => {
                let report = report::guarded(name);
                Ok(Braked::Held(pass.say(&report, generation, now)))
            }
        }
    }
}
