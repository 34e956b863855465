//! `PimPolicy` among the kinds that the operator runs a controller for, and what other kinds and tenants want to know of its
//! objects.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex},
};

use chrono::{DateTime, Utc};
use futures::{StreamExt, future::BoxFuture};
use kube::{
    ResourceExt,
    core::DeserializeGuard,
    runtime::{
        Controller, WatchStreamExt,
        controller::Config,
        predicates,
        reflector::{self, Store, store::Writer},
        utils::{Predicate, PredicateConfig},
    },
};
use tokio::sync::OnceCell;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;

use crate::{
    api::{conditions::ConditionType, guid::Guid, pim_policy::PimPolicy, terms::ManagementPolicy},
    controller::{
        authority::Holder,
        context::{Context, Memory},
        first_list::{Filled, FirstList},
        grant::{NaturalKey, ObjectKey, Target},
        kinds::{Kind, drain, watch},
        metrics::Measures,
        objects::{Census, Objects, UNREADABLE, reason_label},
        registry::Claim,
        several::in_namespaces,
    },
    pim::permissions::{Usage, Use},
};

use super::{
    KIND,
    reconcile::{PolicyReconciler, after_error, reconcile},
    report::find,
};

/// The store of policies, and what fills it.
pub(in crate::controller) struct PolicyKind {
    store: Store<DeserializeGuard<PimPolicy>>,
    writer: Writer<DeserializeGuard<PimPolicy>>,
    filled: Filled,
    read: FirstList,
}

impl PolicyKind {
    /// Nothing read yet.
    pub(in crate::controller) fn boxed() -> Box<dyn Kind> {
        let (store, writer) = reflector::store();
        let (filled, read) = FirstList::unread();
        Box::new(Self {
            store,
            writer,
            filled,
            read,
        })
    }
}

impl Kind for PolicyKind {
    fn objects(&self) -> Arc<dyn Objects> {
        Arc::new(StoredPolicies(self.store.clone()))
    }

    fn first_list(&self) -> FirstList {
        self.read.clone()
    }

    fn controller(
        self: Box<Self>,
        context: &Arc<Context>,
        watch_namespaces: &[String],
        stop: &CancellationToken,
    ) -> BoxFuture<'static, ()> {
        let Self {
            store,
            writer,
            filled,
            read,
        } = *self;
        let reconciler = Arc::new(PolicyReconciler {
            context: Arc::clone(context),
            store: store.clone(),
            first_list: read.clone(),
            memory: Memory::default(),
            passes: Mutex::new(HashMap::new()),
            primed: OnceCell::new(),
        });
        let gone = Arc::clone(&reconciler);
        let on_delete = move |guard: &DeserializeGuard<PimPolicy>| {
            let key = ObjectKey::of(KIND, guard);
            gone.forget(&key, &guard.uid().unwrap_or_default());
        };
        let stream = watch(
            in_namespaces(&context.client, watch_namespaces),
            (store.clone(), (writer, filled)),
            KIND,
            context,
            on_delete,
        )
        .predicate_filter(
            predicates::generation.combine(predicates::annotations),
            PredicateConfig::default(),
        );
        let triggers = UnboundedReceiverStream::new(context.wakeups.triggers(KIND))
            .map(|key: ObjectKey| key.object_ref());
        let run = Controller::for_stream(stream, store)
            // Each tenant has a bound of its own.
            .with_config(Config::default().concurrency(0))
            .reconcile_on(triggers)
            .graceful_shutdown_on(stop.clone().cancelled_owned())
            .run(reconcile, after_error, reconciler);
        Box::pin(drain(run, read, stop.clone()))
    }
}

/// The policies, by their store.
struct StoredPolicies(Store<DeserializeGuard<PimPolicy>>);

impl StoredPolicies {
    fn of(&self, tenant: &str) -> Vec<Arc<DeserializeGuard<PimPolicy>>> {
        let mut all = self.0.state();
        all.retain(|guard| {
            let policy = guard.0.as_ref();
            policy.is_ok_and(|policy| policy.spec.tenant_ref.name == tenant)
        });
        all
    }
}

impl Objects for StoredPolicies {
    fn of_tenant(&self, tenant: &str) -> Vec<ObjectKey> {
        let all = self.of(tenant);
        let keys = all.iter().map(|guard| ObjectKey::of(KIND, guard.as_ref()));
        keys.collect()
    }

    fn all(&self) -> Vec<ObjectKey> {
        let all = self.0.state();
        let keys = all.iter().map(|guard| ObjectKey::of(KIND, guard.as_ref()));
        keys.collect()
    }

    /// A policy claims no grant.
    fn claims(&self) -> Vec<(NaturalKey, Claim)> {
        Vec::new()
    }

    fn uids(&self) -> Vec<String> {
        let all = self.0.state();
        all.iter().filter_map(|guard| guard.uid()).collect()
    }

    /// A policy holds no grant.
    fn holders(&self) -> Vec<(String, Holder)> {
        Vec::new()
    }

    fn denied_in(&self, namespace: &str) -> Vec<ObjectKey> {
        let denied = |policy: &PimPolicy| {
            let status = policy.status.as_ref();
            let authorized = status.and_then(|status| find(status, ConditionType::Authorized));
            policy.namespace().as_deref() == Some(namespace)
                && authorized.is_some_and(|condition| condition.status != "True")
        };
        let all = self.0.state();
        all.iter()
            .filter_map(|guard| guard.0.as_ref().ok())
            .filter(|policy| denied(policy))
            .map(|policy| ObjectKey::of(KIND, policy))
            .collect()
    }

    fn unresolved_ids(&self, tenant: &str) -> HashSet<Guid> {
        let all = self.of(tenant);
        let unresolved = all.iter().filter_map(|guard| guard.0.as_ref().ok());
        unresolved
            .filter(|policy| {
                let status = policy.status.as_ref();
                status.is_none_or(|status| status.resolved.is_none())
            })
            .flat_map(directory_ids)
            .collect()
    }

    fn managed(&self, _: &str, _: DateTime<Utc>, _: &dyn Fn(&str) -> Option<bool>) -> usize {
        0
    }

    /// A policy is in no list of schedules.
    fn targets(&self, _: &str) -> HashSet<Target> {
        HashSet::new()
    }

    fn uid(&self, object: &ObjectKey) -> Option<String> {
        (object.kind == KIND)
            .then(|| self.0.get(&object.object_ref()))?
            .and_then(|found| found.uid())
    }

    fn measure(&self, tenants: &BTreeSet<String>, _: DateTime<Utc>, measures: &mut Measures) {
        for guard in self.0.state() {
            let Ok(policy) = &guard.0 else {
                measures.count(KIND, String::new(), UNREADABLE);
                continue;
            };
            let tenant = tenants.get(&policy.spec.tenant_ref.name).cloned();
            let status = policy.status.as_ref();
            let ready = status.and_then(|status| find(status, ConditionType::Ready));
            let reason = reason_label(ready.map(|ready| ready.reason.as_str()));
            measures.count(KIND, tenant.unwrap_or_default(), reason);
        }
    }

    fn count(&self, tenant: &str, census: &mut Census) {
        for guard in self.of(tenant) {
            let Ok(policy) = &guard.0 else { continue };
            let status = policy.status.as_ref();
            let ready = status.and_then(|status| find(status, ConditionType::Ready));
            let reason = ready.map(|ready| ready.reason.clone()).unwrap_or_default();
            *census.reasons.entry(reason).or_default() += 1;
            note_uses(policy, &mut census.usage);
        }
    }
}

/// The ids of directory objects that a policy names.
fn directory_ids(policy: &PimPolicy) -> Vec<Guid> {
    let group = policy.spec.target.group.as_ref();
    let approval = policy
        .spec
        .rules
        .activation
        .as_ref()
        .and_then(|activation| activation.approval.as_ref());
    let approvers = approval.and_then(|approval| approval.approvers.as_deref());
    let approvers = approvers.unwrap_or_default().iter();
    let group = group.and_then(|group| group.id.clone());
    let all = group.into_iter();
    all.chain(approvers.filter_map(|one| one.id.clone()))
        .collect()
}

/// What one policy makes the operator do in its tenant.
fn note_uses(policy: &PimPolicy, usage: &mut Usage) {
    let spec = &policy.spec;
    let reads_only = spec.management_policy == ManagementPolicy::Observe || spec.suspend;
    match (spec.target.group.is_some(), reads_only) {
        (true, true) => usage.add(Use::ReadGroupPolicies),
        (true, false) => usage.add(Use::WriteGroupPolicies),
        (false, true) => usage.add(Use::ReadRolePolicies),
        (false, false) => usage.add(Use::WriteRolePolicies),
    }
    if spec.target.group.is_some() {
        usage.add(Use::Groups);
        // Before anything is written, the operator reads which groups it is in itself.
        usage.add(Use::ServicePrincipals);
    } else {
        usage.add(Use::Roles);
    }
    let activation = spec.rules.activation.as_ref();
    let approval = activation.and_then(|activation| activation.approval.as_ref());
    let approvers = approval.and_then(|approval| approval.approvers.as_deref());
    for approver in approvers.unwrap_or_default() {
        if approver.group_display_name.is_some() {
            usage.add(Use::Groups);
        } else {
            usage.add(Use::Users);
        }
    }
    let context = activation.and_then(|activation| activation.authentication_context.as_ref());
    if context.is_some_and(|context| context.claim_value.is_some()) {
        usage.add(Use::AuthenticationContexts);
    }
    if !directory_ids(policy).is_empty() {
        usage.add(Use::ObjectIds);
    }
}
