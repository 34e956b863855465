//! The laws that hold for every plan, tested on generated cases.
//!
//! `decisions` judges single decisions on arbitrary states, reachable or not. `histories` lets an [`operator`] with the
//! bookkeeping of a reconciler live through generated histories against a [model of Entra](entra): time passes, requests
//! fail, answers get lost, lists lag, and administrators meddle. `values` holds the laws of durations and windows,
//! `guard` those of the removal guard.
//! The counts below sum to more than 100,000 cases. They are the same ones at every run, so that a failure can be had again;
//! `PIM_LAWS=N` tries N times as many, each time others.

use std::env;

use proptest::test_runner::{Config, RngSeed};

mod any;
mod decisions;
mod entra;
mod guard;
mod histories;
mod lives;
mod operator;
mod values;

/// Cases of a law on single decisions: thirteen laws.
const DECISIONS: u32 = 8_000;
/// Cases of a law on histories: eight laws.
const HISTORIES: u32 = 3_000;
/// Cases of a law on values: five laws.
const VALUES: u32 = 2_000;

/// Cases of a law of the removal guard: six laws.
const GUARD: u32 = 4_000;

const _: () = assert!(6 * GUARD >= 20_000);
const _: () = assert!(13 * DECISIONS + 8 * HISTORIES + 5 * VALUES >= 100_000);

pub(in crate::pim) fn cases(cases: u32) -> Config {
    seeded(1, cases)
}

/// Cases from a seed of their own, for a law whose cases are shared out among several tests.
pub(in crate::pim) fn seeded(seed: u64, cases: u32) -> Config {
    let soak: Option<u32> = env::var("PIM_LAWS")
        .ok()
        .and_then(|times| times.parse().ok());
    Config {
        cases: cases * soak.unwrap_or(1),
        rng_seed: soak.map_or(RngSeed::Fixed(seed), |_| RngSeed::Random),
        failure_persistence: None,
        ..Config::default()
    }
}
