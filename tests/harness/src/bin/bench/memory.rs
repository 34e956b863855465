//! The operator's memory with 10,000 grants, once they are created and have been read again.

use std::time::Duration;

use chrono::TimeDelta;
use pim_harness::{Bed, bed::BedError, load::Load};

use crate::{
    estate::start,
    meter::{Figures, Meter, memory, seconds},
    report::{Case, Limit::AtMost},
};

const LOAD: Load = Load {
    groups: 500,
    of_each_kind: 10,
};

/// Creates the grants, lets a resync pass, and asks the kernel.
pub async fn measure() -> Result<Case, BedError> {
    let bed = Bed::with(LOAD.options("bench_memory")).await?;
    println!("bench: declaring {} grants", LOAD.grants());
    LOAD.declare(&bed).await?;
    println!("bench: memory_10000");
    let meter = Meter::start(&bed)?;
    let mut operator = start(&bed, "memory_10000")?;
    LOAD.until_ready(&bed, Duration::from_mins(20)).await?;
    let converged = meter.elapsed();
    meter.until_quiet(0).await?;
    let figures = Figures {
        wall_seconds: seconds(converged),
        ..meter.figures()?
    };
    let created = memory(&operator, "VmRSS")?;
    let resync = Meter::start(&bed)?;
    bed.advance(TimeDelta::minutes(16));
    resync.until_quiet(u64::from(LOAD.groups) * 2).await?;
    let case = Case::new("memory_10000")
        .figures(&figures)?
        .figure("rss_mib", rounded(memory(&operator, "VmRSS")?))
        .figure("rss_before_resync_mib", rounded(created))
        .figure("peak_rss_mib", rounded(memory(&operator, "VmHWM")?))
        .bar("rss_mib", AtMost(150.0));
    operator.terminate()?;
    Ok(case)
}

/// To one place.
pub fn rounded(mib: f64) -> f64 {
    (mib * 10.0).round() / 10.0
}
