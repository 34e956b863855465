//! 500 grants of 40 roles: what it costs to read them all again.

use std::time::Duration;

use chrono::TimeDelta;
use pim_harness::{
    Bed,
    bed::{BedError, BedOptions},
    load::{all_ready, create_all},
};
use pim_operator::{
    api::role_grant::{RoleAssignment, RoleEligibility},
    controller::grant::Grant,
};
use pim_simulator::{Estate, Kind, RoleDefinitionSeed, SimulatorConfig};
use serde_json::{Value, json};

use crate::{
    estate::start,
    meter::{Figures, Meter, seconds},
    report::{
        Case,
        Limit::{AtMost, Exactly},
    },
};

const ROLES: u32 = 40;
const OF_EACH_KIND: u32 = 250;
/// More than the tenant's resync period.
const NEXT_RESYNC: TimeDelta = TimeDelta::minutes(16);

/// Creates the grants, and measures a drift check of them.
pub async fn measure() -> Result<Case, BedError> {
    let mut estate = Estate::generate(0, OF_EACH_KIND);
    estate
        .role_definitions
        .extend((1..=ROLES).map(|number| RoleDefinitionSeed {
            id: Some(Estate::generated_role(number)),
            display_name: format!("Custom Role {number:04}"),
            ..RoleDefinitionSeed::default()
        }));
    let bed = Bed::with(BedOptions {
        name: "bench_roles".to_owned(),
        simulator: SimulatorConfig::new(estate),
        secret: Estate::OPERATOR_SECRET.to_owned(),
        tenant: json!({"limits": {"maxConcurrency": 64, "requestsPerSecond": 10_000}}),
        boundary: false,
    })
    .await?;
    let roles: Vec<Value> = (1..=ROLES)
        .map(|role| json!({"id": Estate::generated_role(role), "directoryScopeIds": ["/"]}))
        .collect();
    let boundary = json!({
        "namespaces": [bed.namespace], "tenants": [bed.tenant],
        "kinds": ["RoleEligibility", "RoleAssignment"], "roles": roles,
        "principals": {"kinds": ["User"]},
    });
    bed.write_boundary(&bed.namespace, &boundary).await?;
    println!("bench: declaring {} grants of roles", 2 * OF_EACH_KIND);
    declare::<RoleEligibility>(&bed).await?;
    declare::<RoleAssignment>(&bed).await?;

    println!("bench: drift_check_roles");
    let creation = Meter::start(&bed)?;
    let mut operator = start(&bed, "drift_check_roles")?;
    let ready = async {
        tokio::try_join!(
            all_ready::<RoleEligibility>(&bed, OF_EACH_KIND as usize),
            all_ready::<RoleAssignment>(&bed, OF_EACH_KIND as usize)
        )
    };
    tokio::time::timeout(Duration::from_mins(5), ready)
        .await
        .map_err(|_| "not every grant of a role was ready in time")??;
    creation.until_quiet(0).await?;
    let created = creation.figures()?;

    let meter = Meter::start(&bed)?;
    bed.advance(NEXT_RESYNC);
    let done = meter.until_quiet(2).await?;
    let figures = Figures {
        wall_seconds: seconds(done),
        ..meter.figures()?
    };
    if !operator.terminate()? {
        return Err("the operator did not end well".into());
    }
    let rows = bed.simulator.role_schedules(Kind::Eligibility).len()
        + bed.simulator.role_schedules(Kind::Assignment).len();
    Ok(Case::new("drift_check_roles")
        .figures(&figures)?
        .figure("rows_in_entra", rows)
        .bar("rows_in_entra", Exactly(500.0))
        .figure("graph_calls_to_create", created.graph_calls)
        .figure("graph_posts_to_create", created.graph_posts)
        .bar("graph_posts_to_create", Exactly(500.0))
        .bar("graph_gets", AtMost(4.0))
        .bar("graph_posts", Exactly(0.0))
        .bar("kubernetes_writes", Exactly(0.0)))
}

async fn declare<K: Grant>(bed: &Bed) -> Result<(), BedError> {
    let manifests = (1..=OF_EACH_KIND).map(|number| {
        json!({
            "apiVersion": "entrapim.dev/v1alpha1", "kind": K::KIND,
            "metadata": {"name": format!("user-{number:04}")},
            "spec": {
                "tenantRef": {"name": bed.tenant},
                "role": {"id": Estate::generated_role(number % ROLES + 1)},
                "principal": {"id": Estate::generated_user(number)},
                "scheduleInfo": {"expiration": {"type": "afterDuration", "duration": "P90D"}},
                "justification": "On call for what this role may change",
            },
        })
    });
    create_all::<K>(bed, manifests).await
}
