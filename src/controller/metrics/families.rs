//! What is counted as it happens.

use std::{
    collections::{BTreeSet, HashSet},
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, atomic::AtomicU64},
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeMetric},
    metrics::{
        TypedMetric,
        counter::Counter,
        family::{Family, MetricConstructor},
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

use crate::controller::wakeups::lock;

use super::SECONDS;

/// The kinds whose watches are counted.
const WATCHED: [&str; 9] = [
    "EntraTenant",
    "GrantBoundary",
    "GroupAssignment",
    "GroupEligibility",
    "Namespace",
    "PimPolicy",
    "RoleAssignment",
    "RoleEligibility",
    "Secret",
];
/// The kinds that are reconciled in turns.
pub(in crate::controller) const KINDS: [&str; 5] = [
    "GroupAssignment",
    "GroupEligibility",
    "PimPolicy",
    "RoleAssignment",
    "RoleEligibility",
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct KindResult {
    kind: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Kind {
    pub(super) kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Write {
    kind: &'static str,
    action: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Denied {
    kind: &'static str,
    clause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct PolicyDrift {
    pub(super) tenant: String,
    pub(super) rule: &'static str,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) direction: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct GrantDrift {
    pub(super) tenant: String,
    pub(super) kind: &'static str,
    pub(super) drift: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct GraphCall {
    pub(super) tenant: String,
    pub(super) endpoint: &'static str,
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct GraphEndpoint {
    pub(super) tenant: String,
    pub(super) endpoint: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct TenantLabel {
    pub(super) tenant: String,
}

/// Labels that name a tenant.
pub(super) trait OfTenant {
    fn tenant(&self) -> &str;
}

macro_rules! of_tenant {
    ($($labels:ty),+) => {
        $(impl OfTenant for $labels {
            fn tenant(&self) -> &str {
                &self.tenant
            }
        })+
    };
}
of_tenant!(
    PolicyDrift,
    GrantDrift,
    GraphCall,
    GraphEndpoint,
    TenantLabel
);

type Seconds = Counter<f64, AtomicU64>;
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// A family whose series go with their tenant. The family itself does not tell which labels it has.
#[derive(Clone)]
pub(super) struct PerTenant<L, M, C = fn() -> M> {
    family: Family<L, M, C>,
    touched: Arc<Mutex<HashSet<L>>>,
}

impl<L, M, C> fmt::Debug for PerTenant<L, M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PerTenant")
    }
}

impl<L, M, C> PerTenant<L, M, C>
where
    L: OfTenant + Clone + Hash + Eq,
    C: MetricConstructor<M>,
{
    fn new(constructor: C) -> Self {
        Self {
            family: Family::new_with_constructor(constructor),
            touched: Arc::default(),
        }
    }

    /// Changes one series.
    pub(super) fn with(&self, labels: &L, change: impl FnOnce(&M)) {
        // Held until the series is there: whoever forgets meanwhile forgets both or neither.
        let mut touched = lock(&self.touched);
        if !touched.contains(labels) {
            touched.insert(labels.clone());
        }
        change(&*self.family.get_or_create(labels));
    }

    /// Has a series be there, as it is.
    pub(super) fn touch(&self, labels: &L) {
        self.with(labels, |_| {});
    }

    fn retain(&self, known: &BTreeSet<String>) {
        lock(&self.touched).retain(|labels| {
            let stays = known.contains(labels.tenant());
            if !stays {
                self.family.remove(labels);
            }
            stays
        });
    }
}

impl<L: OfTenant + Clone + Hash + Eq> PerTenant<L, Counter> {
    /// Counts one more.
    pub(super) fn count(&self, labels: &L) {
        self.with(labels, |metric| {
            metric.inc();
        });
    }
}

/// The families. Clones count into the same ones.
#[derive(Clone, Debug)]
pub(super) struct Families {
    reconciles: Family<KindResult, Counter>,
    durations: Histograms<Kind>,
    unreadable: Family<Kind, Counter>,
    writes: Family<Write, Counter>,
    watch_errors: Family<Kind, Counter>,
    denials: Family<Denied, Counter>,
    pub(super) policy_drifts: PerTenant<PolicyDrift, Counter>,
    pub(super) grant_drifts: PerTenant<GrantDrift, Counter>,
    pub(super) calls: PerTenant<GraphCall, Counter>,
    pub(super) graph_durations: PerTenant<GraphEndpoint, Histogram>,
    pub(super) throttled: PerTenant<TenantLabel, Seconds>,
}

fn pass_lengths() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 4.0, 9))
}

/// From what a healthy Graph takes to what the client waits for at most.
fn call_lengths() -> Histogram {
    Histogram::new([0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
}

impl Default for Families {
    fn default() -> Self {
        Self {
            reconciles: Family::default(),
            durations: Family::new_with_constructor(pass_lengths as fn() -> Histogram),
            unreadable: Family::default(),
            writes: Family::default(),
            watch_errors: Family::default(),
            denials: Family::default(),
            policy_drifts: PerTenant::new(Counter::default as fn() -> Counter),
            grant_drifts: PerTenant::new(Counter::default as fn() -> Counter),
            calls: PerTenant::new(Counter::default as fn() -> Counter),
            graph_durations: PerTenant::new(call_lengths as fn() -> Histogram),
            throttled: PerTenant::new(Seconds::default as fn() -> Seconds),
        }
    }
}

impl Families {
    /// Has what should never rise be there from the start: a counter that begins with one has not risen.
    pub(super) fn begin(&self) {
        for kind in WATCHED {
            drop(self.watch_errors.get_or_create(&Kind { kind }));
        }
        for kind in KINDS {
            drop(self.unreadable.get_or_create(&Kind { kind }));
        }
    }

    /// Has a registry show them.
    pub(super) fn register(&self, registry: &mut Registry) {
        fn add<L, M, C>(registry: &mut Registry, name: &str, help: &str, family: &Family<L, M, C>)
        where
            L: EncodeLabelSet + Clone + Hash + Eq + fmt::Debug + Send + Sync + 'static,
            M: EncodeMetric + TypedMetric + fmt::Debug + Send + Sync + 'static,
            C: MetricConstructor<M> + Clone + Send + Sync + 'static,
            Family<L, M, C>: fmt::Debug,
        {
            registry.register(name, help, family.clone());
        }
        add(
            registry,
            "reconcile",
            "Passes over objects, by kind and result",
            &self.reconciles,
        );
        registry.register_with_unit(
            "reconcile_duration",
            "Length of a pass",
            SECONDS,
            self.durations.clone(),
        );
        add(
            registry,
            "unreadable_objects",
            "Passes over objects that this version cannot read",
            &self.unreadable,
        );
        add(
            registry,
            "schedule_requests",
            "Requests sent to change Entra",
            &self.writes,
        );
        add(
            registry,
            "watch_errors",
            "Errors of Kubernetes watches",
            &self.watch_errors,
        );
        add(
            registry,
            "boundary_denials",
            "Objects that came to be denied, by kind and the clause that stood first in the way",
            &self.denials,
        );
        add(
            registry,
            "policy_drifts",
            "Rules of PIM policies that somebody changed in Entra and that were restored",
            &self.policy_drifts.family,
        );
        add(
            registry,
            "grant_drifts",
            "Requests that undo what somebody did to a grant in Entra",
            &self.grant_drifts.family,
        );
        add(
            registry,
            "graph_requests",
            "Calls to Graph, each item of a batch counted",
            &self.calls.family,
        );
        registry.register_with_unit(
            "graph_request_duration",
            "Length of calls to Graph",
            SECONDS,
            self.graph_durations.family.clone(),
        );
        registry.register_with_unit(
            "graph_throttle_wait",
            "Time spent waiting because Graph asked to",
            SECONDS,
            self.throttled.family.clone(),
        );
    }

    /// Drops the series of all tenants but these.
    pub(super) fn retain(&self, known: &BTreeSet<String>) {
        self.policy_drifts.retain(known);
        self.grant_drifts.retain(known);
        self.calls.retain(known);
        self.graph_durations.retain(known);
        self.throttled.retain(known);
    }

    pub(super) fn reconciled(&self, kind: &'static str, ok: bool, took: Duration) {
        let result = if ok { "success" } else { "error" };
        let labels = KindResult { kind, result };
        self.reconciles.get_or_create(&labels).inc();
        let length = self.durations.get_or_create(&Kind { kind });
        length.observe(took.as_secs_f64());
    }

    pub(super) fn unreadable(&self, kind: &'static str) {
        self.unreadable.get_or_create(&Kind { kind }).inc();
    }

    pub(super) fn watch_error(&self, kind: &'static str) {
        self.watch_errors.get_or_create(&Kind { kind }).inc();
    }

    pub(super) fn denied(&self, kind: &'static str, clause: &'static str) {
        self.denials.get_or_create(&Denied { kind, clause }).inc();
    }

    pub(super) fn write(&self, kind: &'static str, action: &'static str, ok: bool) {
        let result = if ok { "accepted" } else { "refused" };
        let labels = Write {
            kind,
            action,
            result,
        };
        self.writes.get_or_create(&labels).inc();
    }
}
