//! The reconcile of one `PimPolicy`: resolve, judge, observe, plan, change, read back, report.
//!
//! As with grants, a pass ends with at most one status write, none when nothing changed, and a time at which to look again. The
//! one exception is the first change: what was found is recorded before it is overwritten.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use chrono::{DateTime, TimeDelta, Utc};
use kube::{
    ResourceExt,
    core::DeserializeGuard,
    runtime::{controller::Action, reflector::Store},
};
use tokio::sync::OnceCell;
use tracing::{Instrument, debug, warn};

use crate::{
    api::{
        RECONCILE_ANNOTATION,
        conditions::{ConditionType, Reason},
        pim_policy::{PimPolicy, PolicyDeletion},
        terms::ManagementPolicy,
    },
    controller::{
        authority::{Judged, PolicyCase, Purpose},
        context::{Context, Memory},
        first_list::FirstList,
        grant::ObjectKey,
        policy::{KIND, audit, delete},
        reconcile::ReconcileError,
        registry::Claim,
        report::denial,
        snapshots::Freshness,
        spans,
        status::{Verdict, whole_seconds},
        tenants::{Connection, Tenant},
        wakeups::lock,
    },
    pim::{
        boundary::Denial,
        policy::{Stated, baseline, plan},
    },
};

use super::{
    PolicyView,
    act::{hold, let_go},
    pass::{Pass, Place, RARELY, Remembered, allow, not_judged, unknown_to_pim, unresolved_pass},
    report,
    report::find,
    resolve,
    snapshots::REPLICATION,
};

/// How long the watch may take to show a write of our own, before it is looked for again.
const STORE_LAG: TimeDelta = TimeDelta::seconds(1);

/// The reconciler of policies.
pub(super) struct PolicyReconciler {
    pub context: Arc<Context>,
    pub store: Store<DeserializeGuard<PimPolicy>>,
    pub first_list: FirstList,
    pub memory: Memory,
    pub passes: Mutex<HashMap<String, Remembered>>,
    pub primed: OnceCell<()>,
}

/// Runs a pass for an object if it is its turn.
///
/// # Errors
/// When the API server does not take what the pass has to write.
pub(super) async fn reconcile(
    guard: Arc<DeserializeGuard<PimPolicy>>,
    reconciler: Arc<PolicyReconciler>,
) -> Result<Action, ReconcileError> {
    let started = std::time::Instant::now();
    let context = &reconciler.context;
    if !context.fence.leads() {
        // All are looked at when this replica begins to lead.
        return Ok(Action::await_change());
    }
    let key = ObjectKey::of(KIND, guard.as_ref());
    let outcome = match &guard.0 {
        Ok(object) => {
            let Some(_turn) = context.lanes.enter(&key, &object.spec.tenant_ref.name) else {
                return Ok(Action::await_change());
            };
            let span = spans::reconcile(&key);
            let outcome = Box::pin(reconciler.pass(object).instrument(span.clone())).await;
            spans::ended(&span, outcome.is_ok());
            outcome
        }
        Err(invalid) => {
            context.lanes.forget(&key);
            context.metrics.unreadable(KIND);
            delete::unreadable(&reconciler, &guard, &invalid.error).await
        }
    };
    context
        .metrics
        .reconciled(KIND, outcome.is_ok(), started.elapsed());
    outcome.map(|()| Action::await_change())
}

/// What to do about a pass that could not end: look again soon. Nothing is lost: rules are read before they are written.
#[expect(
    clippy::needless_pass_by_value,
    reason = "kube's controller hands both over"
)]
pub(super) fn after_error(
    guard: Arc<DeserializeGuard<PimPolicy>>,
    error: &ReconcileError,
    reconciler: Arc<PolicyReconciler>,
) -> Action {
    let key = ObjectKey::of(KIND, guard.as_ref());
    let conflict =
        matches!(error, ReconcileError::Kube(kube::Error::Api(status)) if status.is_conflict());
    let wait = if conflict {
        debug!(object = %key, "the object changed while it was looked at");
        TimeDelta::milliseconds(500)
    } else {
        warn!(object = %key, %error, "a pass could not end");
        TimeDelta::seconds(5)
    };
    let context = &reconciler.context;
    context.wakeups.set(&key, Some(context.clock.now() + wait));
    Action::await_change()
}

impl PolicyReconciler {
    async fn pass(&self, object: &PimPolicy) -> Result<(), ReconcileError> {
        // What is not known when the operator is told to stop never will be: a pass that waited on would never end.
        let known = async {
            self.prime().await;
            self.context.authority.prime(&self.context).await;
            self.context.tenants.get(&object.spec.tenant_ref.name).await;
        };
        if self.context.stop.run_until_cancelled(known).await.is_none() {
            return Ok(());
        }
        let key = ObjectKey::of(KIND, object);
        let uid = object.uid().unwrap_or_default();
        let now = whole_seconds(self.context.clock.now());
        if self.memory.is_behind(object) {
            self.context.wakeups.set(&key, Some(now + STORE_LAG));
            return Ok(());
        }
        let pass = Pass {
            object: object.clone(),
            status: object.status.clone().unwrap_or_default(),
            wake: None,
            remembered: lock(&self.passes).get(&uid).cloned().unwrap_or_default(),
        };
        let pass = if object.metadata.deletion_timestamp.is_some() {
            let Some(pass) = Box::pin(delete::pass(self, pass, now)).await? else {
                self.forget(&key, &uid);
                return Ok(());
            };
            pass
        } else {
            Box::pin(self.decide(pass, now)).await?
        };
        self.context.wakeups.set(&key, pass.wake);
        if pass.remembered == Remembered::default() {
            lock(&self.passes).remove(&uid);
        } else {
            lock(&self.passes).insert(uid, pass.remembered.clone());
        }
        self.publish(pass).await
    }

    /// Forgets an object that is gone; whoever else states something of its policy is looked at.
    pub(super) fn forget(&self, key: &ObjectKey, uid: &str) {
        lock(&self.passes).remove(uid);
        self.memory.forget(uid);
        self.context.lanes.forget(key);
        self.context.wakeups.set(key, None);
        self.give_up_claim(key);
    }

    fn give_up_claim(&self, key: &ObjectKey) {
        for other in self.context.policies.release(key) {
            self.context.wakeups.trigger(&other);
        }
    }

    /// From the object to the status it is to have.
    async fn decide(&self, mut pass: Pass, now: DateTime<Utc>) -> Result<Pass, ReconcileError> {
        let key = ObjectKey::of(KIND, &pass.object);
        // Resolve.
        let tenant = match self.tenant(&pass.object).await {
            Ok(tenant) => tenant,
            Err(why) => return Ok(pass.say(&report::waiting(Reason::TenantNotReady, why), now)),
        };
        let sealed = self.context.authority.is_policy_sealed(&pass.object);
        if !sealed {
            // What was found is believed only where the operator wrote it.
            pass.status.baseline = None;
        }
        let resolved = match resolve::resolve(&pass.object, sealed, &tenant).await {
            Ok(resolved) => resolved,
            Err(unresolved) => return Ok(unresolved_pass(pass, unresolved, now)),
        };
        pass.status.resolved = Some(resolved.clone());
        let found = format!("{} was found", resolved.target_name);
        let found = Verdict::yes(Reason::Applied, found);
        pass.set(ConditionType::ReferencesResolved, &found, now);
        let place = Place {
            tenant,
            key: resolve::key(&pass.object, &resolved),
            resolved,
        };
        let rules = &pass.object.spec.rules;
        let approver = |reference: &_| resolve::find(&place.resolved, reference);
        let stated = match Stated::read(rules, approver) {
            Ok(stated) => stated,
            Err(invalid) => {
                self.give_up_claim(&key);
                return Ok(pass.say(&report::invalid(&invalid), now));
            }
        };
        // Judge: whoever is not allowed the policy claims nothing.
        let permit = match self.judge(&pass, &place, &stated, Purpose::Standing).await {
            Judged::Allowed(permit) => permit,
            Judged::Denied(denial) => return Ok(self.deny(pass, &place, &denial, now).await),
            Judged::Unknown(error) => return Ok(not_judged(pass, &error, now)),
            Judged::NoPrincipal => return Ok(pass),
        };
        allow(&mut pass, &permit, now);
        if let Some(winner) = self.claim(&pass.object, &place) {
            let message = format!(
                "{winner} states rules of the same target and is older; delete one of the two"
            );
            let report = report::waiting(Reason::Conflict, message).stalled();
            return Ok(pass.say(&report, now));
        }
        Box::pin(self.observe(pass, &place, &stated, now)).await
    }

    pub(super) async fn tenant(&self, object: &PimPolicy) -> Result<Arc<Tenant>, String> {
        let name = &object.spec.tenant_ref.name;
        match self.context.tenants.get(name).await {
            Connection::Ready(tenant) => Ok(tenant),
            Connection::NotReady(why) => Err(format!("the EntraTenant {name} is not ready: {why}")),
            Connection::Missing => Err(format!("there is no EntraTenant named {name}")),
        }
    }

    pub(super) async fn judge(
        &self,
        pass: &Pass,
        place: &Place,
        stated: &Stated,
        purpose: Purpose,
    ) -> Judged {
        let case = PolicyCase {
            namespace: &pass.object.namespace().unwrap_or_default(),
            tenant: &place.tenant,
            key: &place.key,
            stated,
            authorized_by: pass.status.authorized_by.as_ref(),
        };
        let context = &self.context;
        context
            .authority
            .judge_policy(context, &case, purpose)
            .await
    }

    /// Ends the pass of an object that is denied. It claims nothing any more, and the rules stay as they are.
    pub(super) async fn deny(
        &self,
        mut pass: Pass,
        place: &Place,
        denied: &Denial,
        now: DateTime<Utc>,
    ) -> Pass {
        let verdict = denial(denied);
        self.give_up_claim(&ObjectKey::of(KIND, &pass.object));
        let said = find(&pass.status, ConditionType::Authorized);
        let generation = pass.generation();
        let is_news = said.is_none_or(|said| {
            said.message != verdict.message || said.observed_generation != Some(generation)
        });
        if is_news {
            self.context.metrics.denied(KIND, denied.clause());
            let origin = self.context.origins.of_object(KIND, &pass.object).await;
            audit::denied(&pass.object, place, &origin, &verdict);
        }
        pass.status.authorized_by = None;
        pass.set(ConditionType::Authorized, &verdict, now);
        pass.wake = Some(now + RARELY);
        let report = report::waiting(verdict.reason, verdict.message).stalled();
        pass.say(&report, now)
    }

    /// Enters the object's claim and names the object that has a better one.
    fn claim(&self, object: &PimPolicy, place: &Place) -> Option<ObjectKey> {
        let claim = claim_of(object);
        let policy = (place.tenant.id.clone(), place.key.clone());
        self.context.policies.claim(&policy, claim.clone());
        let others = self.context.policies.others(&policy, &claim.uid);
        others
            .into_iter()
            .find(|other| *other < claim && self.context.is_alive(other))
            .map(|other| other.object)
    }

    /// Enters the claims of all objects whose ids are pinned, before the first pass: after a restart the order of passes must
    /// not decide who is the oldest.
    async fn prime(&self) {
        let enter_all = || async {
            // Not read only when the process ends.
            let _ = self.first_list.is_read().await;
            for guard in self.store.state() {
                if let Some(value) = guard.annotations().get(RECONCILE_ANNOTATION) {
                    let uid = guard.uid().unwrap_or_default();
                    self.memory.is_new_nudge(&uid, value);
                }
                let Ok(object) = &guard.0 else { continue };
                let Some(status) = &object.status else {
                    continue;
                };
                let denied = find(status, ConditionType::Authorized)
                    .is_some_and(|condition| condition.status == "False");
                if let (false, Some(resolved)) = (denied, &status.resolved) {
                    let key = resolve::key(object, resolved);
                    let policy = (resolved.tenant_id.clone(), key);
                    self.context.policies.claim(&policy, claim_of(object));
                }
            }
        };
        self.primed.get_or_init(enter_all).await;
    }

    /// Observe and plan; what is to be changed is changed in `act`.
    async fn observe(
        &self,
        mut pass: Pass,
        place: &Place,
        stated: &Stated,
        now: DateTime<Utc>,
    ) -> Result<Pass, ReconcileError> {
        let asked = pass.object.annotations().get(RECONCILE_ANNOTATION);
        let uid = pass.object.uid().unwrap_or_default();
        let nudged = asked.is_some_and(|value| self.memory.is_new_nudge(&uid, value));
        let reread = pass.remembered.reread_from.filter(|from| *from <= now);
        let freshness = match reread {
            _ if nudged => Freshness::Since(self.context.clock.now()),
            Some(from) => Freshness::Since(from),
            None => Freshness::OwnWrites,
        };
        let policies = &place.tenant.policies;
        let read = policies.observe(&place.tenant.client, &place.key, freshness);
        let view = match read.await {
            Ok(Some(view)) => view,
            Ok(None) => return Ok(unknown_to_pim(pass, place, now)),
            Err(error) if error.is_not_found() => return Ok(unknown_to_pim(pass, place, now)),
            Err(error) => return Ok(pass.fail(&error, now)),
        };
        if reread.is_some() {
            pass.remembered.reread_from = None;
        }
        let manages = pass.object.spec.management_policy == ManagementPolicy::Manage;
        if manages {
            let kept = pass.status.baseline.as_ref();
            pass.status.baseline = baseline::baseline(&pass.object.spec.rules, kept, &view.policy);
        }
        let planned = match plan(&view.policy, stated) {
            Ok(planned) => planned,
            Err(obstacle) => {
                self.describe(&mut pass, place, stated, &view, now).await;
                pass.wake = Some(now + RARELY);
                return Ok(pass.say(&report::obstacle(&obstacle), now));
            }
        };
        let differences = stated.differences(&view.policy);
        if planned.steps.is_empty() {
            return self.settled(pass, place, stated, &view, now).await;
        }
        let frozen = self
            .context
            .tenants
            .object(&place.tenant.name)
            .is_none_or(|tenant| tenant.spec.freeze);
        let withheld = if !manages {
            let why = "nothing is written because `managementPolicy` is Observe";
            Some((Reason::Drifted, why.to_owned()))
        } else if pass.object.spec.suspend {
            let why = "nothing is written while `suspend` is true";
            Some((Reason::Suspended, why.to_owned()))
        } else if frozen {
            let name = &place.tenant.name;
            let why = format!("nothing is written while the EntraTenant {name} is frozen");
            Some((Reason::Frozen, why))
        } else {
            None
        };
        if let Some((reason, why)) = withheld {
            self.describe(&mut pass, place, stated, &view, now).await;
            return Ok(pass.say(&report::withheld(reason, &why, &differences), now));
        }
        Box::pin(self.change(pass, place, stated, view, now)).await
    }

    /// Entra agrees.
    pub(super) async fn settled(
        &self,
        mut pass: Pass,
        place: &Place,
        stated: &Stated,
        view: &PolicyView,
        now: DateTime<Utc>,
    ) -> Result<Pass, ReconcileError> {
        let spec = &pass.object.spec;
        let manages = spec.management_policy == ManagementPolicy::Manage;
        if manages && spec.deletion_policy == PolicyDeletion::Restore {
            pass.object = hold(&self.context, &pass.object).await?;
        } else {
            pass.object = let_go(&self.context, &pass.object).await?;
        }
        self.memory.note_written(&pass.object);
        self.describe(&mut pass, place, stated, view, now).await;
        pass.remembered = Remembered::default();
        if !view.lagging.is_empty() {
            // What we wrote counts until replicas agree; then they are asked.
            let later = view.read_at + REPLICATION;
            pass.remembered.reread_from = Some(later);
            pass.wake = Some(later);
        }
        let report = match (manages, pass.object.spec.suspend) {
            (false, _) => report::agrees(Reason::Observed),
            (true, true) => report::agrees(Reason::Suspended),
            (true, false) => report::applied(stated.count()),
        };
        Ok(pass.say(&report, now))
    }
}

fn claim_of(object: &PimPolicy) -> Claim {
    let created = object
        .creation_timestamp()
        .and_then(|time| DateTime::from_timestamp(time.0.as_second(), 0));
    Claim {
        created: created.unwrap_or_default(),
        uid: object.uid().unwrap_or_default(),
        object: ObjectKey::of(KIND, object),
        permanent: false,
    }
}
