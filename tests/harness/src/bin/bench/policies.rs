//! 1,000 grants in 50 groups together with the 100 policies of these groups: created at once, and read again.

use std::time::Duration;

use chrono::TimeDelta;
use pim_harness::{
    Bed,
    bed::BedError,
    load::{Load, all_policies_ready},
};
use pim_simulator::Kind;

use crate::{
    estate::start,
    meter::{Figures, Meter, seconds},
    report::{
        Case,
        Limit::{AtMost, Exactly},
    },
};

const LOAD: Load = Load {
    groups: 50,
    of_each_kind: 10,
};
/// Those of members and those of owners.
const POLICIES: usize = 100;
/// Two lists of each group cover all its grants, and one both its policies.
const LISTS: u64 = 150;
/// More than the tenant's resync period.
const NEXT_RESYNC: TimeDelta = TimeDelta::minutes(16);

/// Creates everything, and measures a drift check of it.
pub async fn measure() -> Result<Vec<Case>, BedError> {
    let bed = Bed::with(LOAD.options("bench_policies")).await?;
    println!(
        "bench: declaring {} grants and {POLICIES} policies",
        LOAD.grants()
    );
    LOAD.declare(&bed).await?;
    LOAD.declare_policies(&bed).await?;

    println!("bench: create_with_policies");
    let meter = Meter::start(&bed)?;
    let mut operator = start(&bed, "create_with_policies")?;
    let patience = Duration::from_mins(5);
    LOAD.until_ready(&bed, patience).await?;
    tokio::time::timeout(patience, all_policies_ready(&bed, POLICIES))
        .await
        .map_err(|_| format!("not every policy was ready within {patience:?}"))??;
    let converged = meter.elapsed();
    meter.until_quiet(0).await?;
    let figures = Figures {
        wall_seconds: seconds(converged),
        ..meter.figures()?
    };
    let rows = bed.simulator.schedules(Kind::Eligibility).len()
        + bed.simulator.schedules(Kind::Assignment).len();
    let created = Case::new("create_with_policies")
        .figures(&figures)?
        .figure("rows_in_entra", rows)
        .bar("rows_in_entra", Exactly(1000.0))
        .bar("graph_calls", AtMost(9_400.0 / 5.0))
        .bar("graph_posts", Exactly(1000.0))
        .bar("graph_patches", Exactly(100.0));

    println!("bench: drift_check_policies");
    let meter = Meter::start(&bed)?;
    bed.advance(NEXT_RESYNC);
    let done = meter.until_quiet(LISTS).await?;
    let figures = Figures {
        wall_seconds: seconds(done),
        ..meter.figures()?
    };
    let checked = Case::new("drift_check_policies")
        .figures(&figures)?
        .bar("graph_gets", AtMost(200.0))
        .bar("http_round_trips", AtMost(15.0))
        .bar("graph_posts", Exactly(0.0))
        .bar("graph_patches", Exactly(0.0))
        .bar("kubernetes_writes", Exactly(0.0));
    if !operator.terminate()? {
        return Err("the operator did not end well".into());
    }
    Ok(vec![created, checked])
}
