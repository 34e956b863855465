//! Two tenants, one of which throttles: what the other notices of it.
//!
//! A paired run. Grants of a healthy tenant are made one after the other, in turns beside a second tenant that is at rest and
//! beside one whose Graph answers 429 and asks for a minute's pause while many of its objects wait. What is compared is the time
//! from the creation of an object to the arrival of its request at the healthy tenant's Graph. The bar leaves room for the noise
//! of some ten milliseconds; a tenant that waits for another waits for seconds.

use std::time::{Duration, Instant};

use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use pim_harness::{
    Bed, Operator,
    bed::{BedError, CLIENT_ID},
    load::Load,
};
use pim_operator::{
    api::{group_grant::GroupEligibility, tenant::EntraTenant},
    graph::RetryLimits,
};
use pim_simulator::{Estate, Fault, FaultKind, Simulator, SimulatorConfig};
use pim_testbed::{ControlPlane, ControlPlaneOptions};
use serde_json::json;

use crate::{
    meter::seconds,
    report::{Case, Limit::AtMost},
};

/// Grants in each turn.
const GRANTS: u32 = 40;
/// Turns of each sort; they alternate.
const TURNS: u32 = 3;
/// Objects of the second tenant that wait: more than one tenant's passes at once, of each kind.
const WAITING: u32 = 200;
const SECOND: &str = "second";
const LOAD: Load = Load {
    groups: 1,
    of_each_kind: GRANTS * TURNS,
};

/// Measures.
pub async fn measure() -> Result<Case, BedError> {
    println!("bench: two_tenants");
    // Both tenants are looked at, and no other case's may be there.
    let control_plane = ControlPlane::start(ControlPlaneOptions::default()).await?;
    let bed = Bed::on(
        Box::leak(Box::new(control_plane)),
        LOAD.options("bench_two_tenants"),
    )
    .await?;
    let other = Simulator::start(SimulatorConfig::new(Estate::generate(1, WAITING))).await?;
    add_tenant(&bed, &other).await?;
    let mut controller = bed.controller(bed.client.clone());
    controller.watch_tenant = None;
    // As in production: calls wait for what Graph asks for, and passes with them.
    controller.retry = RetryLimits::default();
    let operator = Operator::start(controller);
    bed.until_tenant("Connected").await;
    let (mut healthy, mut throttled) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        healthy.extend(times(&bed, turn * 2).await?);
        let pause = FaultKind::Throttle {
            retry_after_seconds: 60,
            as_date: false,
        };
        other
            .faults()
            .add(Fault::new(pause).path("/v1.0/").always());
        declare_waiting(&bed).await?;
        throttled.extend(times(&bed, turn * 2 + 1).await?);
        other.faults().clear();
        remove_waiting(&bed).await?;
    }
    operator.abort().await;
    let (healthy, throttled) = (p95(healthy), p95(throttled));
    let ratio = throttled.as_secs_f64() / healthy.as_secs_f64();
    Ok(Case::new("two_tenants")
        .figure("p95_seconds_beside_healthy", seconds(healthy))
        .figure("p95_seconds_beside_throttled", seconds(throttled))
        .figure("p95_ratio", (ratio * 100.0).round() / 100.0)
        .figure("pairs", TURNS)
        .figure("grants_in_each_turn", GRANTS)
        .bar("p95_ratio", AtMost(2.0)))
}

async fn add_tenant(bed: &Bed, graph: &Simulator) -> Result<(), BedError> {
    let tenant = json!({
        "apiVersion": "entrapim.dev/v1alpha1", "kind": "EntraTenant",
        "metadata": {"name": SECOND},
        "spec": {
            "tenantId": Estate::TENANT,
            "credential": {"clientSecret": {"clientId": CLIENT_ID, "secretRef": {"name": "entra", "key": "client-secret"}}},
            "endpoints": {"graph": graph.url(), "authority": graph.url()},
        },
    });
    Api::<EntraTenant>::all(bed.client.clone())
        .patch(
            SECOND,
            &PatchParams::apply("git").force(),
            &Patch::Apply(tenant),
        )
        .await?;
    Ok(())
}

async fn create(bed: &Bed, name: &str, tenant: &str, user: u32) -> Result<(), BedError> {
    let object: GroupEligibility = serde_json::from_value(json!({
        "apiVersion": "entrapim.dev/v1alpha1", "kind": "GroupEligibility",
        "metadata": {"name": name},
        "spec": {
            "tenantRef": {"name": tenant},
            "group": {"id": Estate::generated_group(1)},
            "accessId": "member",
            "principal": {"id": Estate::generated_user(user)},
            "scheduleInfo": {"expiration": {"type": "afterDuration", "duration": "P90D"}},
            "justification": "On call",
        },
    }))?;
    bed.api::<GroupEligibility>()
        .create(&PostParams::default(), &object)
        .await?;
    Ok(())
}

async fn declare_waiting(bed: &Bed) -> Result<(), BedError> {
    for number in 1..=WAITING {
        create(bed, &format!("waiting-{number}"), SECOND, number).await?;
    }
    Ok(())
}

async fn remove_waiting(bed: &Bed) -> Result<(), BedError> {
    for number in 1..=WAITING {
        bed.api::<GroupEligibility>()
            .delete(&format!("waiting-{number}"), &DeleteParams::default())
            .await?;
    }
    Ok(())
}

/// How long each of a turn's grants takes.
async fn times(bed: &Bed, turn: u32) -> Result<Vec<Duration>, BedError> {
    const PATIENCE: Duration = Duration::from_mins(2);
    // What was declared for the other tenant has been taken up by then: compared is the waiting, not the arrival.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut times = Vec::new();
    for number in 1..=GRANTS {
        let user = turn * GRANTS + number;
        let before = rows(bed);
        let started = Instant::now();
        create(bed, &format!("grant-{user}"), &bed.tenant, user).await?;
        while rows(bed) == before {
            if started.elapsed() > PATIENCE {
                return Err(format!("grant {user} was never made").into());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        times.push(started.elapsed());
    }
    Ok(times)
}

fn rows(bed: &Bed) -> usize {
    bed.simulator
        .schedules(pim_simulator::Kind::Eligibility)
        .len()
}

fn p95(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    let index = (times.len() * 95).div_ceil(100).saturating_sub(1);
    times.get(index).copied().unwrap_or_default()
}
