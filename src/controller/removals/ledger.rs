//! The ledger of one tenant's removal guard: what is counted, and the record of it in `EntraTenant.status`.
//!
//! The record is written under the revision of the tenant that it was read at. Whoever finds it changed by another process sends
//! nothing.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
};

use chrono::{DateTime, Utc};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
    runtime::events::EventType,
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tracing::warn;

use crate::{
    api::{
        ACKNOWLEDGE_REMOVALS_ANNOTATION, conditions::Reason, removal_guard::RemovalGuardStatus,
        tenant::EntraTenant,
    },
    controller::{
        context::Context, grant::ObjectKey, status::whole_seconds, tenants::KIND, wakeups::lock,
    },
    graph::GraphError,
    pim::guard::{Guard, Limits},
};

/// The fields of the record: a merge patch has to name those that are to be empty.
const FIELDS: [&str; 6] = [
    "message",
    "waiting",
    "tripped",
    "acknowledged",
    "recent",
    "underWay",
];

/// The guard of one tenant.
pub(super) struct Ledger {
    pub(super) tenant: String,
    pub(super) loaded: OnceCell<()>,
    pub(super) book: Mutex<Book>,
    /// What the API server holds.
    pub(super) written: tokio::sync::Mutex<Written>,
    /// The last failure to read everything once.
    pub(super) first_read: tokio::sync::Mutex<Option<(DateTime<Utc>, Arc<GraphError>)>>,
}

/// The record as this process knows it to be written.
#[derive(Default)]
pub(super) struct Written {
    pub(super) status: RemovalGuardStatus,
    /// The revision of the tenant that it was last seen under.
    pub(super) revision: Option<String>,
}

/// The pure guard, and what this process knows beside its record.
#[derive(Default)]
pub(super) struct Book {
    pub(super) guard: Guard,
    pub(super) waiting: BTreeSet<ObjectKey>,
    /// The objects whose grants were revoked, or may have been: the store may still show them as they were.
    pub(super) revoked: HashMap<String, DateTime<Utc>>,
    /// The objects whose grants were to be revoked and were not: the store may still show them as about to be.
    pub(super) kept: HashMap<String, DateTime<Utc>>,
    /// Why the present value of the annotation was refused.
    pub(super) refused: Option<String>,
    /// How many waited as the last process recorded it: ours has not heard of all of them for a while.
    pub(super) at_least: usize,
    /// The generation of the tenant that the waiting objects know of.
    pub(super) generation: Option<i64>,
}

/// The guard's record in a tenant.
fn recorded(tenant: EntraTenant) -> RemovalGuardStatus {
    tenant
        .status
        .and_then(|status| status.removal_guard)
        .unwrap_or_default()
}

/// The name of a trip, should one come: nobody knows it before.
pub(super) fn trip_name() -> String {
    format!("{:08x}", rand::random::<u32>())
}

impl Ledger {
    pub(super) fn new(tenant: &str) -> Self {
        Self {
            tenant: tenant.to_owned(),
            loaded: OnceCell::new(),
            book: Mutex::default(),
            written: tokio::sync::Mutex::default(),
            first_read: tokio::sync::Mutex::default(),
        }
    }

    /// Takes over what an earlier process recorded.
    pub(super) async fn load(&self, context: &Context) -> Result<(), kube::Error> {
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
    pub(super) async fn persist(&self, context: &Context) -> Result<(), kube::Error> {
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

    pub(super) fn carried_out(&self, context: &Context, uid: &str) {
        let tenant = context.tenants.object(&self.tenant);
        let spec = tenant.as_ref().map(|tenant| &tenant.spec);
        let limits = Limits::read(spec.and_then(|spec| spec.removal_guard.as_ref()));
        let now = whole_seconds(context.clock.now());
        lock(&self.book).guard.carried_out(uid, &limits, now);
    }

    pub(super) fn give_back(&self, uid: &str) {
        let mut book = lock(&self.book);
        book.guard.not_carried_out(uid);
        if let Some(asked) = book.revoked.remove(uid) {
            book.kept.insert(uid.to_owned(), asked);
        }
    }

    pub(super) fn say_that_it_tripped(&self, context: &Context, tenant: &EntraTenant) {
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
    pub(super) fn managed(&self, context: &Context, tenant: &str, now: DateTime<Utc>) -> u32 {
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

    pub(super) fn waiting(&self) -> u32 {
        u32::try_from(self.waiting.len().max(self.at_least)).unwrap_or(u32::MAX)
    }

    /// What people have to know, and what they can do.
    pub(super) fn message(&self, tenant: &str) -> Option<String> {
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
