//! What every reconcile shares.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{Arc, Mutex},
};

use chrono::{DateTime, Utc};
use kube::{Client, Resource, ResourceExt};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::{
    api::status::LastRequest,
    graph::{RetryLimits, Timeouts},
};

use super::{
    authority::Authority,
    clock::Clock,
    election::Fence,
    events::Events,
    first_list::FirstList,
    grant::Grant,
    lanes::Lanes,
    metrics::Metrics,
    objects::{Census, Objects},
    origin::Origins,
    policy::PolicyClaims,
    registry::{Claim, Registry},
    removals::Removals,
    status::since,
    tenants::Tenants,
    wakeups::{Wakeups, lock},
};

/// Shared by all kinds.
pub struct Context {
    /// The Kubernetes client.
    pub client: Client,
    /// The operator's own namespace: where tenants' Secrets live.
    pub namespace: String,
    /// Whether this process may write.
    pub fence: Arc<Fence>,
    /// The name of this process in the election and in events; none when it is alone.
    pub instance: Option<String>,
    /// Cancelled when the operator is to stop.
    pub stop: CancellationToken,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The token of the operator's own service account, for tenants that trust it.
    pub federated_token_file: PathBuf,
    /// How long a single answer of Graph is waited for.
    pub timeouts: Timeouts,
    /// How far the Graph client tries again by itself.
    pub retry: RetryLimits,
    /// The tenants.
    pub tenants: Tenants,
    /// Who may grant what.
    pub authority: Authority,
    /// Who claims what.
    pub registry: Arc<Registry>,
    /// Timers and triggers.
    pub wakeups: Arc<Wakeups>,
    /// Kubernetes events.
    pub events: Events,
    /// Where objects come from.
    pub origins: Origins,
    /// Prometheus metrics.
    pub metrics: Arc<Metrics>,
    /// The removal guards.
    pub removals: Removals,
    /// The grants of each kind, for what concerns them all.
    pub kinds: Vec<Arc<dyn Objects>>,
    /// Whether they have been read once.
    pub kinds_read: Vec<FirstList>,
    /// Which `PimPolicy` manages what.
    pub policies: PolicyClaims,
    /// Whether the claims of objects that were there at the start are entered.
    pub claims_primed: OnceCell<()>,
    /// Whose turn it is.
    pub lanes: Arc<Lanes>,
}

impl Context {
    /// Has every grant of a tenant looked at again.
    pub fn trigger_grants_of(&self, tenant: &str) {
        for kind in &self.kinds {
            for object in kind.of_tenant(tenant) {
                self.wakeups.trigger(&object);
            }
        }
    }

    /// Has every tenant and every object looked at: nothing was while another replica led.
    pub fn trigger_all(&self) {
        for tenant in self.tenants.all() {
            self.wakeups.trigger(&tenant);
        }
        for object in self.kinds.iter().flat_map(|kind| kind.all()) {
            self.wakeups.trigger(&object);
        }
    }

    /// What there is in a tenant; none before all objects have been read once.
    pub async fn census(&self, tenant: &str) -> Option<Census> {
        for read in &self.kinds_read {
            if !read.is_read().await {
                return None;
            }
        }
        let mut census = Census::default();
        for kind in &self.kinds {
            kind.count(tenant, &mut census);
        }
        Some(census)
    }

    /// Has every grant of a namespace looked at again.
    pub fn trigger_grants_in(&self, namespace: &str) {
        for kind in &self.kinds {
            for object in kind.all() {
                if object.namespace == namespace {
                    self.wakeups.trigger(&object);
                }
            }
        }
    }

    /// Drops the claims and the places in quotas of objects that went while a pass had them in hand.
    pub fn prune(&self) {
        // The places come first: whoever takes one later is in a store already.
        let places = self.authority.places();
        let there: HashSet<String> = self.kinds.iter().flat_map(|kind| kind.uids()).collect();
        for (namespace, uid) in places {
            if !there.contains(&uid) {
                self.authority.release(self, &namespace, &uid);
            }
        }
        for claim in self.registry.objects() {
            if !self.is_alive(&claim) {
                self.registry.release(&claim.object);
            }
        }
    }

    /// Whether a claim's object still exists.
    #[must_use]
    pub fn is_alive(&self, claim: &Claim) -> bool {
        self.kinds
            .iter()
            .any(|kind| kind.uid(&claim.object).is_some_and(|uid| uid == claim.uid))
    }
}

/// What the reconciler of one kind remembers between passes. All of it can be lost: it saves reads and writes.
#[derive(Default)]
pub struct Memory {
    passes: Mutex<HashMap<String, Remembered>>,
    nudges: Mutex<HashMap<String, String>>,
    /// The revisions of our own last writes that the store may not show yet.
    written: Mutex<HashMap<String, u64>>,
}

/// What is remembered of one object.
#[derive(Clone, Debug, Default)]
pub struct Remembered {
    /// From when on a read counts: an earlier one is what made us wait.
    pub reread_from: Option<DateTime<Utc>>,
    /// An answer of Graph that is not in status yet: it is written together with what the lists show.
    pub answer: Option<Box<Answer>>,
    /// Failures in a row of calls that carry no lasting record.
    pub failures: u32,
}

/// Graph's answer to a request, before it is written to status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The request as it is to be recorded.
    pub last_request: LastRequest,
    /// The schedule that Graph said the request made.
    pub schedule_id: Option<String>,
}

impl Memory {
    /// Notes the object as a write of ours left it.
    pub fn note_written<K: Resource>(&self, object: &K) {
        if let (Some(uid), Some(revision)) = (object.uid(), revision(object)) {
            lock(&self.written).insert(uid, revision);
        }
    }

    /// Whether a copy from the store is from before our own last write. Whatever is decided on it would be refused as a conflict.
    #[must_use]
    pub fn is_behind<K: Resource>(&self, copy: &K) -> bool {
        let uid = copy.uid().unwrap_or_default();
        let mut written = lock(&self.written);
        let behind = match (written.get(&uid), revision(copy)) {
            (Some(written), Some(copy)) => copy < *written,
            _ => false,
        };
        if !behind {
            written.remove(&uid);
        }
        behind
    }

    /// What is remembered of an object.
    #[must_use]
    pub fn get(&self, uid: &str) -> Remembered {
        lock(&self.passes).get(uid).cloned().unwrap_or_default()
    }

    /// The answers that are not written yet, by the uid of their object.
    #[must_use]
    pub fn unwritten(&self) -> HashMap<String, Answer> {
        let passes = lock(&self.passes);
        passes
            .iter()
            .filter_map(|(uid, remembered)| Some((uid.clone(), *remembered.answer.clone()?)))
            .collect()
    }

    /// Whether a request for a look now has not been seen before. It is from now on.
    pub fn is_new_nudge(&self, uid: &str, value: &str) -> bool {
        let mut nudges = lock(&self.nudges);
        let new = nudges.get(uid).is_none_or(|seen| seen != value);
        if new {
            nudges.insert(uid.to_owned(), value.to_owned());
        }
        new
    }

    /// Forgets an object that is gone.
    pub fn forget(&self, uid: &str) {
        lock(&self.passes).remove(uid);
        lock(&self.nudges).remove(uid);
        lock(&self.written).remove(uid);
    }

    /// Remembers; an empty memory takes no room.
    pub fn put(&self, uid: &str, remembered: Remembered) {
        let empty = remembered.reread_from.is_none()
            && remembered.answer.is_none()
            && remembered.failures == 0;
        if empty {
            lock(&self.passes).remove(uid);
        } else {
            lock(&self.passes).insert(uid.to_owned(), remembered);
        }
    }
}

/// The revision of an object. API servers count them up; where one does not, nothing depends on it.
fn revision<K: Resource>(object: &K) -> Option<u64> {
    object.resource_version()?.parse().ok()
}

/// Since when a grant's references have not resolved.
#[must_use]
pub fn unresolved_since<K: Grant>(grant: &K) -> Option<DateTime<Utc>> {
    let status = grant.status()?;
    let condition = super::status::find_condition(
        status,
        crate::api::conditions::ConditionType::ReferencesResolved,
    )?;
    (condition.status == "False").then(|| since(condition))
}
