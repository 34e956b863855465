//! An estate of 1,000 grants in 50 groups: created, read again, and found again after a restart.

use std::time::Duration;

use chrono::TimeDelta;
use pim_harness::{Bed, bed::BedError, load::Load, process::OperatorProcess};
use pim_simulator::Kind;

use crate::{
    meter::{Figures, Meter, seconds},
    report::{
        Case,
        Limit::{AtMost, Exactly},
        folder,
    },
};

const LOAD: Load = Load {
    groups: 50,
    of_each_kind: 10,
};
/// Two lists of each group cover all its grants.
const LISTS: u64 = 100;
/// More than the tenant's resync period.
const NEXT_RESYNC: TimeDelta = TimeDelta::minutes(16);

/// Creates the estate, and measures what else is wanted of it.
pub async fn measure(drift_check: bool, restart: bool) -> Result<Vec<Case>, BedError> {
    let bed = Bed::with(LOAD.options("bench_estate")).await?;
    println!("bench: declaring {} grants", LOAD.grants());
    LOAD.declare(&bed).await?;
    let mut cases = Vec::new();
    let (mut operator, created) = create(&bed).await?;
    cases.push(created);
    if drift_check {
        cases.push(check(&bed).await?);
    }
    if restart {
        if !operator.terminate()? {
            return Err("the operator did not end well".into());
        }
        let (again, case) = start_again(&bed).await?;
        operator = again;
        cases.push(case);
    }
    if !operator.terminate()? {
        return Err("the operator did not end well".into());
    }
    Ok(cases)
}

/// Starts the operator as a process of its own.
pub fn start(bed: &Bed, case: &str) -> Result<OperatorProcess, BedError> {
    let log = folder()?.join(format!("{case}.log"));
    let args = bed.operator_args();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let kubeconfig = bed.control_plane.kubeconfig_path();
    Ok(OperatorProcess::start(
        kubeconfig,
        &bed.simulator.url(),
        &log,
        &args,
    )?)
}

async fn create(bed: &Bed) -> Result<(OperatorProcess, Case), BedError> {
    println!("bench: create_1000");
    let meter = Meter::start(bed)?;
    let operator = start(bed, "create_1000")?;
    LOAD.until_ready(bed, Duration::from_mins(5)).await?;
    let converged = meter.elapsed();
    // What follows convergence belongs to its price.
    meter.until_quiet(0).await?;
    let figures = Figures {
        wall_seconds: seconds(converged),
        ..meter.figures()?
    };
    let rows = bed.simulator.schedules(Kind::Eligibility).len()
        + bed.simulator.schedules(Kind::Assignment).len();
    let case = Case::new("create_1000")
        .figures(&figures)?
        .figure("rows_in_entra", rows)
        .bar("rows_in_entra", Exactly(1000.0))
        // The question what earlier requests say of a window is asked once for each list: two for each of 50 groups. What the
        // groups' policies say is asked once for each group.
        .figure(
            "graph_calls_for_grants",
            figures.graph_calls - figures.graph_history_lists - figures.graph_policy_lists,
        )
        .bar("graph_calls_for_grants", AtMost(1250.0))
        .bar("graph_history_lists", AtMost(100.0))
        .bar("graph_policy_lists", AtMost(50.0))
        .bar("graph_posts", Exactly(1000.0))
        .bar("wall_seconds", AtMost(20.0));
    Ok((operator, case))
}

async fn check(bed: &Bed) -> Result<Case, BedError> {
    println!("bench: drift_check_1000");
    let meter = Meter::start(bed)?;
    bed.advance(NEXT_RESYNC);
    let done = meter.until_quiet(LISTS).await?;
    let figures = Figures {
        wall_seconds: seconds(done),
        ..meter.figures()?
    };
    Ok(Case::new("drift_check_1000")
        .figures(&figures)?
        .bar("graph_gets", AtMost(100.0))
        .bar("http_round_trips", AtMost(10.0))
        .bar("graph_posts", Exactly(0.0))
        .bar("kubernetes_writes", Exactly(0.0)))
}

async fn start_again(bed: &Bed) -> Result<(OperatorProcess, Case), BedError> {
    println!("bench: restart_1000");
    let meter = Meter::start(bed)?;
    let operator = start(bed, "restart_1000")?;
    let done = meter.until_quiet(LISTS).await?;
    let figures = Figures {
        wall_seconds: seconds(done),
        ..meter.figures()?
    };
    let case = Case::new("restart_1000")
        .figures(&figures)?
        .bar("graph_posts", Exactly(0.0))
        .bar("graph_lookups", Exactly(0.0))
        .bar("kubernetes_writes", Exactly(0.0));
    Ok((operator, case))
}
