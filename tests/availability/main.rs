//! What the operator survives, and what it does not need: crashes, stops and freezes of a leader, a Lease that is meddled with, an
//! API server that is away, clocks that jump.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod drill;
mod election;
mod guard;
mod health;
mod independence;
#[path = "../grants/support.rs"]
#[allow(dead_code, reason = "shared with the tests of grants")]
mod support;
