//! The reconcile of one grant: resolve, judge, observe, plan, act, report. Generic over the kinds.
//!
//! A pass ends with at most one status write, none when nothing changed, and a time at which to look again. Reads are shared
//! through the tenant's snapshots; the only request a pass can make is the one its plan decided on.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use kube::{ResourceExt, core::DeserializeGuard, runtime::controller::Action};
use tokio::sync::OnceCell;
use tracing::{debug, warn};
use uuid::Uuid;

use crate::{
    api::{conditions::ConditionType, status::InstanceStatus},
    pim::{
        desired::Desired,
        history::History,
        observed::{Observation, Outcome, Record},
        plan::{Decision, Plan, Wait, plan},
    },
};

use super::{
    act::{Order, Sent, record_intent, send},
    authorize::Authorized,
    brakes::Braked,
    context::{Context, Memory, Remembered, unresolved_since},
    delete,
    first_list::FirstList,
    grant::{Grant, ObjectKey},
    history::recalled,
    inquiry::{Inquiry, follow_up, inquire},
    objects::GrantStore,
    pass::{
        Pass, Place, READ_BACK, absence, nudged, read_back_later, status_with_answer,
        unresolved_pass, wait_pass,
    },
    report,
    resolve::{Unresolved, resolve},
    snapshots::Freshness,
    status::{record, set_condition, whole_seconds},
    tenants::Connection,
    unreadable,
};

/// How long the watch may take to show a write of our own, before it is looked for again.
const STORE_LAG: TimeDelta = TimeDelta::seconds(1);
/// How old a read may be that a write is based on.
const FRESH_FOR_WRITE: TimeDelta = TimeDelta::minutes(1);

/// The reconciler of one kind.
pub struct Reconciler<K: Grant> {
    /// What all kinds share.
    pub context: Arc<Context>,
    /// The objects of the kind.
    pub store: GrantStore<K>,
    /// Whether all of them have been read once.
    pub first_list: FirstList,
    /// What passes leave for each other.
    pub memory: Memory,
    /// Set once the nudges of all objects are heard.
    pub primed: OnceCell<()>,
}

/// Why a pass could not end.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The API server refused or could not be reached.
    #[error(transparent)]
    Kube(#[from] kube::Error),
}

/// Runs a pass for an object of the kind.
///
/// # Errors
/// When the API server does not take what the pass has to write.
pub async fn reconcile<K: Grant>(
    guard: Arc<DeserializeGuard<K>>,
    reconciler: Arc<Reconciler<K>>,
) -> Result<Action, ReconcileError> {
    let started = std::time::Instant::now();
    let outcome = match &guard.0 {
        Ok(grant) => reconciler.pass(grant).await,
        Err(invalid) => {
            warn!(
                kind = K::KIND,
                namespace = invalid.metadata.namespace,
                name = invalid.metadata.name,
                error = invalid.error,
                "an object cannot be read"
            );
            reconciler.context.metrics.unreadable(K::KIND);
            unreadable::pass(&reconciler, &guard, &invalid.error).await
        }
    };
    reconciler
        .context
        .metrics
        .reconciled(K::KIND, outcome.is_ok(), started.elapsed());
    outcome.map(|()| Action::await_change())
}

/// What to do about a pass that could not end: look again soon. The API server was told nothing, so nothing is lost.
#[expect(
    clippy::needless_pass_by_value,
    reason = "kube's controller hands both over"
)]
pub fn after_error<K: Grant>(
    guard: Arc<DeserializeGuard<K>>,
    error: &ReconcileError,
    reconciler: Arc<Reconciler<K>>,
) -> Action {
    let key = ObjectKey::of(K::KIND, guard.as_ref());
    let conflict =
        matches!(error, ReconcileError::Kube(kube::Error::Api(status)) if status.is_conflict());
    if conflict {
        debug!(object = %key, "the object changed while it was looked at");
    } else {
        warn!(object = %key, %error, "a pass could not end");
    }
    let wait = if conflict {
        TimeDelta::milliseconds(500)
    } else {
        TimeDelta::seconds(5)
    };
    reconciler
        .context
        .wakeups
        .set(&key, Some(reconciler.context.clock.now() + wait));
    Action::await_change()
}

impl<K: Grant> Reconciler<K> {
    async fn pass(&self, grant: &K) -> Result<(), ReconcileError> {
        // What is not known when the operator is told to stop never will be: a pass that waited on would never end.
        let known = async {
            self.prime().await;
            self.context.authority.prime(&self.context).await;
            let tenant = &grant.terms().tenant_ref.name;
            self.context.tenants.get(tenant).await;
        };
        if self.context.stop.run_until_cancelled(known).await.is_none() {
            return Ok(());
        }
        let key = ObjectKey::of(K::KIND, grant);
        let uid = grant.uid().unwrap_or_default();
        let now = whole_seconds(self.context.clock.now());
        if self.memory.is_behind(grant) {
            self.context.wakeups.set(&key, Some(now + STORE_LAG));
            return Ok(());
        }
        let before = self.memory.get(&uid);
        let pass = if grant.meta().deletion_timestamp.is_some() {
            let Some(pass) = delete::pass(self, grant, &before, now).await? else {
                self.memory.forget(&uid);
                self.context.wakeups.set(&key, None);
                self.context.removals.waits_no_longer(&key);
                self.context
                    .authority
                    .release(&self.context, &key.namespace, &uid);
                for other in self.context.registry.release(&key) {
                    self.context.wakeups.trigger(&other);
                }
                return Ok(());
            };
            pass
        } else {
            self.decide(grant, &before, now).await?
        };
        self.context.wakeups.set(&key, pass.wake);
        self.memory.put(&uid, pass.remembered.clone());
        self.publish(pass).await
    }

    /// From the object to the status it is to have.
    async fn decide(
        &self,
        grant: &K,
        before: &Remembered,
        now: DateTime<Utc>,
    ) -> Result<Pass<K>, ReconcileError> {
        let generation = grant.meta().generation.unwrap_or_default();
        let status = status_with_answer(grant, before.answer.as_deref());
        let mut pass = Pass {
            grant: grant.clone(),
            status,
            wake: None,
            remembered: before.clone(),
        };
        let desired = match Desired::read(grant.terms()) {
            Ok(desired) => desired,
            Err(invalid) => {
                return Ok(pass.say(&report::invalid(invalid.to_string()), generation, now));
            }
        };
        // Resolve: the tenant, and names to ids.
        let tenant = match self
            .context
            .tenants
            .get(&grant.terms().tenant_ref.name)
            .await
        {
            Connection::Ready(tenant) => tenant,
            Connection::NotReady(why) => {
                let message = format!(
                    "the EntraTenant {} is not ready: {why}",
                    grant.terms().tenant_ref.name
                );
                return Ok(pass.say(&report::tenant(message), generation, now));
            }
            Connection::Missing => {
                let message = format!(
                    "there is no EntraTenant named {}",
                    grant.terms().tenant_ref.name
                );
                return Ok(pass.say(&report::tenant(message), generation, now));
            }
        };
        let resolved = resolve(grant, &tenant).await.and_then(|resolved| {
            let place = Place::new(grant, tenant, resolved);
            place.ok_or_else(Unresolved::of_another_sort)
        });
        let place = match resolved {
            Ok(place) => place,
            Err(unresolved) => {
                return Ok(unresolved_pass(
                    pass,
                    unresolved,
                    unresolved_since(grant),
                    generation,
                    now,
                ));
            }
        };
        pass.status.resolved = Some(place.resolved.clone());
        set_condition(
            &mut pass.status.conditions,
            ConditionType::ReferencesResolved,
            Some(&report::resolved(&place.resolved)),
            generation,
            now,
        );
        // Judge: whoever is not allowed the grant claims nothing.
        let pass = match self.authorize(pass, &desired, &place, now).await? {
            Authorized::Yes(pass) => pass,
            Authorized::No(pass) => return Ok(pass),
        };
        if let Some(conflict) = self.claim(grant, &place) {
            return Ok(pass.say(&conflict, generation, now));
        }
        self.settle(pass, &desired, &place, now).await
    }

    /// How recent the rows must be that a pass begins with.
    pub(super) fn freshness(
        &self,
        pass: &Pass<K>,
        record: &mut Record,
        now: DateTime<Utc>,
    ) -> Freshness {
        if nudged(self, record, &pass.grant) {
            return Freshness::Since(self.context.clock.now());
        }
        let reread = pass.remembered.reread_from.filter(|from| *from <= now);
        reread.map_or(Freshness::OwnWrites, Freshness::Since)
    }

    /// Observe, plan, act, until the plan has nothing more to ask.
    async fn settle(
        &self,
        mut pass: Pass<K>,
        desired: &Desired,
        place: &Place,
        now: DateTime<Utc>,
    ) -> Result<Pass<K>, ReconcileError> {
        let generation = pass.grant.meta().generation.unwrap_or_default();
        let mut record = record(&pass.status, generation);
        if let Some(later) = read_back_later(place, &record, now) {
            return Ok(pass.put_off(later));
        }
        let mut freshness = self.freshness(&pass, &mut record, now);
        let mut instance = None;
        let mut history = History::Unread;
        // Each round either ends the pass or learns something that the next one needs; a plan asks at most this often.
        for _ in 0..6 {
            self.refresh_request(&mut pass, place, &mut record, now)
                .await;
            // Observe.
            let view = match place
                .tenant
                .snapshots
                .observe(&place.tenant.client, &place.target, &place.row, freshness)
                .await
            {
                Ok(view) => view,
                Err(error) => return Ok(pass.fail(&error, generation, now)),
            };
            // A read may have waited for its turn: what it shows is judged by the time it is known.
            let now = whole_seconds(self.context.clock.now());
            let rows = view.rows(&place.row);
            let observation = Observation::Rows {
                rows,
                absence: absence(&view, place, &record),
                instance,
                history,
            };
            // Plan.
            let Plan {
                decision,
                anchor,
                wake,
            } = plan(desired, &record, &observation, now);
            match decision {
                Decision::Inquire => {
                    match inquire(&mut pass.status, place, K::SCHEDULES, now).await {
                        Ok(Inquiry::Found) => record = self::record(&pass.status, generation),
                        Ok(Inquiry::NeverSent) => record.learn(Outcome::NeverSent),
                        Ok(Inquiry::AskAgain(later)) => {
                            return Ok(pass.ask_again(later, generation, now));
                        }
                        Err(error) => return Ok(pass.fail(&error, generation, now)),
                    }
                }
                Decision::ReadInstances => {
                    let since = now - TimeDelta::seconds(5);
                    let read = place.tenant.snapshots.in_force(
                        &place.tenant.client,
                        &place.target,
                        &place.row,
                        since,
                    );
                    match read.await {
                        Ok(present) => instance = Some(present),
                        Err(error) => return Ok(pass.fail(&error, generation, now)),
                    }
                }
                Decision::Recall => match recalled(place, &pass.grant, desired, now).await {
                    Ok(found) => history = found,
                    Err(error) => return Ok(pass.fail(&error, generation, now)),
                },
                Decision::Send(..) if view.read_at < now - FRESH_FOR_WRITE => {
                    freshness = Freshness::Since(now - FRESH_FOR_WRITE);
                }
                // Act.
                Decision::Send(change, why) => {
                    let order = place.order(&change, why, anchor, rows);
                    return self.act(pass, place, &order, now).await;
                }
                Decision::Settled(settled) => {
                    if let Some(present) = instance {
                        pass.status.instance = Some(InstanceStatus { present });
                    }
                    return self
                        .settled(pass, desired.mode, place, settled, anchor, &view, wake, now)
                        .await;
                }
                Decision::Withheld(why) => {
                    pass.wake = wake;
                    return Ok(pass.say(&report::withheld(why, desired.mode), generation, now));
                }
                Decision::Wait(wait) => return Ok(wait_pass(pass, wait, wake, generation, now)),
            }
        }
        // Unreached unless Entra answers each question with another; then the next pass goes on.
        pass.wake = Some(now + READ_BACK);
        Ok(pass)
    }

    /// Sends the one request of this pass.
    pub(super) async fn act(
        &self,
        pass: Pass<K>,
        place: &Place,
        order: &Order<'_>,
        now: DateTime<Utc>,
    ) -> Result<Pass<K>, ReconcileError> {
        let generation = pass.grant.meta().generation.unwrap_or_default();
        // Only what is recorded already is finished before a stop: another replica may be waiting for the lease.
        if self.context.stop.is_cancelled() {
            return Ok(unchanged(pass));
        }
        if let Some(pass) = self.spare_rival(&pass, place, order.change, now).await {
            return Ok(pass);
        }
        if let Some(pass) = self.authorize_write(&pass, place, order, now).await? {
            return Ok(pass);
        }
        if let Some(pass) = self.preflight(&pass, place, order, now).await {
            return Ok(pass);
        }
        let (mut pass, clearance) = match self.brake(pass, place, order, now).await? {
            Braked::Free(pass, clearance) => (pass, clearance),
            Braked::Held(pass) => return Ok(pass),
        };
        if !order.change.action().is_removal() {
            self.context
                .authority
                .seal_into(&mut pass.status, &pass.grant, place);
        }
        let origin = self.context.origins.of(&pass.grant).await;
        if self.context.stop.is_cancelled() {
            clearance.not_sent(&self.context);
            return Ok(unchanged(pass));
        }
        let id = Uuid::new_v4();
        pass.grant = record_intent(&self.context, &pass.grant, &pass.status, order, id, now)
            .await
            .inspect_err(|_| clearance.not_sent(&self.context))?;
        self.memory.note_written(&pass.grant);
        pass.status = pass.grant.status().cloned().unwrap_or_default();
        pass.remembered.answer = None;
        match send(
            &self.context,
            &place.tenant,
            &pass.grant,
            order,
            id,
            &origin,
        )
        .await
        {
            Sent::Unknown(error) => Ok(pass.fail(&error, generation, now)),
            Sent::Answered(answer) => {
                pass.status = status_with_answer(&pass.grant, Some(&answer));
                let sent = record(&pass.status, generation).last;
                clearance.learn(&self.context, sent.as_ref().map(|sent| &sent.outcome));
                match sent.as_ref().map(|sent| &sent.outcome) {
                    Some(Outcome::Succeeded { .. }) => {
                        // Recorded together with what the lists show: until then the intent in status says enough.
                        pass.status = pass.grant.status().cloned().unwrap_or_default();
                        pass.remembered = Remembered {
                            answer: Some(answer),
                            ..Remembered::default()
                        };
                        // Counted from the answer: under load, a pass takes seconds.
                        pass.wake = Some(whole_seconds(self.context.clock.now()) + READ_BACK);
                        Ok(pass)
                    }
                    Some(Outcome::InProgress { .. }) => {
                        let wake = now + crate::pim::plan::POLL;
                        Ok(wait_pass(
                            pass,
                            Wait::Provisioning,
                            Some(wake),
                            generation,
                            now,
                        ))
                    }
                    _ => {
                        let retry = sent.as_ref().and_then(crate::pim::retry::retry);
                        let stalled = retry.is_some_and(|retry| retry.stalled);
                        pass.remembered = Remembered::default();
                        let wake = retry.map_or(now + READ_BACK, |retry| retry.at);
                        pass.remembered.reread_from = Some(wake);
                        pass = pass.say(
                            &report::refused(Some(&answer.last_request), stalled),
                            generation,
                            now,
                        );
                        pass.wake = Some(wake);
                        Ok(pass)
                    }
                }
            }
        }
    }

    /// Asks what became of a request that Entra was still working on.
    async fn refresh_request(
        &self,
        pass: &mut Pass<K>,
        place: &Place,
        record: &mut Record,
        now: DateTime<Utc>,
    ) {
        let due = pass.remembered.reread_from.is_none_or(|from| from <= now);
        let Some(Outcome::InProgress { id }) =
            record.last.as_ref().map(|last| last.outcome.clone())
        else {
            return;
        };
        if !due {
            return;
        }
        // A failure to ask leaves the request in progress; the next poll asks again.
        if follow_up(&mut pass.status, place, K::SCHEDULES, &id, now)
            .await
            .is_ok()
        {
            *record = self::record(
                &pass.status,
                pass.grant.meta().generation.unwrap_or_default(),
            );
        }
    }
}

/// A pass that leaves its object as it is, for the next process.
fn unchanged<K: Grant>(mut pass: Pass<K>) -> Pass<K> {
    pass.status = pass.grant.status().cloned().unwrap_or_default();
    pass
}
