//! The drill: what befalls a leader befalls it 45 times, and nothing is lost, doubled, or written by anybody else.

use std::time::{Duration, Instant};

use pim_harness::{
    bed::BedError,
    drill::{Blow, Drill, Failover},
    kill_points::Program,
    load::Load,
};

use crate::{
    cold_start::load_average,
    meter::seconds,
    report::{
        Case,
        Limit::{AtMost, Exactly},
    },
};

const LOAD: Load = Load {
    groups: 10,
    of_each_kind: 10,
};
const KILLS: usize = 20;
const STOPS: usize = 20;
const FREEZES: usize = 5;
/// Four edits a second: a leader always has something to write.
const PAUSE: Duration = Duration::from_millis(250);

/// Runs the drill with the times of the election as they are by default.
pub async fn measure() -> Result<Case, BedError> {
    println!("bench: availability");
    let started = Instant::now();
    let outcome = Drill {
        name: "bench_availability",
        blows: blows(),
        load: LOAD,
        pause: PAUSE,
        program: Program::Itself,
        args: Vec::new(),
    }
    .run()
    .await?;
    let mut case = Case::new("availability")
        .figure("grants", LOAD.grants())
        .figure("edits", outcome.edits)
        .figure("graph_posts", outcome.requests)
        .figure("leaderships", outcome.terms)
        .figure("lost", outcome.lost)
        .figure("doubled", outcome.doubled)
        .figure("by_non_leaders", outcome.by_non_leaders)
        .figure("load_average", load_average()?)
        .figure("wall_seconds", seconds(started.elapsed()));
    for (blow, name) in [
        (Blow::Kill, "kill"),
        (Blow::Stop, "stop"),
        (Blow::Freeze, "freeze"),
    ] {
        let of: Vec<&Failover> = outcome
            .failovers
            .iter()
            .filter(|failover| failover.blow == blow)
            .collect();
        let takeover = sorted(of.iter().map(|failover| failover.takeover));
        let write = sorted(of.iter().map(|failover| failover.first_write));
        case = case
            .figure(&format!("{name}s"), of.len())
            .figure(&format!("{name}_takeover_median"), median(&takeover))
            .figure(&format!("{name}_takeover_max"), most(&takeover))
            .figure(&format!("{name}_first_write_median"), median(&write))
            .figure(&format!("{name}_first_write_max"), most(&write));
    }
    Ok(case
        .bar("kill_first_write_max", AtMost(17.0))
        .bar("stop_first_write_max", AtMost(1.0))
        .bar("leaderships", Exactly(46.0))
        .bar("lost", Exactly(0.0))
        .bar("doubled", Exactly(0.0))
        .bar("by_non_leaders", Exactly(0.0)))
}

/// The blows, mixed: after every fourth kill and fourth stop comes a freeze.
fn blows() -> Vec<Blow> {
    let mut blows = Vec::new();
    for number in 0..KILLS.max(STOPS) {
        blows.extend((number < KILLS).then_some(Blow::Kill));
        blows.extend((number < STOPS).then_some(Blow::Stop));
        blows.extend((number % 4 == 3 && number / 4 < FREEZES).then_some(Blow::Freeze));
    }
    blows
}

fn sorted(durations: impl Iterator<Item = Duration>) -> Vec<Duration> {
    let mut sorted: Vec<_> = durations.collect();
    sorted.sort();
    sorted
}

fn median(sorted: &[Duration]) -> f64 {
    seconds(sorted.get(sorted.len() / 2).copied().unwrap_or_default())
}

fn most(sorted: &[Duration]) -> f64 {
    seconds(sorted.last().copied().unwrap_or_default())
}
