//! What every reconcile shares.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::PathBuf,
    sync::{Arc, Mutex},
};

use chrono::{DateTime, Utc};
use kube::{Client, ResourceExt, core::DeserializeGuard, runtime::reflector::Store};
use tokio_util::sync::CancellationToken;

use crate::{
    api::{
        conditions::ConditionType,
        guid::Guid,
        status::{GrantStatus, LastRequest},
        terms::ManagementPolicy,
    },
    graph::{RetryLimits, ScheduleKind, Timeouts},
    pim::{
        observed::Action,
        permissions::{Usage, Use},
    },
};

use super::{
    authority::{Authority, Holder},
    clock::Clock,
    events::Events,
    first_list::FirstList,
    grant::{Grant, ObjectKey, Target},
    lanes::Lanes,
    metrics::Metrics,
    origin::Origins,
    pass::is_held,
    registry::{Claim, Registry},
    removals::Removals,
    status::{find_condition, since},
    tenants::Tenants,
    wakeups::{Wakeups, lock},
};

/// Shared by all kinds.
pub struct Context {
    /// The Kubernetes client.
    pub client: Client,
    /// The operator's own namespace: where tenants' Secrets live.
    pub namespace: String,
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

/// The objects of one kind, as far as other kinds and tenants care.
pub trait Objects: Send + Sync {
    /// The objects that name a tenant.
    fn of_tenant(&self, tenant: &str) -> Vec<ObjectKey>;
    /// Every object.
    fn all(&self) -> Vec<ObjectKey>;
    /// The uid of every object.
    fn uids(&self) -> Vec<String>;
    /// The objects that hold a grant, or may: they are held by our finalizer, or their status says so. With their namespace.
    fn holders(&self) -> Vec<(String, Holder)>;
    /// The objects of a namespace that are not authorised.
    fn denied_in(&self, namespace: &str) -> Vec<ObjectKey>;
    /// The directory ids that a tenant's unresolved objects name.
    fn unresolved_ids(&self, tenant: &str) -> HashSet<Guid>;
    /// How many of a tenant's grants are managed now, without those that `is_revoked` knows of by their uid.
    fn managed(&self, tenant: &str, now: DateTime<Utc>, is_revoked: &dyn Fn(&str) -> bool)
    -> usize;
    /// The lists that a tenant's objects declare something in, as far as their references are resolved.
    fn targets(&self, tenant: &str) -> HashSet<Target>;
    /// The uid of an object, if it is of this kind and exists.
    fn uid(&self, object: &ObjectKey) -> Option<String>;
    /// Counts a tenant's objects and what they make the operator do.
    fn count(&self, tenant: &str, census: &mut Census);
}

/// What there is in a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Objects by the reason of their `Ready`; an empty reason for those that have none yet.
    pub reasons: BTreeMap<String, u32>,
    /// What they make the operator do.
    pub usage: Usage,
}

/// A reflector store of grants. A guard around each object keeps one that cannot be read from silencing the rest.
pub type GrantStore<K> = Store<DeserializeGuard<K>>;

/// The objects of a kind, by their store.
pub struct StoredObjects<K: Grant>(pub GrantStore<K>);

impl<K: Grant> Objects for StoredObjects<K> {
    fn of_tenant(&self, tenant: &str) -> Vec<ObjectKey> {
        let names_tenant = |grant: &K| grant.terms().tenant_ref.name == tenant;
        let state = self.0.state();
        let readable = state.iter().filter_map(|guard| guard.0.as_ref().ok());
        readable
            .filter(|grant| names_tenant(grant))
            .map(|grant| ObjectKey::of(K::KIND, grant))
            .collect()
    }

    fn all(&self) -> Vec<ObjectKey> {
        let state = self.0.state();
        let key = |guard: &Arc<DeserializeGuard<K>>| ObjectKey::of(K::KIND, guard.as_ref());
        state.iter().map(key).collect()
    }

    fn uids(&self) -> Vec<String> {
        let state = self.0.state();
        state.iter().filter_map(|guard| guard.uid()).collect()
    }

    fn holders(&self) -> Vec<(String, Holder)> {
        let state = self.0.state();
        let holds = |grant: &&K| {
            let recorded = grant
                .status()
                .is_some_and(|status| status.created_via.is_some());
            recorded || is_held(*grant)
        };
        state
            .iter()
            .filter_map(|guard| guard.0.as_ref().ok())
            .filter(holds)
            .map(|grant| (grant.namespace().unwrap_or_default(), Holder::of(grant)))
            .collect()
    }

    fn denied_in(&self, namespace: &str) -> Vec<ObjectKey> {
        let state = self.0.state();
        let denied = |grant: &&K| {
            let authorized = grant
                .status()
                .and_then(|status| find_condition(status, ConditionType::Authorized));
            grant.namespace().as_deref() == Some(namespace)
                && authorized.is_some_and(|condition| condition.status != "True")
        };
        state
            .iter()
            .filter_map(|guard| guard.0.as_ref().ok())
            .filter(denied)
            .map(|grant| ObjectKey::of(K::KIND, grant))
            .collect()
    }

    fn unresolved_ids(&self, tenant: &str) -> HashSet<Guid> {
        let is_unresolved = |grant: &&K| {
            grant.terms().tenant_ref.name == tenant
                && grant
                    .status()
                    .is_none_or(|status| status.resolved.is_none())
        };
        let state = self.0.state();
        let readable = state.iter().filter_map(|guard| guard.0.as_ref().ok());
        readable
            .filter(is_unresolved)
            .flat_map(|grant| [&grant.target().group.id, &grant.terms().principal.id])
            .flatten()
            .cloned()
            .collect()
    }

    fn managed(
        &self,
        tenant: &str,
        now: DateTime<Utc>,
        is_revoked: &dyn Fn(&str) -> bool,
    ) -> usize {
        let counts = |grant: &&K| {
            grant.terms().tenant_ref.name == tenant
                && grant.terms().management_policy == ManagementPolicy::Manage
                && grant.status().is_some_and(|status| manages(status, now))
                && !grant.meta().uid.as_deref().is_some_and(is_revoked)
        };
        let state = self.0.state();
        let readable = state.iter().filter_map(|guard| guard.0.as_ref().ok());
        readable.filter(counts).count()
    }

    fn targets(&self, tenant: &str) -> HashSet<Target> {
        let state = self.0.state();
        let readable = state.iter().filter_map(|guard| guard.0.as_ref().ok());
        readable
            .filter(|grant| grant.terms().tenant_ref.name == tenant)
            .filter_map(|grant| grant.status()?.resolved.as_ref())
            .map(|resolved| Target {
                schedules: K::SCHEDULES,
                group: resolved.group_id.clone(),
            })
            .collect()
    }

    fn count(&self, tenant: &str, census: &mut Census) {
        for guard in self.0.state() {
            let Ok(grant) = &guard.0 else { continue };
            if grant.terms().tenant_ref.name != tenant {
                continue;
            }
            let ready = grant.status().and_then(|status| {
                super::status::find_condition(status, crate::api::conditions::ConditionType::Ready)
            });
            let reason = ready.map(|ready| ready.reason.clone()).unwrap_or_default();
            *census.reasons.entry(reason).or_default() += 1;
            note_uses(grant, &mut census.usage);
        }
    }

    fn uid(&self, object: &ObjectKey) -> Option<String> {
        (object.kind == K::KIND)
            .then(|| self.0.get(&object.object_ref()))?
            .and_then(|found| found.uid())
    }
}

/// Whether a status says that the operator manages access which is not over and not about to be revoked.
fn manages(status: &GrantStatus, now: DateTime<Utc>) -> bool {
    let over = |end: DateTime<Utc>| end <= now;
    let schedule = status.schedule.as_ref();
    let revoked = status.last_request.as_ref().is_some_and(|last| {
        Action::read(&last.action).is_some_and(Action::is_removal) && last.error.is_none()
    });
    status.created_via.is_some()
        && !schedule
            .and_then(|schedule| schedule.end_date_time)
            .is_some_and(over)
        && !revoked
}

/// What one grant makes the operator do in its tenant.
fn note_uses<K: Grant>(grant: &K, usage: &mut Usage) {
    let terms = grant.terms();
    let reads_only = terms.management_policy == ManagementPolicy::Observe || terms.suspend;
    usage.add(match (K::SCHEDULES, reads_only) {
        (ScheduleKind::Eligibility, true) => Use::ReadEligibilities,
        (ScheduleKind::Eligibility, false) => Use::WriteEligibilities,
        (ScheduleKind::Assignment, true) => Use::ReadAssignments,
        (ScheduleKind::Assignment, false) => Use::WriteAssignments,
    });
    usage.add(Use::Groups);
    let principal = &terms.principal;
    if principal.user_principal_name.is_some() || principal.id.is_some() {
        usage.add(Use::Users);
    }
    // Before anything is written, the operator reads which groups it is in itself.
    if principal.service_principal_app_id.is_some() || principal.id.is_some() || !reads_only {
        usage.add(Use::ServicePrincipals);
    }
    if principal.id.is_some() || grant.target().group.id.is_some() {
        usage.add(Use::ObjectIds);
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
    pub answer: Option<Answer>,
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
    pub fn note_written<K: Grant>(&self, object: &K) {
        if let (Some(uid), Some(revision)) = (object.uid(), revision(object)) {
            lock(&self.written).insert(uid, revision);
        }
    }

    /// Whether a copy from the store is from before our own last write. Whatever is decided on it would be refused as a conflict.
    #[must_use]
    pub fn is_behind<K: Grant>(&self, copy: &K) -> bool {
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
            .filter_map(|(uid, remembered)| Some((uid.clone(), remembered.answer.clone()?)))
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
fn revision<K: Grant>(object: &K) -> Option<u64> {
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
