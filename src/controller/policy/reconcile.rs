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
    runtime::{controller::Action, events::EventType, reflector::Store},
};
use tokio::sync::OnceCell;
use tracing::{debug, warn};

use crate::{
    api::{
        RECONCILE_ANNOTATION,
        conditions::{ConditionType, Reason},
        pim_policy::{PimPolicy, PolicyDeletion},
        pim_policy_status::{PimPolicyStatus, ResolvedPolicy},
        status::AuthorizedBy,
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
        resolve::Unresolved,
        snapshots::Freshness,
        status::{Verdict, set_condition, whole_seconds},
        tenants::{Connection, Tenant},
        wakeups::lock,
    },
    graph::{Advice, GraphError},
    pim::{
        boundary::{Denial, Permit},
        policy::{Difference, Stated, baseline, describe, plan},
        retry::REPLICATION_DEADLINE,
    },
};

use super::{
    PolicyKey, PolicyView,
    act::{hold, let_go, write_status},
    lint, report,
    report::{Report, find},
    resolve,
    snapshots::REPLICATION,
};

/// How long the watch may take to show a write of our own, before it is looked for again.
const STORE_LAG: TimeDelta = TimeDelta::seconds(1);
/// How often what is denied or refused for good is looked at without being asked.
const RARELY: TimeDelta = TimeDelta::minutes(15);

/// The reconciler of policies.
pub(super) struct PolicyReconciler {
    pub context: Arc<Context>,
    pub store: Store<DeserializeGuard<PimPolicy>>,
    pub first_list: FirstList,
    pub memory: Memory,
    pub passes: Mutex<HashMap<String, Remembered>>,
    pub primed: OnceCell<()>,
}

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

    fn set(&mut self, type_: ConditionType, verdict: &Verdict, now: DateTime<Utc>) {
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
    let key = ObjectKey::of(KIND, guard.as_ref());
    let outcome = match &guard.0 {
        Ok(object) => {
            let Some(_turn) = context.lanes.enter(&key, &object.spec.tenant_ref.name) else {
                return Ok(Action::await_change());
            };
            Box::pin(reconciler.pass(object)).await
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
        self.context.metrics.object(key, None);
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
        let resolved = match resolve::resolve(&pass.object, &tenant).await {
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

    /// Fills in what people want to know of the policy in force.
    pub(super) async fn describe(
        &self,
        pass: &mut Pass,
        place: &Place,
        stated: &Stated,
        view: &PolicyView,
        now: DateTime<Utc>,
    ) {
        let count = |number: usize| u32::try_from(number).ok();
        pass.status.policy_id = Some(view.id.clone());
        pass.status.rules_managed = count(stated.count());
        pass.status.rules_drifted = count(stated.differences(&view.policy).len());
        pass.status.summary = Some(describe::summary(&view.policy));
        let found = lint::find(place, stated, &view.policy).await;
        let sound = report::sound(&found);
        let said = find(&pass.status, ConditionType::Sound).map(|said| said.message.clone());
        for lint in &found {
            let text = lint.to_string();
            if said.as_ref().is_none_or(|said| !said.contains(&text)) {
                let reason = lint.reason().as_str();
                let events = &self.context.events;
                events.publish(&pass.object, EventType::Warning, reason, "Lint", text);
            }
        }
        pass.set(ConditionType::Sound, &sound, now);
    }

    /// Says that rules were found to differ from what was in force before, and are restored: an event and a count for each.
    pub(super) fn tell_drift(&self, pass: &Pass, place: &Place, differences: &[&Difference]) {
        for one in differences {
            let (from, to) = (describe::rule(&one.from), describe::rule(&one.to));
            let note = format!(
                "{} was changed in Entra to {from} and is restored to {to}",
                one.rule
            );
            let (object, reason) = (&pass.object, Reason::Drifted.as_str());
            let events = &self.context.events;
            events.publish(object, EventType::Warning, reason, "Restore", note);
            self.context.metrics.policy_drift(
                &place.tenant.name,
                &one.rule.to_string(),
                &describe::label(&one.from),
                &describe::label(&one.to),
            );
        }
    }

    /// Writes the status if it changed, and says so where people look.
    async fn publish(&self, pass: Pass) -> Result<(), ReconcileError> {
        let Pass { object, status, .. } = pass;
        let key = ObjectKey::of(KIND, &object);
        let ready = find(&status, ConditionType::Ready).cloned();
        let reason = ready.as_ref().map(|ready| ready.reason.as_str());
        self.context.metrics.object(&key, reason);
        let settled = ready.as_ref().is_some_and(|ready| {
            ready.status == "True" || status.conditions.iter().any(|one| one.type_ == "Stalled")
        });
        self.context.policies.note_settled(&key, settled);
        if object.status.as_ref() == Some(&status) {
            return Ok(());
        }
        let before = object
            .status
            .as_ref()
            .and_then(|status| find(status, ConditionType::Ready))
            .cloned();
        let written = write_status(&self.context, &object, status).await?;
        self.memory.note_written(&written);
        if let Some(ready) = ready
            && before
                .is_none_or(|before| before.reason != ready.reason || before.status != ready.status)
        {
            let type_ = match ready.status.as_str() {
                "True" => EventType::Normal,
                _ => EventType::Warning,
            };
            let events = &self.context.events;
            events.publish(&object, type_, &ready.reason, "Reconcile", ready.message);
        }
        Ok(())
    }
}

/// Notes the boundary that allows the policy.
fn allow(pass: &mut Pass, permit: &Permit, now: DateTime<Utc>) {
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

fn unresolved_pass(mut pass: Pass, unresolved: Unresolved, now: DateTime<Utc>) -> Pass {
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
fn unknown_to_pim(mut pass: Pass, place: &Place, now: DateTime<Utc>) -> Pass {
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
