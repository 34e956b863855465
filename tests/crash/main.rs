//! The operator dies between Graph's commit and its own next step, and its successor makes nothing twice.
//!
//! `make bench` runs fifty such points; here are five of them, with the product's own executable.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use pim_harness::kill_points::{KillPoints, Outcome, Program};

const POINTS: u32 = 5;

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_is_killed_after_a_commit_loses_and_doubles_nothing() {
    let seed = std::env::var("KILL_POINTS_SEED").map_or(7, |seed| seed.parse().unwrap());
    println!("KILL_POINTS_SEED={seed}");
    let outcome = KillPoints {
        points: POINTS,
        side_by_side: 5,
        seed,
        program: Program::Binary(env!("CARGO_BIN_EXE_pim-operator").into()),
    }
    .run()
    .await
    .unwrap();
    assert_eq!(outcome, Outcome::sound(POINTS, outcome.posts));
}
