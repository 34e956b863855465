//! What the metrics ask at a scrape: everything is counted from what the operator works with, and nothing is kept for it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use kube::ResourceExt;

use crate::api::{conditions::ConditionType, tenant::EntraTenant};

use super::{
    context::Context,
    grant::{List, NaturalKey},
    metrics::{KINDS, Measures, Source, TenantMeasures},
    sign_in::parse_period,
    tenants::Tenant,
};

impl Source for Context {
    fn tenants(&self) -> Option<BTreeSet<String>> {
        let tenants = self.tenants.objects()?;
        Some(tenants.iter().map(|tenant| tenant.name_any()).collect())
    }

    fn measure(&self, now: DateTime<Utc>) -> Measures {
        let mut measures = Measures::default();
        for kind in KINDS {
            for state in ["running", "waiting"] {
                measures.passes.insert((kind, state), 0);
            }
        }
        measures.passes.extend(self.lanes.count());
        let Some(mut tenants) = self.tenants.objects() else {
            return measures;
        };
        tenants.sort_by_key(|tenant| tenant.name_any());
        let names = tenants.iter().map(|tenant| tenant.name_any()).collect();
        for kind in &self.kinds {
            kind.measure(&names, now, &mut measures);
        }
        let connected = self.tenants.ready();
        for tenant in tenants {
            let name = tenant.name_any();
            let connection = connected.iter().find(|connection| connection.name == name);
            measures.tenants.push(TenantMeasures {
                ready: is_ready(&tenant),
                frozen: tenant.spec.freeze,
                credential: self.tenants.credential(&name),
                snapshot_age: connection.and_then(|connection| {
                    let targets = self.registry.targets(&connection.id);
                    let since = connection.snapshots.known_complete_since(&targets)?;
                    Some((now - since).num_seconds())
                }),
                resync_period: parse_period(&tenant.spec.resync_period)
                    .map(|period| period.num_seconds()),
                guard: self.removals.state(&name),
                standing: connection.and_then(|connection| self.standing(connection)),
                name,
            });
        }
        measures
    }
}

impl Context {
    /// The permanent active access of a tenant, once everything that is declared there has been read: before that, all of it
    /// would seem to appear.
    fn standing(&self, tenant: &Tenant) -> Option<BTreeMap<(&'static str, bool), u64>> {
        let targets = self.registry.targets(&tenant.id);
        tenant.snapshots.known_complete_since(&targets)?;
        if !self.claims_primed.initialized() {
            return None;
        }
        let mut counts = BTreeMap::new();
        for target in ["group", "role"] {
            for declared in [false, true] {
                counts.insert((target, declared), 0);
            }
        }
        for (target, row) in tenant.snapshots.standing() {
            let what = match target.list {
                List::Group(_) => "group",
                List::Roles => "role",
            };
            let key = NaturalKey {
                tenant: tenant.id.clone(),
                target,
                row,
            };
            let declared = !self.registry.claimants(&key).is_empty();
            *counts.entry((what, declared)).or_default() += 1;
        }
        Some(counts)
    }
}

fn is_ready(tenant: &EntraTenant) -> bool {
    let conditions = tenant.status.iter().flat_map(|status| &status.conditions);
    conditions
        .filter(|condition| condition.type_ == ConditionType::Ready.as_str())
        .any(|ready| ready.status == "True")
}
