//! The laws that hold for every plan, tested on generated cases.
//!
//! `decisions` judges single decisions on arbitrary states, reachable or not. `histories` lets an [`operator`] with the
//! bookkeeping of a reconciler live through generated histories against a [model of Entra](entra): time passes, requests
//! fail, answers get lost, lists lag, and administrators meddle. `values` holds the laws of durations and windows.
//! The counts below sum to more than 100,000 cases. They are the same ones at every run, so that a failure can be had again;
//! `PIM_LAWS=N` tries N times as many, each time others.

use std::env;

use proptest::test_runner::{Config, RngSeed};

mod any;
mod decisions;
mod entra;
mod histories;
mod lives;
mod operator;
mod values;

/// Cases of a law on single decisions: ten laws.
const DECISIONS: u32 = 8_000;
/// Cases of a law on histories: seven laws.
const HISTORIES: u32 = 3_000;
/// Cases of a law on values: five laws.
const VALUES: u32 = 2_000;

const _: () = assert!(10 * DECISIONS + 7 * HISTORIES + 5 * VALUES >= 100_000);

pub(in crate::pim) fn cases(cases: u32) -> Config {
    let soak: Option<u32> = env::var("PIM_LAWS")
        .ok()
        .and_then(|times| times.parse().ok());
    Config {
        cases: cases * soak.unwrap_or(1),
        rng_seed: soak.map_or(RngSeed::Fixed(1), |_| RngSeed::Random),
        failure_persistence: None,
        ..Config::default()
    }
}
