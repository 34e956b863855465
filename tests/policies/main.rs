//! The admission policies in `config/policies`, judged by a real API server, each with what it refuses, what it lets pass and the
//! sentence that a user reads.
//!
//! Policies hold for the whole cluster, so these tests have a control plane of their own (`bed.rs`).
//!
//! - `boundaries.rs`: what the boundaries refuse at admission, and that it is no more than what no boundary allows;
//! - `operator_only.rs`, `overrides.rs`, `look_alikes.rs`: the policies that need no boundaries;
//! - `install.rs`: that they install, without a warning of the API server's, and go away again.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed set-up step should fail the test"
)]

mod bed;
mod boundaries;
mod install;
mod look_alikes;
mod operator_only;
mod overrides;
