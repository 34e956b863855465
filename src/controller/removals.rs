//! The removal guard at work: it asks the pure guard, writes its state to `EntraTenant.status` before a revocation leaves, and
//! takes acknowledgments.
//!
//! A place is recorded before the request is sent, so no restart lets one more grant go. Whoever asks at the same time
//! shares one write. What only makes the record tidier (a place given back, a count of those who wait) is written
//! a moment later, together with what comes next.

mod ledger;

use std::{
    collections::{HashMap, HashSet},
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures::{FutureExt, future::join_all};
use kube::{ResourceExt, runtime::events::EventType};
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::{
    api::{
        ACKNOWLEDGE_REMOVALS_ANNOTATION,
        conditions::{Announcement, Reason},
        tenant::EntraTenant,
    },
    graph::GraphError,
    pim::{
        guard::{Acknowledged, Answer, Limits},
        observed::{Outcome, Refusal},
    },
};

use ledger::{Ledger, trip_name};

use super::{
    context::Context,
    first_list::FirstList,
    grant::{ObjectKey, Target},
    status::{Verdict, whole_seconds},
    tenants::Tenant,
    wakeups::lock,
};

/// How long changes of the record that nothing waits for are gathered.
const GATHER: Duration = Duration::from_secs(1);
/// How long after a start every object that waits has said so.
const ALL_HEARD: Duration = Duration::from_mins(1);
/// How long a failed first read is not tried again for other objects of the tenant.
const REST: chrono::TimeDelta = chrono::TimeDelta::seconds(5);

/// The removal guards of all tenants.
pub struct Removals {
    ledgers: Mutex<HashMap<String, Arc<Ledger>>>,
    first_lists: Vec<FirstList>,
    unwritten: Notify,
}

impl Removals {
    /// Nothing counted yet. Nothing is revoked before the first lists are read.
    #[must_use]
    pub fn new(first_lists: Vec<FirstList>) -> Self {
        Self {
            ledgers: Mutex::default(),
            first_lists,
            unwritten: Notify::new(),
        }
    }

    fn ledger(&self, tenant: &str) -> Arc<Ledger> {
        let mut ledgers = lock(&self.ledgers);
        let new = || Arc::new(Ledger::new(tenant));
        Arc::clone(ledgers.entry(tenant.to_owned()).or_insert_with(new))
    }

    /// Whether a tenant's guard has tripped, and how many revocations wait; none before its record was read.
    pub(super) fn state(&self, tenant: &str) -> Option<(bool, u32)> {
        let ledger = lock(&self.ledgers).get(tenant).map(Arc::clone)?;
        ledger.loaded.initialized().then(|| {
            let book = lock(&ledger.book);
            (book.guard.tripped().is_some(), book.waiting())
        })
    }

    /// Asks whether one more grant of a tenant may be revoked now. With a yes, its place is recorded.
    pub(super) async fn ask(
        &self,
        context: &Context,
        tenant: &EntraTenant,
        object: &ObjectKey,
        uid: &str,
    ) -> Result<Answer, kube::Error> {
        let name = tenant.name_any();
        let ledger = self.ledger(&name);
        ledger.load(context).await?;
        let limits = Limits::read(tenant.spec.removal_guard.as_ref());
        let now = whole_seconds(context.clock.now());
        let (answer, has_tripped) = {
            let mut book = lock(&ledger.book);
            let was_tripped = book.guard.tripped().is_some();
            let book_keeps = |_: &String, at: &mut DateTime<Utc>| *at + limits.window * 2 > now;
            book.revoked.retain(book_keeps);
            book.kept.retain(book_keeps);
            let managed = if was_tripped {
                0
            } else {
                book.managed(context, &name, now)
            };
            let answer = book.guard.ask(uid, managed, &limits, now, &trip_name());
            match answer {
                Answer::Allow { .. } => {
                    book.revoked.insert(uid.to_owned(), now);
                    book.kept.remove(uid);
                    book.waiting.remove(object);
                }
                Answer::Hold => {
                    book.waiting.insert(object.clone());
                }
                Answer::Wait => {}
            }
            (answer, !was_tripped && book.guard.tripped().is_some())
        };
        match answer {
            Answer::Allow { .. } => {
                if let Err(error) = self.persist(&ledger, context).await {
                    ledger.give_back(uid);
                    return Err(error);
                }
            }
            Answer::Hold if has_tripped => {
                self.persist(&ledger, context).await?;
                ledger.say_that_it_tripped(context, tenant);
            }
            Answer::Hold => self.unwritten.notify_one(),
            Answer::Wait => {}
        }
        Ok(answer)
    }

    /// Takes in what became of a revocation that was let through.
    pub(super) fn learn(
        &self,
        context: &Context,
        tenant: &str,
        uid: &str,
        again: bool,
        outcome: &Outcome,
    ) {
        let ledger = self.ledger(tenant);
        match outcome {
            Outcome::Succeeded { .. } => ledger.carried_out(context, uid),
            // The first try, whose answer was lost, had worked.
            Outcome::Refused(Refusal::DoesNotExist) if again => ledger.carried_out(context, uid),
            Outcome::Refused(_) | Outcome::Failed | Outcome::NeverSent => ledger.give_back(uid),
            Outcome::Unknown | Outcome::InProgress { .. } => return,
        }
        self.unwritten.notify_one();
    }

    /// A revocation that was let through was not sent.
    pub(super) fn not_sent(&self, tenant: &str, uid: &str) {
        self.ledger(tenant).give_back(uid);
        self.unwritten.notify_one();
    }

    /// An object is let go: what was under way for it is taken as carried out.
    pub(super) fn let_go(&self, context: &Context, tenant: &str, uid: &str) {
        let ledger = self.ledger(tenant);
        if lock(&ledger.book).guard.is_under_way(uid) {
            ledger.carried_out(context, uid);
            self.unwritten.notify_one();
        }
    }

    /// An object no longer waits for the guard.
    pub(super) fn waits_no_longer(&self, object: &ObjectKey) {
        for ledger in lock(&self.ledgers).values() {
            if lock(&ledger.book).waiting.remove(object) {
                self.unwritten.notify_one();
            }
        }
    }

    /// Takes in what people changed about a tenant: an acknowledgment, or the brakes in its spec.
    pub(super) async fn heed(
        &self,
        tenant: &EntraTenant,
        context: &Context,
    ) -> Result<(), kube::Error> {
        let ledger = self.ledger(&tenant.name_any());
        ledger.load(context).await?;
        let now = whole_seconds(context.clock.now());
        let value = tenant.annotations().get(ACKNOWLEDGE_REMOVALS_ANNOTATION);
        let generation = tenant.metadata.generation;
        let (taken, changed, refused, edited, waiting) = {
            let mut book = lock(&ledger.book);
            let edited = book.generation.is_some() && book.generation != generation;
            book.generation = generation;
            let earlier = book.refused.take();
            let mut taken = None;
            match value.map(|value| book.guard.acknowledge(value, now)) {
                Some(Ok(Acknowledged::Taken(count))) => taken = Some(count),
                Some(Err(error)) => book.refused = Some(error.to_string()),
                _ => {}
            }
            let changed = book.refused != earlier || taken.is_some();
            let refused = book.refused.clone().filter(|_| changed);
            if taken.is_some() {
                book.at_least = 0;
            }
            (taken, changed, refused, edited, book.waiting.clone())
        };
        if let Some(count) = taken {
            info!(target: "pim_operator::audit", tenant = tenant.name_any(), acknowledgment = value, count, "revocations acknowledged");
            let note = format!("{count} revocations are let through");
            let type_ = EventType::Normal;
            let news = Announcement::RemovalsAcknowledged;
            context
                .events
                .publish(tenant, type_, news, "Reconcile", note);
            for object in &waiting {
                context.wakeups.trigger(object);
            }
        }
        if let Some(why) = refused {
            let note =
                format!("the annotation {ACKNOWLEDGE_REMOVALS_ANNOTATION} is refused: {why}");
            let type_ = EventType::Warning;
            context.events.publish(
                tenant,
                type_,
                Announcement::AcknowledgmentRefused,
                "Reconcile",
                note,
            );
        }
        if edited {
            context.trigger_grants_of(&tenant.name_any());
        }
        if changed {
            self.persist(&ledger, context).await?;
        }
        Ok(())
    }

    /// Records a guard as it is. One whose record somebody else has changed is forgotten, and read anew before it is asked again.
    async fn persist(&self, ledger: &Arc<Ledger>, context: &Context) -> Result<(), kube::Error> {
        let outcome = ledger.persist(context).await;
        if let Err(kube::Error::Api(status)) = &outcome
            && status.is_conflict()
        {
            warn!(
                tenant = ledger.tenant,
                "the removal guard's record was changed by somebody else, and is read anew"
            );
            let mut ledgers = lock(&self.ledgers);
            let ours = ledgers.get(&ledger.tenant);
            if ours.is_some_and(|known| Arc::ptr_eq(known, ledger)) {
                ledgers.remove(&ledger.tenant);
            }
        }
        outcome
    }

    /// What a tenant that is signed in to says of its brakes.
    pub(super) fn verdict(&self, tenant: &EntraTenant, mut connected: Verdict) -> Verdict {
        let ledger = self.ledger(&tenant.name_any());
        let book = lock(&ledger.book);
        if book.guard.tripped().is_some() {
            let message = book.message(&ledger.tenant).unwrap_or_default();
            return Verdict::no(Reason::RemovalGuardTripped, message);
        }
        if tenant.spec.freeze {
            connected
                .message
                .push_str("; `freeze` is true: nothing but revocations is written");
        }
        connected
    }

    /// Waits until everything that is declared in a tenant has been read once since the start.
    pub(super) async fn first_read(
        &self,
        context: &Context,
        tenant: &Tenant,
    ) -> Result<(), Arc<GraphError>> {
        if tenant.snapshots.is_complete() {
            return Ok(());
        }
        for list in &self.first_lists {
            // Not read only when the process ends.
            list.is_read().await;
        }
        let ledger = self.ledger(&tenant.name);
        let mut failure = ledger.first_read.lock().await;
        if tenant.snapshots.is_complete() {
            return Ok(());
        }
        let now = context.clock.now();
        if let Some((at, error)) = &*failure
            && *at <= now
            && now < *at + REST
        {
            return Err(Arc::clone(error));
        }
        let targets: HashSet<Target> = context
            .kinds
            .iter()
            .flat_map(|kind| kind.targets(&tenant.name))
            .collect();
        let reads = targets.iter().map(async |target| {
            // Any read is one since the start.
            let since = DateTime::<Utc>::MIN_UTC;
            let read = tenant.snapshots.refresh(&tenant.background, target, since);
            // A group that is gone took its grants with it.
            read.await.err().filter(|error| !target.is_gone(error))
        });
        let failed = join_all(reads).await.into_iter().flatten().next();
        if let Some(error) = failed {
            let error = Arc::new(error);
            *failure = Some((context.clock.now(), Arc::clone(&error)));
            return Err(error);
        }
        *failure = None;
        tenant.snapshots.note_complete();
        Ok(())
    }

    /// Writes what nothing waits for, until the process ends.
    pub async fn run(&self, context: &Context) {
        let mut all_heard = pin!(tokio::time::sleep(ALL_HEARD).fuse());
        loop {
            tokio::select! {
                () = self.unwritten.notified() => tokio::time::sleep(GATHER).await,
                () = &mut all_heard => {
                    for ledger in lock(&self.ledgers).values() {
                        lock(&ledger.book).at_least = 0;
                    }
                }
            }
            self.write(context).await;
        }
    }

    /// Writes what is not written yet. A write that fails is made with the next change.
    pub async fn write(&self, context: &Context) {
        let ledgers: Vec<_> = lock(&self.ledgers).values().cloned().collect();
        for ledger in ledgers {
            match self.persist(&ledger, context).await {
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                Err(error) => {
                    warn!(tenant = ledger.tenant, %error, "the removal guard's record was not written");
                }
                Ok(()) => {}
            }
        }
    }
}
