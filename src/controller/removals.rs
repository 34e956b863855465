//! The removal guard at work: it asks the pure guard, writes its state to `EntraTenant.status` before a revocation leaves, and
//! takes acknowledgments.
//!
//! A place is recorded before the request is sent, so no restart lets one more grant go. Whoever asks at the same time
//! shares one write. What only makes the record tidier (a place given back, a count of those who wait) is written
//! a moment later, together with what comes next.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures::{FutureExt, future::join_all};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
    runtime::events::EventType,
};
use serde_json::{Value, json};
use tokio::sync::{Notify, OnceCell};
use tracing::{info, warn};

use crate::{
    api::{
        ACKNOWLEDGE_REMOVALS_ANNOTATION,
        conditions::{Announcement, Reason},
        removal_guard::RemovalGuardStatus,
        tenant::EntraTenant,
    },
    graph::GraphError,
    pim::{
        guard::{Acknowledged, Answer, Guard, Limits},
        observed::{Outcome, Refusal},
    },
};

use super::{
    context::Context,
    first_list::FirstList,
    grant::{ObjectKey, Target},
    status::{Verdict, whole_seconds},
    tenants::{KIND, Tenant},
    wakeups::lock,
};

/// How long changes of the record that nothing waits for are gathered.
const GATHER: Duration = Duration::from_secs(1);
/// How long after a start every object that waits has said so.
const ALL_HEARD: Duration = Duration::from_mins(1);
/// How long a failed first read is not tried again for other objects of the tenant.
const REST: chrono::TimeDelta = chrono::TimeDelta::seconds(5);
/// The fields of the record: a merge patch has to name those that are to be empty.
const FIELDS: [&str; 6] = [
    "message",
    "waiting",
    "tripped",
    "acknowledged",
    "recent",
    "underWay",
];

/// The removal guards of all tenants.
pub struct Removals {
    ledgers: Mutex<HashMap<String, Arc<Ledger>>>,
    first_lists: Vec<FirstList>,
    unwritten: Notify,
}

/// The guard of one tenant.
struct Ledger {
    tenant: String,
    loaded: OnceCell<()>,
    book: Mutex<Book>,
    /// What the API server holds.
    written: tokio::sync::Mutex<Written>,
    /// The last failure to read everything once.
    first_read: tokio::sync::Mutex<Option<(DateTime<Utc>, Arc<GraphError>)>>,
}

/// The record as this process knows it to be written.
#[derive(Default)]
struct Written {
    status: RemovalGuardStatus,
    /// The revision of the tenant that it was last seen under.
    revision: Option<String>,
}

#[derive(Default)]
struct Book {
    guard: Guard,
    waiting: BTreeSet<ObjectKey>,
    /// The objects whose grants were revoked, or may have been: the store may still show them as they were.
    revoked: HashMap<String, DateTime<Utc>>,
    /// The objects whose grants were to be revoked and were not: the store may still show them as about to be.
    kept: HashMap<String, DateTime<Utc>>,
    /// Why the present value of the annotation was refused.
    refused: Option<String>,
    /// How many waited as the last process recorded it: ours has not heard of all of them for a while.
    at_least: usize,
    /// The generation of the tenant that the waiting objects know of.
    generation: Option<i64>,
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
        let new = || {
            Arc::new(Ledger {
                tenant: tenant.to_owned(),
                loaded: OnceCell::new(),
                book: Mutex::default(),
                written: tokio::sync::Mutex::default(),
                first_read: tokio::sync::Mutex::default(),
            })
        };
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

/// The guard's record in a tenant.
fn recorded(tenant: EntraTenant) -> RemovalGuardStatus {
    tenant
        .status
        .and_then(|status| status.removal_guard)
        .unwrap_or_default()
}

/// The name of a trip, should one come: nobody knows it before.
fn trip_name() -> String {
    format!("{:08x}", rand::random::<u32>())
}

impl Ledger {
    /// Takes over what an earlier process recorded.
    async fn load(&self, context: &Context) -> Result<(), kube::Error> {
        let read = || async {
            let api = Api::<EntraTenant>::all(context.client.clone());
            let tenant = api.get_opt(&self.tenant).await?;
            let revision = tenant.as_ref().and_then(ResourceExt::resource_version);
            let recorded = tenant.map(recorded).unwrap_or_default();
            {
                let mut book = lock(&self.book);
                book.guard = Guard::read(&recorded);
                book.at_least = recorded.waiting.unwrap_or_default() as usize;
            }
            *self.written.lock().await = Written {
                status: recorded,
                revision,
            };
            Ok(())
        };
        self.loaded.get_or_try_init(read).await.map(drop)
    }

    /// Records the guard as it is. Everybody who waits here at the same time is served by one write.
    async fn persist(&self, context: &Context) -> Result<(), kube::Error> {
        if !self.loaded.initialized() {
            return Ok(());
        }
        let mut written = self.written.lock().await;
        let status = lock(&self.book).status(&self.tenant);
        if written.status == status {
            return Ok(());
        }
        let mut fields = serde_json::to_value(&status).map_err(kube::Error::SerdeError)?;
        for field in FIELDS {
            if fields.get(field).is_none() {
                fields[field] = Value::Null;
            }
        }
        let api = Api::<EntraTenant>::all(context.client.clone());
        loop {
            let patch = json!({
                "metadata": {"resourceVersion": written.revision},
                "status": {"removalGuard": &fields},
            });
            let parameters = PatchParams::default();
            match api
                .patch_status(&self.tenant, &parameters, &Patch::Merge(patch))
                .await
            {
                Ok(tenant) => {
                    written.revision = tenant.resource_version();
                    break;
                }
                // Most often something else about the tenant was written. Whoever finds the record itself changed counts on what is
                // no longer so: another replica leads.
                Err(kube::Error::Api(conflict)) if conflict.is_conflict() => {
                    let tenant = api.get(&self.tenant).await?;
                    let revision = tenant.resource_version();
                    if recorded(tenant) != written.status {
                        return Err(kube::Error::Api(conflict));
                    }
                    written.revision = revision;
                }
                Err(error) => return Err(error),
            }
        }
        if written.status.message != status.message {
            context.wakeups.trigger(&ObjectKey {
                kind: KIND,
                namespace: String::new(),
                name: self.tenant.clone(),
            });
        }
        written.status = status;
        Ok(())
    }

    fn carried_out(&self, context: &Context, uid: &str) {
        let tenant = context.tenants.object(&self.tenant);
        let spec = tenant.as_ref().map(|tenant| &tenant.spec);
        let limits = Limits::read(spec.and_then(|spec| spec.removal_guard.as_ref()));
        let now = whole_seconds(context.clock.now());
        lock(&self.book).guard.carried_out(uid, &limits, now);
    }

    fn give_back(&self, uid: &str) {
        let mut book = lock(&self.book);
        book.guard.not_carried_out(uid);
        if let Some(asked) = book.revoked.remove(uid) {
            book.kept.insert(uid.to_owned(), asked);
        }
    }

    fn say_that_it_tripped(&self, context: &Context, tenant: &EntraTenant) {
        let note = lock(&self.book).message(&self.tenant).unwrap_or_default();
        warn!(tenant = self.tenant, "{note}");
        let reason = Reason::RemovalGuardTripped;
        context
            .events
            .publish(tenant, EventType::Warning, reason, "Revoke", note);
    }
}

impl Book {
    /// The grants of a tenant that are managed now: neither revoked nor about to be.
    fn managed(&self, context: &Context, tenant: &str, now: DateTime<Utc>) -> u32 {
        let is_revoked = |uid: &str| {
            let gone = self.revoked.contains_key(uid) || self.guard.is_under_way(uid);
            (gone || self.kept.contains_key(uid)).then_some(gone)
        };
        let kinds = context.kinds.iter();
        let managed: usize = kinds
            .map(|kind| kind.managed(tenant, now, &is_revoked))
            .sum();
        u32::try_from(managed).unwrap_or(u32::MAX)
    }

    fn status(&self, tenant: &str) -> RemovalGuardStatus {
        RemovalGuardStatus {
            message: self.message(tenant),
            waiting: Some(self.waiting()).filter(|waiting| *waiting > 0),
            ..self.guard.status()
        }
    }

    fn waiting(&self) -> u32 {
        u32::try_from(self.waiting.len().max(self.at_least)).unwrap_or(u32::MAX)
    }

    /// What people have to know, and what they can do.
    fn message(&self, tenant: &str) -> Option<String> {
        let annotation = ACKNOWLEDGE_REMOVALS_ANNOTATION;
        let refused = self
            .refused
            .as_ref()
            .map(|why| format!("the annotation {annotation} is refused: {why}"));
        let Some(trip) = self.guard.tripped() else {
            return refused;
        };
        let (revoked, managed, waiting) = (trip.revoked, trip.managed, self.waiting());
        let message = format!(
            "the removal guard has tripped: {revoked} of {managed} managed grants were revoked in a short time, and {waiting} more revocations wait; if they are meant, run `kubectl annotate --overwrite entratenant {tenant} {annotation}={}:{waiting}`",
            trip.id
        );
        Some(match refused {
            Some(refused) => format!("{message}; {refused}"),
            None => message,
        })
    }
}
