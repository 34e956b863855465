//! The laws that hold for every plan, tested on generated cases.
//!
//! `decisions` judges single decisions on arbitrary states, reachable or not. `histories` lets an [`operator`] with the
//! bookkeeping of a reconciler live through generated histories against a [model of Entra](entra): time passes, requests
//! fail, answers get lost, lists lag, and administrators meddle. `values` holds the laws of durations and windows.
//! The counts below sum to more than 100,000 cases.

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

fn cases(cases: u32) -> proptest::test_runner::Config {
    proptest::test_runner::Config {
        cases,
        failure_persistence: None,
        ..proptest::test_runner::Config::default()
    }
}
