//! What is so at the moment of a scrape.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use chrono::{DateTime, Utc};
use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
    registry::Unit,
};

use super::SECONDS;

/// Who is asked at a scrape.
pub trait Source: Send + Sync + 'static {
    /// The names of the tenants that there are; none while that is not known.
    fn tenants(&self) -> Option<BTreeSet<String>>;
    /// What is so now.
    fn measure(&self, now: DateTime<Utc>) -> Measures;
}

/// What is so now. Tenants are named only where an EntraTenant of the name exists, since manifests name tenants at will.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measures {
    /// The tenants.
    pub tenants: Vec<TenantMeasures>,
    /// Objects by tenant, kind and reason of their `Ready`.
    pub objects: BTreeMap<(String, &'static str, &'static str), u64>,
    /// Grants that no boundary allows any more, by tenant, kind and what became of the access.
    pub authority_lost: BTreeMap<(String, &'static str, Access), u64>,
    /// Passes by kind and whether they are under way or wait for their turn.
    pub passes: BTreeMap<(&'static str, &'static str), u64>,
}

/// What became of access that was given and is not allowed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// It is still there.
    Held,
    /// It was revoked.
    Revoked,
}

impl Access {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Revoked => "revoked",
        }
    }
}

/// A credential whose end is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credential {
    /// What it is: `certificate` or `clientSecret`.
    pub kind: &'static str,
    /// Its end.
    pub expires: DateTime<Utc>,
}

/// What is so of a tenant now; what is not known is left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TenantMeasures {
    /// The EntraTenant's name.
    pub name: String,
    /// Whether its `Ready` is true.
    pub ready: bool,
    /// Whether it is frozen.
    pub frozen: bool,
    /// What it is signed in to with.
    pub credential: Option<Credential>,
    /// The seconds since everything declared was read completely.
    pub snapshot_age: Option<i64>,
    /// The seconds between two such reads.
    pub resync_period: Option<i64>,
    /// Whether the removal guard has tripped, and how many revocations wait.
    pub guard: Option<(bool, u32)>,
    /// Permanent active access, by whether it is to a group or a role, and whether an object declares it.
    pub standing: Option<BTreeMap<(&'static str, bool), u64>>,
}

impl Measures {
    /// Writes them.
    pub(super) fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let out = &mut encoder;
        let by_tenant = |value: &dyn Fn(&TenantMeasures) -> Option<i64>| -> Vec<_> {
            let known = self.tenants.iter();
            known
                .filter_map(|tenant| Some(([("tenant", tenant.name.as_str())], value(tenant)?)))
                .collect()
        };
        gauges(
            out,
            "tenant_ready",
            "Whether the operator can sign in to a tenant and has the permissions that its objects need",
            None,
            by_tenant(&|tenant| Some(i64::from(tenant.ready))),
        )?;
        gauges(
            out,
            "tenant_frozen",
            "Whether a tenant is frozen: nothing but revocations is written",
            None,
            by_tenant(&|tenant| Some(i64::from(tenant.frozen))),
        )?;
        let ends = self.tenants.iter().filter_map(|tenant| {
            let Credential { kind, expires } = tenant.credential?;
            let labels = [("tenant", tenant.name.as_str()), ("credential", kind)];
            Some((labels, expires.timestamp()))
        });
        gauges(
            out,
            "credential_expiration_timestamp",
            "When what a tenant is signed in to with ends, in seconds since 1970, where it is known",
            Some(&SECONDS),
            ends.collect(),
        )?;
        gauges(
            out,
            "snapshot_age",
            "Time since everything declared in a tenant was last read completely",
            Some(&SECONDS),
            by_tenant(&|tenant| tenant.snapshot_age),
        )?;
        gauges(
            out,
            "resync_period",
            "How often everything declared in a tenant is read again",
            Some(&SECONDS),
            by_tenant(&|tenant| tenant.resync_period),
        )?;
        gauges(
            out,
            "removal_guard_tripped",
            "Whether the removal guard of a tenant holds revocations until somebody acknowledges them",
            None,
            by_tenant(&|tenant| tenant.guard.map(|(tripped, _)| i64::from(tripped))),
        )?;
        gauges(
            out,
            "removals_waiting",
            "Revocations that the removal guard of a tenant holds",
            None,
            by_tenant(&|tenant| tenant.guard.map(|(_, waiting)| i64::from(waiting))),
        )?;
        self.encode_objects(out)
    }

    fn encode_objects(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let standing = self.tenants.iter().flat_map(|tenant| {
            let counts = tenant.standing.iter().flatten();
            counts.map(|((target, declared), count)| {
                let declared = if *declared { "true" } else { "false" };
                let labels = [
                    ("tenant", tenant.name.as_str()),
                    ("target", target),
                    ("declared", declared),
                ];
                (labels, *count)
            })
        });
        gauges(
            out,
            "standing_access",
            "Permanent active access to the groups and roles that something is declared for",
            None,
            standing.collect(),
        )?;
        let objects = self.objects.iter().map(|((tenant, kind, reason), count)| {
            let labels = [
                ("tenant", tenant.as_str()),
                ("kind", kind),
                ("reason", reason),
            ];
            (labels, *count)
        });
        gauges(
            out,
            "objects",
            "Objects by tenant, kind and reason of their Ready condition",
            None,
            objects.collect(),
        )?;
        let lost = self
            .authority_lost
            .iter()
            .map(|((tenant, kind, access), count)| {
                let labels = [
                    ("tenant", tenant.as_str()),
                    ("kind", kind),
                    ("access", access.as_str()),
                ];
                (labels, *count)
            });
        gauges(
            out,
            "authority_lost",
            "Grants that were given and that no boundary allows any more",
            None,
            lost.collect(),
        )?;
        let passes = self
            .passes
            .iter()
            .map(|((kind, state), count)| ([("kind", *kind), ("state", *state)], *count));
        gauges(
            out,
            "passes",
            "Objects that are looked at now, and those that wait for their turn",
            None,
            passes.collect(),
        )
    }
}

/// Writes a family; nothing at all where it has no series.
fn gauges<L: EncodeLabelSet, V: EncodeGaugeValue>(
    out: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    series: Vec<(L, V)>,
) -> fmt::Result
where
    ConstGauge<V>: EncodeMetric,
{
    if series.is_empty() {
        return Ok(());
    }
    let mut family = out.encode_descriptor(name, help, unit, MetricType::Gauge)?;
    for (labels, value) in series {
        ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
