//! The operator is killed at 50 random points, as `kill -9` does; nothing is lost and nothing doubled.

use std::time::Instant;

use pim_harness::{
    bed::BedError,
    kill_points::{KillPoints, Program},
};

use crate::{
    meter::seconds,
    report::{Case, Limit::Exactly},
};

const POINTS: u32 = 50;

/// Kills, restarts and counts.
pub async fn measure(seed: u64) -> Result<Case, BedError> {
    println!("bench: kill_points (KILL_POINTS_SEED={seed})");
    let started = Instant::now();
    let outcome = KillPoints {
        points: POINTS,
        side_by_side: 4,
        seed,
        program: Program::Itself,
    }
    .run()
    .await?;
    Ok(Case::new("kill_points")
        .figure("points", outcome.points)
        .figure("seed", seed)
        .figure("grants", outcome.grants)
        .figure("graph_posts", outcome.posts)
        .figure("posts_that_changed_something", outcome.changes)
        .figure("duplicates", outcome.duplicates)
        .figure("lost", outcome.lost)
        .figure("wall_seconds", seconds(started.elapsed()))
        .bar("points", Exactly(f64::from(POINTS)))
        .bar("grants", Exactly(f64::from(POINTS) * 100.0))
        .bar(
            "posts_that_changed_something",
            Exactly(f64::from(POINTS) * 100.0),
        )
        .bar("duplicates", Exactly(0.0))
        .bar("lost", Exactly(0.0)))
}
