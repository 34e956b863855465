//! Prometheus metrics, as `docs/metrics.md` describes them.
//!
//! Labels are bounded: kinds, reasons, classes of endpoints, rules and tenants; never an object's name, a principal or a message.
//! What happens is counted as it happens. What is so is counted when it is asked for ([`Source`]), so that no series outlives its
//! object; the counters of a tenant that is gone are dropped at the same moment.

mod families;
mod measures;
mod process;

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use prometheus_client::{
    encoding::{
        DescriptorEncoder, EncodeMetric,
        text::{encode_eof, encode_registry},
    },
    metrics::{MetricType, gauge::ConstGauge, info::Info},
    registry::{Registry, Unit},
};

use crate::{
    graph::{EndpointClass, GraphObserver, Outcome},
    pim::{
        plan::Why,
        policy::{Difference, Relation, describe},
    },
};

use super::{clock::Clock, wakeups::lock};
pub(super) use families::KINDS;
use families::{Families, GrantDrift, GraphCall, GraphEndpoint, PolicyDrift, TenantLabel};
pub use measures::{Access, Credential, Measures, Source, TenantMeasures};

/// The kinds of grants.
const GRANTS: [&str; 4] = [
    "GroupAssignment",
    "GroupEligibility",
    "RoleAssignment",
    "RoleEligibility",
];
/// What somebody else can do to a grant that the operator puts right.
const DRIFTS: [&str; 3] = ["altered", "outlived", "removed"];

/// All metrics of the operator.
pub struct Metrics {
    ours: Registry,
    process: Registry,
    families: Families,
    state: Arc<State>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// What is asked at a scrape, and the little that is remembered for it.
struct State {
    clock: Arc<dyn Clock>,
    leads: AtomicBool,
    source: Mutex<Option<std::sync::Weak<dyn Source>>>,
    throttles: Mutex<HashMap<String, (u64, DateTime<Utc>)>>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State")
    }
}

impl State {
    fn source(&self) -> Option<Arc<dyn Source>> {
        lock(&self.source).as_ref()?.upgrade()
    }
}

/// Leadership, for as long as it is held.
#[derive(Debug)]
pub struct Leading(Arc<State>);

impl Drop for Leading {
    fn drop(&mut self) {
        self.0.leads.store(false, Ordering::SeqCst);
    }
}

impl Metrics {
    /// All zero.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let state = Arc::new(State {
            clock,
            leads: AtomicBool::new(false),
            source: Mutex::default(),
            throttles: Mutex::default(),
        });
        let families = Families::default();
        let mut ours = Registry::with_prefix("entrapim");
        ours.register(
            "build",
            "The version of the operator",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        families.register(&mut ours);
        ours.register_collector(Box::new(Leader(Arc::clone(&state))));
        ours.register_collector(Box::new(Estate(Arc::clone(&state))));
        families.begin();
        let mut process = Registry::default();
        process.register_collector(Box::new(process::Process::default()));
        Arc::new(Self {
            ours,
            process,
            families,
            state,
        })
    }

    /// Counts what a source knows, for as long as it is there.
    pub fn follow(&self, source: &Arc<impl Source>) {
        let source: std::sync::Weak<dyn Source> = Arc::downgrade(source) as _;
        *lock(&self.state.source) = Some(source);
    }

    /// This process acts, for as long as what is returned is held.
    #[must_use]
    pub fn lead(&self) -> Leading {
        self.state.leads.store(true, Ordering::SeqCst);
        Leading(Arc::clone(&self.state))
    }

    /// A pass ended.
    pub fn reconciled(&self, kind: &'static str, ok: bool, took: Duration) {
        self.families.reconciled(kind, ok, took);
    }

    /// An object could not be read.
    pub fn unreadable(&self, kind: &'static str) {
        self.families.unreadable(kind);
    }

    /// A watch failed and is tried again.
    pub fn watch_error(&self, kind: &'static str) {
        self.families.watch_error(kind);
    }

    /// An object came to be denied.
    pub fn denied(&self, kind: &'static str, clause: &'static str) {
        self.families.denied(kind, clause);
    }

    /// A rule of a policy was changed by somebody else, and restored.
    pub fn policy_drift(&self, tenant: &str, drift: &Difference) {
        let direction = match drift.relation() {
            Relation::Tighter => "looser",
            Relation::Looser => "tighter",
            Relation::Equal | Relation::Mixed => "mixed",
        };
        self.families.policy_drifts.count(&PolicyDrift {
            tenant: tenant.to_owned(),
            rule: drift.rule.as_str(),
            from: describe::label(&drift.from),
            to: describe::label(&drift.to),
            direction,
        });
    }

    /// A request was sent to change Entra.
    pub fn write(&self, kind: &'static str, action: &'static str, ok: bool) {
        self.families.write(kind, action, ok);
    }

    /// A request that was taken undoes what somebody else did to a grant, if that is why it was sent.
    pub fn grant_drift(&self, tenant: &str, kind: &'static str, why: Why) {
        let drift = match why {
            Why::Removed => "removed",
            Why::Altered => "altered",
            Why::Outlived => "outlived",
            _ => return,
        };
        self.families.grant_drifts.count(&GrantDrift {
            tenant: tenant.to_owned(),
            kind,
            drift,
        });
    }

    /// An observer for a tenant's Graph client.
    #[must_use]
    pub fn graph_observer(&self, tenant: &str) -> Arc<dyn GraphObserver> {
        // What has not happened yet is zero: a counter that begins with one has not risen.
        for kind in GRANTS {
            for drift in DRIFTS {
                self.families.grant_drifts.touch(&GrantDrift {
                    tenant: tenant.to_owned(),
                    kind,
                    drift,
                });
            }
        }
        let label = TenantLabel {
            tenant: tenant.to_owned(),
        };
        self.families.throttled.touch(&label);
        Arc::new(TenantObserver {
            tenant: tenant.to_owned(),
            families: self.families.clone(),
            state: Arc::clone(&self.state),
        })
    }

    /// How often Graph throttled a tenant's calls, and when it did last; none if it never did.
    #[must_use]
    pub fn throttles(&self, tenant: &str) -> Option<(u64, DateTime<Utc>)> {
        lock(&self.state.throttles).get(tenant).copied()
    }

    /// All metrics in the OpenMetrics text format.
    ///
    /// # Errors
    /// Never in practice: writing to a string does not fail.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        if let Some(known) = self.state.source().and_then(|source| source.tenants()) {
            self.forget_others(&known);
        }
        let mut text = String::new();
        encode_registry(&mut text, &self.ours)?;
        encode_registry(&mut text, &self.process)?;
        encode_eof(&mut text)?;
        Ok(text)
    }

    /// Drops what is counted of tenants that are gone. A call that was under way when its tenant went may have counted after that.
    fn forget_others(&self, known: &BTreeSet<String>) {
        self.families.retain(known);
        lock(&self.state.throttles).retain(|tenant, _| known.contains(tenant));
    }
}

/// Whether this process acts.
#[derive(Debug)]
struct Leader(Arc<State>);

impl prometheus_client::collector::Collector for Leader {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let leads = self.0.leads.load(Ordering::SeqCst);
        let help = "Whether this process leads, and acts";
        let metric = encoder.encode_descriptor("leader", help, None, MetricType::Gauge)?;
        ConstGauge::new(i64::from(leads)).encode(metric)
    }
}

/// What the source knows.
#[derive(Debug)]
struct Estate(Arc<State>);

impl prometheus_client::collector::Collector for Estate {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let Some(source) = self.0.source() else {
            return Ok(());
        };
        source.measure(self.0.clock.now()).encode(encoder)
    }
}

#[derive(Debug)]
struct TenantObserver {
    tenant: String,
    families: Families,
    state: Arc<State>,
}

impl GraphObserver for TenantObserver {
    fn call(&self, class: EndpointClass, outcome: Outcome, elapsed: Duration) {
        if outcome == Outcome::Throttled {
            let now = self.state.clock.now();
            let mut throttles = lock(&self.state.throttles);
            let (count, last) = throttles.entry(self.tenant.clone()).or_insert((0, now));
            *count += 1;
            *last = now;
        }
        self.families.calls.count(&GraphCall {
            tenant: self.tenant.clone(),
            endpoint: class.as_str(),
            outcome: outcome.as_str(),
        });
        let endpoint = GraphEndpoint {
            tenant: self.tenant.clone(),
            endpoint: class.as_str(),
        };
        self.families
            .graph_durations
            .with(&endpoint, |metric| metric.observe(elapsed.as_secs_f64()));
    }

    fn throttled(&self, waited: Duration) {
        let label = TenantLabel {
            tenant: self.tenant.clone(),
        };
        self.families.throttled.with(&label, |metric| {
            metric.inc_by(waited.as_secs_f64());
        });
    }
}

/// The unit of times.
const SECONDS: Unit = Unit::Seconds;
