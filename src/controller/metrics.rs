//! Prometheus metrics. Labels are bounded: kinds, reasons, endpoint classes and tenants, never an object's name or a message.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::{DateTime, Utc};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::ConstGauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use crate::graph::{EndpointClass, GraphObserver, Outcome};

use super::{clock::Clock, grant::ObjectKey, wakeups::lock};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindResult {
    kind: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Write {
    kind: &'static str,
    action: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Denied {
    kind: &'static str,
    clause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Drift {
    tenant: String,
    rule: String,
    from: String,
    to: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GraphCall {
    tenant: String,
    endpoint: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TenantLabel {
    tenant: String,
}

/// All metrics of the operator.
pub struct Metrics {
    registry: Mutex<Registry>,
    reconciles: Family<KindResult, Counter>,
    durations: Family<Kind, Histogram, fn() -> Histogram>,
    unreadable: Family<Kind, Counter>,
    writes: Family<Write, Counter>,
    watch_errors: Family<Kind, Counter>,
    denials: Family<Denied, Counter>,
    drifts: Family<Drift, Counter>,
    graph: Arc<GraphMetrics>,
    states: Arc<States>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// States of objects and tenants, counted when they are asked for, so that no series outlives its object.
struct States {
    clock: Arc<dyn Clock>,
    objects: Mutex<HashMap<ObjectKey, &'static str>>,
    reads: Mutex<HashMap<String, DateTime<Utc>>>,
    guards: Mutex<HashMap<String, bool>>,
    throttles: Mutex<HashMap<String, (u64, DateTime<Utc>)>>,
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("States")
    }
}

#[derive(Debug, Default)]
struct GraphMetrics {
    calls: Family<GraphCall, Counter>,
    seconds: Family<TenantLabel, Counter<f64, std::sync::atomic::AtomicU64>>,
    throttled: Family<TenantLabel, Counter<f64, std::sync::atomic::AtomicU64>>,
}

fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 4.0, 9))
}

impl Metrics {
    /// All zero.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let mut registry = Registry::with_prefix("entrapim");
        let metrics = Self {
            reconciles: Family::default(),
            durations: Family::new_with_constructor(histogram as fn() -> Histogram),
            unreadable: Family::default(),
            writes: Family::default(),
            watch_errors: Family::default(),
            denials: Family::default(),
            drifts: Family::default(),
            graph: Arc::default(),
            states: Arc::new(States {
                clock,
                objects: Mutex::default(),
                reads: Mutex::default(),
                guards: Mutex::default(),
                throttles: Mutex::default(),
            }),
            registry: Mutex::new(Registry::default()),
        };
        registry.register(
            "reconcile",
            "Passes over objects, by kind and result",
            metrics.reconciles.clone(),
        );
        registry.register_with_unit(
            "reconcile_duration",
            "Length of a pass",
            Unit::Seconds,
            metrics.durations.clone(),
        );
        registry.register(
            "unreadable_objects",
            "Passes over objects that this version cannot read",
            metrics.unreadable.clone(),
        );
        registry.register(
            "schedule_requests",
            "Requests sent to change Entra",
            metrics.writes.clone(),
        );
        registry.register(
            "watch_errors",
            "Errors of Kubernetes watches",
            metrics.watch_errors.clone(),
        );
        registry.register(
            "boundary_denials",
            "Objects that came to be denied, by kind and the clause that stood first in the way",
            metrics.denials.clone(),
        );
        registry.register(
            "policy_drifts",
            "Rules of PIM policies that somebody changed in Entra and that were restored",
            metrics.drifts.clone(),
        );
        registry.register(
            "graph_requests",
            "Calls to Graph, each item of a batch counted",
            metrics.graph.calls.clone(),
        );
        registry.register_with_unit(
            "graph_request_duration",
            "Time spent in calls to Graph",
            Unit::Seconds,
            metrics.graph.seconds.clone(),
        );
        registry.register_with_unit(
            "graph_throttle_wait",
            "Time spent waiting because Graph asked to",
            Unit::Seconds,
            metrics.graph.throttled.clone(),
        );
        registry.register_collector(Box::new(StatesCollector(Arc::clone(&metrics.states))));
        *lock(&metrics.registry) = registry;
        Arc::new(metrics)
    }

    /// A pass ended.
    pub fn reconciled(&self, kind: &'static str, ok: bool, took: Duration) {
        let result = if ok { "success" } else { "error" };
        self.reconciles
            .get_or_create(&KindResult { kind, result })
            .inc();
        self.durations
            .get_or_create(&Kind { kind })
            .observe(took.as_secs_f64());
    }

    /// An object could not be read.
    pub fn unreadable(&self, kind: &'static str) {
        self.unreadable.get_or_create(&Kind { kind }).inc();
    }

    /// A watch failed and is tried again.
    pub fn watch_error(&self, kind: &'static str) {
        self.watch_errors.get_or_create(&Kind { kind }).inc();
    }

    /// An object came to be denied.
    pub fn denied(&self, kind: &'static str, clause: &'static str) {
        self.denials.get_or_create(&Denied { kind, clause }).inc();
    }

    /// A rule of a policy was changed by somebody else, and restored.
    pub fn policy_drift(&self, tenant: &str, rule: &str, from: &str, to: &str) {
        let drift = Drift {
            tenant: tenant.to_owned(),
            rule: rule.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
        };
        self.drifts.get_or_create(&drift).inc();
    }

    /// A request was sent to change Entra.
    pub fn write(&self, kind: &'static str, action: &'static str, ok: bool) {
        let result = if ok { "accepted" } else { "refused" };
        self.writes
            .get_or_create(&Write {
                kind,
                action,
                result,
            })
            .inc();
    }

    /// An object's state; none when it is gone.
    pub fn object(&self, key: &ObjectKey, reason: Option<&str>) {
        // Reasons come from one enum, so this never grows: find the static spelling.
        let spelling = reason.map(|reason| {
            crate::api::conditions::Reason::read(reason)
                .map_or("Unknown", crate::api::conditions::Reason::as_str)
        });
        match spelling {
            Some(spelling) => lock(&self.states.objects).insert(key.clone(), spelling),
            None => lock(&self.states.objects).remove(key),
        };
    }

    /// Every target of a tenant was read.
    pub fn complete_read(&self, tenant: &str, at: DateTime<Utc>) {
        lock(&self.states.reads).insert(tenant.to_owned(), at);
    }

    /// Whether a tenant's removal guard has tripped.
    pub fn removal_guard(&self, tenant: &str, tripped: bool) {
        lock(&self.states.guards).insert(tenant.to_owned(), tripped);
    }

    /// An observer for a tenant's Graph client.
    #[must_use]
    pub fn graph_observer(&self, tenant: &str) -> Arc<dyn GraphObserver> {
        Arc::new(TenantObserver {
            tenant: tenant.to_owned(),
            metrics: Arc::clone(&self.graph),
            states: Arc::clone(&self.states),
        })
    }

    /// How often Graph throttled a tenant's calls, and when it did last; none if it never did.
    #[must_use]
    pub fn throttles(&self, tenant: &str) -> Option<(u64, DateTime<Utc>)> {
        lock(&self.states.throttles).get(tenant).copied()
    }

    /// All metrics in the OpenMetrics text format.
    ///
    /// # Errors
    /// Never in practice: writing to a string does not fail.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &lock(&self.registry))?;
        Ok(text)
    }
}

#[derive(Debug)]
struct StatesCollector(Arc<States>);

impl Collector for StatesCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let mut counts: HashMap<(&'static str, &'static str), i64> = HashMap::new();
        for (key, reason) in lock(&self.0.objects).iter() {
            *counts.entry((key.kind, reason)).or_default() += 1;
        }
        let name = "objects";
        let mut family = encoder.encode_descriptor(
            name,
            "Objects by kind and reason of their Ready condition",
            None,
            prometheus_client::metrics::MetricType::Gauge,
        )?;
        for ((kind, reason), count) in counts {
            ConstGauge::new(count)
                .encode(family.encode_family(&[("kind", kind), ("reason", reason)])?)?;
        }
        let mut family = encoder.encode_descriptor(
            "snapshot_age",
            "Time since everything declared in a tenant was last read completely",
            Some(&Unit::Seconds),
            prometheus_client::metrics::MetricType::Gauge,
        )?;
        let now = self.0.clock.now();
        for (tenant, at) in lock(&self.0.reads).iter() {
            ConstGauge::new((now - *at).num_seconds())
                .encode(family.encode_family(&[("tenant", tenant.as_str())])?)?;
        }
        let mut family = encoder.encode_descriptor(
            "removal_guard_tripped",
            "Whether the removal guard of a tenant holds revocations until somebody acknowledges them",
            None,
            prometheus_client::metrics::MetricType::Gauge,
        )?;
        for (tenant, tripped) in lock(&self.0.guards).iter() {
            ConstGauge::new(i64::from(*tripped))
                .encode(family.encode_family(&[("tenant", tenant.as_str())])?)?;
        }
        Ok(())
    }
}

#[derive(Debug)]
struct TenantObserver {
    tenant: String,
    metrics: Arc<GraphMetrics>,
    states: Arc<States>,
}

impl GraphObserver for TenantObserver {
    fn call(&self, class: EndpointClass, outcome: Outcome, elapsed: Duration) {
        let tenant = self.tenant.clone();
        if outcome == Outcome::Throttled {
            let now = self.states.clock.now();
            let mut throttles = lock(&self.states.throttles);
            let (count, last) = throttles.entry(tenant.clone()).or_insert((0, now));
            *count += 1;
            *last = now;
        }
        let call = GraphCall {
            tenant: tenant.clone(),
            endpoint: class.as_str(),
            outcome: outcome.as_str(),
        };
        self.metrics.calls.get_or_create(&call).inc();
        self.metrics
            .seconds
            .get_or_create(&TenantLabel { tenant })
            .inc_by(elapsed.as_secs_f64());
    }

    fn throttled(&self, waited: Duration) {
        let tenant = self.tenant.clone();
        self.metrics
            .throttled
            .get_or_create(&TenantLabel { tenant })
            .inc_by(waited.as_secs_f64());
    }
}
