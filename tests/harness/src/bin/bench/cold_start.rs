//! How soon an operator decides after its start, and how little it takes when there is nothing to do.

use std::time::{Duration, Instant};

use kube::api::{Patch, PatchParams};
use pim_harness::{
    Bed, BedOptions,
    bed::BedError,
    load::{Load, name},
    process::OperatorProcess,
};
use pim_operator::api::group_grant::GroupEligibility;
use serde_json::json;

use crate::{
    memory::rounded,
    meter::{memory, seconds},
    report::{Case, Limit::AtMost, folder},
};

const LOAD: Load = Load {
    groups: 50,
    of_each_kind: 10,
};
/// The lists of 50 groups, eligible and active.
const LISTS: u64 = 100;
const PATIENCE: Duration = Duration::from_mins(2);
/// How long an operator at rest is left alone before its memory is read.
const SETTLES: Duration = Duration::from_secs(20);

/// The load of the machine in the last minute: figures of time mean little without it.
pub fn load_average() -> Result<f64, BedError> {
    let text = std::fs::read_to_string("/proc/loadavg")?;
    let first = text.split_whitespace().next().ok_or("no load average")?;
    Ok(first.parse()?)
}

/// An operator that takes part in an election, as the chart installs it.
fn start(bed: &Bed, name: &str, args: &[String]) -> Result<OperatorProcess, BedError> {
    let log = folder()?.join(format!("{name}.log"));
    let mut all = vec!["--leader-elect"];
    all.extend(args.iter().map(String::as_str));
    Ok(OperatorProcess::start(
        bed.control_plane.kubeconfig_path(),
        &bed.simulator.url(),
        &log,
        &all,
    )?)
}

/// Starts an operator on 1,000 grants that are as declared but for one, which was changed while none ran.
pub async fn measure() -> Result<Case, BedError> {
    println!("bench: cold_start");
    let bed = Bed::with(LOAD.options("bench_cold_start")).await?;
    LOAD.declare(&bed).await?;
    let mut first = start(&bed, "cold_start", &bed.operator_args())?;
    LOAD.until_ready(&bed, Duration::from_mins(5)).await?;
    // Never quiet: a leader renews its lease.
    tokio::time::sleep(SETTLES).await;
    first.terminate()?;
    let (mut decided, mut looked, mut rss) = (Vec::new(), Vec::new(), 0.0);
    for round in 1..=3 {
        let schedule =
            json!({"expiration": {"type": "afterDuration", "duration": format!("P{round}D")}});
        let patch = Patch::Merge(json!({"spec": {"scheduleInfo": schedule}}));
        bed.api::<GroupEligibility>()
            .patch(&name(25, 5), &PatchParams::default(), &patch)
            .await?;
        let mark = bed.simulator.traffic().mark();
        let started = Instant::now();
        let mut operator = start(&bed, "cold_start", &bed.operator_args())?;
        let (mut decision, mut all) = (None, None);
        while decision.is_none() || all.is_none() {
            let counts = bed.simulator.traffic().counts_since(&mark);
            let posts = counts.by_endpoint.iter().any(|(endpoint, count)| {
                endpoint.starts_with("POST ")
                    && endpoint.ends_with("ScheduleRequests")
                    && *count > 0
            });
            let at = started.elapsed();
            decision = decision.or(posts.then_some(at));
            all = all.or((counts.graph_gets >= LISTS).then_some(at));
            if at > PATIENCE {
                return Err("the operator never decided anything".into());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        decided.extend(decision);
        looked.extend(all);
        LOAD.until_ready(&bed, PATIENCE).await?;
        tokio::time::sleep(SETTLES).await;
        rss = memory(&operator, "VmRSS")?;
        operator.terminate()?;
    }
    decided.sort();
    looked.sort();
    Ok(Case::new("cold_start")
        .figure("objects", LOAD.grants())
        .figure("first_decision_median", seconds(decided[1]))
        .figure("first_decision_max", seconds(decided[2]))
        .figure("all_read_median", seconds(looked[1]))
        .figure("rss_mib", rounded(rss))
        .figure("load_average", load_average()?)
        .figure("wall_seconds", seconds(decided[1]))
        .bar("first_decision_median", AtMost(2.0)))
}

/// The memory of an operator without objects and without a tenant, and with one tenant.
pub async fn idle() -> Result<Case, BedError> {
    println!("bench: idle");
    let bed = Bed::with(BedOptions::story("bench_idle")?).await?;
    let mut nothing = bed.operator_args();
    for pair in nothing.chunks_mut(2) {
        if pair[0] == "--watch-tenant" {
            "nobody".clone_into(&mut pair[1]);
        }
    }
    let mut operator = start(&bed, "idle", &nothing)?;
    tokio::time::sleep(SETTLES).await;
    let alone = memory(&operator, "VmRSS")?;
    operator.terminate()?;
    let mut operator = start(&bed, "idle", &bed.operator_args())?;
    bed.until_tenant("Connected").await;
    tokio::time::sleep(SETTLES).await;
    let with_tenant = memory(&operator, "VmRSS")?;
    operator.terminate()?;
    Ok(Case::new("idle")
        .figure("rss_without_tenant_mib", rounded(alone))
        .figure("rss_mib", rounded(with_tenant))
        .bar("rss_mib", AtMost(25.0)))
}
