//! The reconcile of one grant: resolve, observe, plan, act, report. Generic over the kinds.
//!
//! A pass ends with at most one status write, none when nothing changed, and a time at which to look again. Reads are shared
//! through the tenant's snapshots; the only request a pass can make is the one its plan decided on.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use kube::{Resource, ResourceExt, core::DeserializeGuard, runtime::controller::Action};
use tokio::sync::OnceCell;
use tracing::{debug, warn};
use uuid::Uuid;

use crate::{
    api::{
        FINALIZER, RECONCILE_ANNOTATION,
        conditions::{ConditionType, Reason},
        status::{CreatedVia, GrantStatus, InstanceStatus, ResolvedReferences},
    },
    graph::{Advice, GraphError},
    pim::{
        desired::{Desired, Mode},
        observed::{Absence, Observation, Outcome, Record, assigned},
        plan::{Decision, Plan, Settled, Wait, plan},
        retry::REPLICATION_DEADLINE,
    },
};

use super::{
    act::{Order, Sent, hold, record_intent, send, write_status},
    context::{Answer, Context, GrantStore, Memory, Remembered, unresolved_since},
    delete,
    first_list::FirstList,
    grant::{Grant, NaturalKey, ObjectKey, RowKey, Target},
    inquiry::{Inquiry, follow_up, inquire, note_success},
    registry::Claim,
    report::{self, Report, Subject},
    resolve::{Unresolved, resolve},
    snapshots::{Freshness, View},
    status::{find_condition, record, schedule_status, set_condition, whole_seconds},
    tenants::{Connection, Tenant},
};

/// How long after a write its result is read back. Everything written to the target in the meantime is read with it.
const READ_BACK: TimeDelta = TimeDelta::seconds(3);
/// The longest that further writes put a read-back off.
const READ_BACK_LATEST: TimeDelta = TimeDelta::seconds(30);
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
    /// Set once the claims of all objects with pinned ids are entered.
    pub primed: OnceCell<()>,
}

/// What a pass came to.
pub(super) struct Pass<K> {
    /// The object, as last written.
    pub grant: K,
    /// The status that is to be written.
    pub status: GrantStatus,
    /// When to look again.
    pub wake: Option<DateTime<Utc>>,
    /// What the next pass is to know.
    pub remembered: Remembered,
}

/// A tenant and the row that a grant is about.
pub(super) struct Place {
    pub tenant: Arc<Tenant>,
    pub resolved: ResolvedReferences,
    pub target: Target,
    pub row: RowKey,
}

impl Place {
    pub(super) fn new<K: Grant>(
        grant: &K,
        tenant: Arc<Tenant>,
        resolved: ResolvedReferences,
    ) -> Self {
        let target = Target {
            schedules: K::SCHEDULES,
            group: resolved.group_id.clone(),
        };
        let row = RowKey {
            principal: resolved.principal_id.clone(),
            access: grant.target().access_id,
        };
        Self {
            tenant,
            resolved,
            target,
            row,
        }
    }

    pub(super) fn key(&self) -> NaturalKey {
        NaturalKey {
            tenant: self.tenant.id.clone(),
            target: self.target.clone(),
            row: self.row.clone(),
        }
    }
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
            // An object of another version of the schema: nothing can be done for it, and nothing must be done to it.
            warn!(
                kind = K::KIND,
                namespace = invalid.metadata.namespace,
                name = invalid.metadata.name,
                error = invalid.error,
                "an object cannot be read"
            );
            reconciler.context.metrics.unreadable(K::KIND);
            reconciler.report_unreadable(guard.as_ref(), &invalid.error);
            Ok(())
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
        self.prime().await;
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
        let status = status_with_answer(grant, before.answer.as_ref());
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
        let resolved = match resolve(grant, &tenant).await {
            Ok(resolved) => resolved,
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
        let place = Place::new(grant, tenant, resolved);
        pass.status.resolved = Some(place.resolved.clone());
        set_condition(
            &mut pass.status.conditions,
            ConditionType::ReferencesResolved,
            Some(&report::resolved(&place.resolved)),
            generation,
            now,
        );
        if let Some(winner) = self.claim(grant, &place) {
            return Ok(pass.say(&report::conflict(&winner.to_string()), generation, now));
        }
        self.settle(pass, &desired, &place, now).await
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
        let mut freshness = pass
            .remembered
            .reread_from
            .filter(|from| *from <= now)
            .map_or(Freshness::OwnWrites, Freshness::Since);
        if nudged(self, &mut record, &pass.grant) {
            freshness = Freshness::Since(self.context.clock.now());
        }
        let mut instance = None;
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
                Decision::Send(..) if view.read_at < now - FRESH_FOR_WRITE => {
                    freshness = Freshness::Since(now - FRESH_FOR_WRITE);
                }
                // Act.
                Decision::Send(change, why) => {
                    let order = Order {
                        change: &change,
                        why,
                        anchor,
                        resolved: &place.resolved,
                    };
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
        mut pass: Pass<K>,
        place: &Place,
        order: &Order<'_>,
        now: DateTime<Utc>,
    ) -> Result<Pass<K>, ReconcileError> {
        let generation = pass.grant.meta().generation.unwrap_or_default();
        let id = Uuid::new_v4();
        pass.grant =
            record_intent(&self.context, &pass.grant, &pass.status, order, id, now).await?;
        self.memory.note_written(&pass.grant);
        pass.status = pass.grant.status().cloned().unwrap_or_default();
        pass.remembered.answer = None;
        match send(&self.context, &place.tenant, &pass.grant, order, id).await {
            Sent::Unknown(error) => Ok(pass.fail(&error, generation, now)),
            Sent::Answered(answer) => {
                pass.status = status_with_answer(&pass.grant, Some(&answer));
                let sent = record(&pass.status, generation).last;
                match sent.as_ref().map(|sent| &sent.outcome) {
                    Some(Outcome::Succeeded { .. }) => {
                        // Recorded together with what the lists show: until then the intent in status says enough.
                        pass.status = pass.grant.status().cloned().unwrap_or_default();
                        pass.remembered = Remembered {
                            answer: Some(*answer),
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

    #[expect(
        clippy::too_many_arguments,
        reason = "everything a settled grant's status is made of, gathered in one place"
    )]
    async fn settled(
        &self,
        mut pass: Pass<K>,
        mode: Mode,
        place: &Place,
        settled: Settled,
        anchor: Option<crate::pim::observed::Anchor>,
        view: &View,
        wake: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<Pass<K>, ReconcileError> {
        let generation = pass.grant.meta().generation.unwrap_or_default();
        let adopted = matches!(
            settled,
            Settled::Provisioned { adopted: true } | Settled::Scheduled { adopted: true }
        );
        if adopted && mode == Mode::Manage {
            pass.grant = hold(&self.context, &pass.grant).await?;
        }
        if mode == Mode::Manage && !matches!(settled, Settled::Expired { .. }) {
            let via = if adopted {
                CreatedVia::Adopted
            } else {
                CreatedVia::Operator
            };
            pass.status.created_via.get_or_insert(via);
        }
        if let Some(anchor) = anchor {
            let mut schedule = schedule_status(
                &anchor,
                &pass.grant.terms().schedule_info,
                pass.status.schedule.as_ref(),
            );
            match (settled, assigned(view.rows(&place.row))) {
                (Settled::Expired { .. }, _) => {
                    // The id stays: it says that this window was granted once, should the clock ever be set back.
                    schedule.status = None;
                    pass.status.instance = None;
                }
                (_, Some(row)) => {
                    schedule.id = Some(row.id.clone());
                    schedule.status = Some(row.status.clone());
                }
                (_, None) => {}
            }
            pass.status.schedule = Some(schedule);
        }
        if let Some(last) = pass
            .status
            .last_request
            .as_mut()
            .filter(|last| last.error.is_some() || last.failures.is_some())
        {
            // What failed on the way is over: the next failure begins a run of its own.
            last.failures = None;
            last.failing_since = None;
        }
        let access = match pass.grant.target().access_id {
            crate::api::references::AccessId::Member => "member",
            crate::api::references::AccessId::Owner => "owner",
        };
        let subject = Subject {
            names: &place.resolved,
            schedules: K::SCHEDULES,
            access,
        };
        let report = report::settled(settled, mode, anchor.as_ref(), &subject);
        pass.remembered = Remembered::default();
        pass = pass.say(&report, generation, now);
        pass.wake = wake;
        Ok(pass)
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

    /// Enters the object's claim and names the object that has a better one.
    fn claim(&self, grant: &K, place: &Place) -> Option<ObjectKey> {
        let claim = claim_of(grant);
        let key = place.key();
        self.context.registry.claim(&key, claim.clone());
        self.context
            .registry
            .others(&key, &claim.uid)
            .into_iter()
            .find(|other| *other < claim && self.context.is_alive(other))
            .map(|other| other.object)
    }

    /// Enters the claims of all objects whose ids are pinned, before the first pass: after a restart the order of
    /// passes must not decide who is the oldest.
    async fn prime(&self) {
        let enter_all = || async {
            // Not read only when the process ends.
            let _ = self.first_list.is_read().await;
            for guard in self.store.state() {
                // A nudge from before the start was heard then, or by the start itself.
                if let Some(value) = guard.annotations().get(RECONCILE_ANNOTATION) {
                    self.memory
                        .is_new_nudge(&guard.uid().unwrap_or_default(), value);
                }
                if let Ok(grant) = &guard.0
                    && let Some(resolved) =
                        grant.status().and_then(|status| status.resolved.clone())
                {
                    let target = Target {
                        schedules: K::SCHEDULES,
                        group: resolved.group_id,
                    };
                    let row = RowKey {
                        principal: resolved.principal_id,
                        access: grant.target().access_id,
                    };
                    let key = NaturalKey {
                        tenant: resolved.tenant_id,
                        target,
                        row,
                    };
                    self.context.registry.claim(&key, claim_of(grant));
                }
            }
        };
        self.primed.get_or_init(enter_all).await;
    }

    /// Report: writes the status if it changed, and says so where people look.
    async fn publish(&self, pass: Pass<K>) -> Result<(), ReconcileError> {
        let Pass { grant, status, .. } = pass;
        let key = ObjectKey::of(K::KIND, &grant);
        let ready = find_condition(&status, ConditionType::Ready).cloned();
        self.context
            .metrics
            .object(&key, ready.as_ref().map(|ready| ready.reason.as_str()));
        if grant.status() == Some(&status) {
            return Ok(());
        }
        let before = grant
            .status()
            .and_then(|status| find_condition(status, ConditionType::Ready))
            .cloned();
        let written = write_status(&self.context, &grant, status).await?;
        self.memory.note_written(&written);
        debug!(object = %key, reason = ready.as_ref().map(|ready| &ready.reason), "status written");
        if let Some(ready) = ready
            && before
                .is_none_or(|before| before.reason != ready.reason || before.status != ready.status)
        {
            let type_ = match ready.status.as_str() {
                "True" => kube::runtime::events::EventType::Normal,
                _ => kube::runtime::events::EventType::Warning,
            };
            self.context
                .events
                .publish(&grant, type_, &ready.reason, "Reconcile", ready.message);
        }
        Ok(())
    }

    fn report_unreadable(&self, guard: &DeserializeGuard<K>, error: &str) {
        let note = format!(
            "this object cannot be read by this version of the operator and is left alone: {error}"
        );
        let type_ = kube::runtime::events::EventType::Warning;
        self.context
            .events
            .publish(guard, type_, Reason::InvalidSpec.as_str(), "Read", note);
    }
}

impl<K: Grant> Pass<K> {
    /// Writes a report into the status.
    pub(super) fn say(mut self, report: &Report, generation: i64, now: DateTime<Utc>) -> Self {
        report.apply(&mut self.status, generation, now);
        self
    }

    /// Leaves the status as it is until a read-back: what Graph answered is written together with what is read then.
    pub(super) fn put_off(mut self, until: DateTime<Utc>) -> Self {
        self.status = self.grant.status().cloned().unwrap_or_default();
        self.wake = Some(until);
        self
    }

    /// It is not known yet whether the last request was carried out.
    pub(super) fn ask_again(
        mut self,
        later: DateTime<Utc>,
        generation: i64,
        now: DateTime<Utc>,
    ) -> Self {
        let report = report::unknown_outcome(self.status.last_request.as_ref());
        self.wake = Some(later);
        self.remembered.reread_from = Some(later);
        self.say(&report, generation, now)
    }

    /// Reports a call that failed, and looks again with growing delays.
    pub(super) fn fail(mut self, error: &GraphError, generation: i64, now: DateTime<Utc>) -> Self {
        let failures = self.remembered.failures.saturating_add(1);
        let growing = TimeDelta::seconds(5) * 2_i32.saturating_pow(failures.min(7) - 1);
        let wait = match error.advice() {
            Advice::RetryAfter(wait) => TimeDelta::from_std(wait).unwrap_or(growing).max(growing),
            Advice::FixPermissions { .. } | Advice::FixLicense => TimeDelta::minutes(10),
            _ => growing,
        };
        self.remembered.failures = failures;
        self.wake = Some(now + wait);
        self.say(&report::failed(error), generation, now)
    }
}

/// The object's status, with an answer that was not written yet.
pub(super) fn status_with_answer<K: Grant>(grant: &K, answer: Option<&Answer>) -> GrantStatus {
    let mut status = grant.status().cloned().unwrap_or_default();
    if let (Some(answer), Some(last)) = (answer, &mut status.last_request)
        && last.client_request_id == answer.last_request.client_request_id
    {
        *last = answer.last_request.clone();
        if let Some(id) = &answer.schedule_id {
            note_success(&mut status, id.clone());
        }
    }
    status
}

/// Waits as the plan says; what it waits for must be read afresh then.
pub(super) fn wait_pass<K: Grant>(
    mut pass: Pass<K>,
    wait: Wait,
    wake: Option<DateTime<Utc>>,
    generation: i64,
    now: DateTime<Utc>,
) -> Pass<K> {
    let report = report::waiting(wait, pass.status.last_request.as_ref());
    pass.remembered.failures = 0;
    pass.remembered.reread_from = wake;
    pass.wake = wake;
    pass.say(&report, generation, now)
}

fn unresolved_pass<K: Grant>(
    mut pass: Pass<K>,
    unresolved: Unresolved,
    since: Option<DateTime<Utc>>,
    generation: i64,
    now: DateTime<Utc>,
) -> Pass<K> {
    let waited = since.map_or(TimeDelta::zero(), |since| now - since);
    let late = waited >= REPLICATION_DEADLINE;
    match unresolved {
        Unresolved::Failed(error) => pass.fail(&error, generation, now),
        Unresolved::Wrong { may_appear, .. } => {
            // New objects replicate for minutes: look often at first, and ever more rarely.
            let wait = if may_appear && !late {
                (waited / 4).clamp(TimeDelta::seconds(10), TimeDelta::minutes(2))
            } else {
                TimeDelta::minutes(15)
            };
            pass.wake = Some(now + wait);
            pass.say(&unresolved.report(late), generation, now)
        }
    }
}

/// A read-back waits until nothing has been written to the tenant for a moment: when many grants are made at once, the order in
/// which their turn comes is random, and one read of each target then serves all of them.
pub(super) fn read_back_later(
    place: &Place,
    record: &Record,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let sent = record.last.as_ref()?;
    let awaited = matches!(sent.outcome, Outcome::Succeeded { .. }) && !record.confirmed;
    let quiet = place.tenant.snapshots.last_write()? + READ_BACK;
    let stale = !place.tenant.snapshots.is_current(&place.target, &place.row);
    (awaited && stale && now < quiet && now < sent.at + READ_BACK_LATEST).then_some(quiet)
}

/// Since when reads have not shown the row. Reads from before our own last request prove nothing about it.
pub(super) fn absence(view: &View, place: &Place, record: &Record) -> Option<Absence> {
    let absence = view.absence(&place.row)?;
    let since = record
        .last
        .as_ref()
        .map_or(absence.since, |last| last.at.max(absence.since));
    (since <= absence.until).then_some(Absence { since, ..absence })
}

/// Whether a person asked for a look now. What Entra lists is read afresh then, and a refusal is no reason to wait.
pub(super) fn nudged<K: Grant>(reconciler: &Reconciler<K>, record: &mut Record, grant: &K) -> bool {
    let asked = grant.annotations().get(RECONCILE_ANNOTATION);
    let nudged = asked.is_some_and(|value| {
        reconciler
            .memory
            .is_new_nudge(&grant.uid().unwrap_or_default(), value)
    });
    if let (true, Some(last)) = (nudged, &mut record.last) {
        last.current = false;
    }
    nudged
}

fn claim_of<K: Grant>(grant: &K) -> Claim {
    let created = grant
        .creation_timestamp()
        .and_then(|time| DateTime::from_timestamp(time.0.as_second(), 0));
    Claim {
        created: created.unwrap_or_default(),
        uid: grant.uid().unwrap_or_default(),
        object: ObjectKey::of(K::KIND, grant),
    }
}

/// Whether the object is held by our finalizer.
pub(super) fn is_held<K: Resource>(grant: &K) -> bool {
    grant
        .meta()
        .finalizers
        .iter()
        .flatten()
        .any(|finalizer| finalizer == FINALIZER)
}
