//! What a real API server accepts and refuses, and what it says: the schemas and rules in `crds/`, judged by the program that
//! will judge them in production.
//!
//! - `cases.rs` holds every rule (CEL) against the good and bad values in `cases/*.yaml`, and fails where a rule has none;
//! - `structure.rs` makes a bad value for every bound, enum, required field and type in the schemas;
//! - `kubectl.rs` looks through the eyes of a person: explain, columns, short names, selectors;
//! - `reports.rs` writes `status` as the operator does; `samples.rs` applies `config/samples`, and the manifests in
//!   `docs/` and the README.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed set-up step should fail the test"
)]

mod cases;
mod kubectl;
mod reports;
mod rules;
mod samples;
mod server;
mod structure;
