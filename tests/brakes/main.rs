//! The brakes, on a real API server and against the Graph simulator: the removal guard, `freeze`, protected principals, the first
//! complete read, and what deletion leaves behind.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod accident;
mod acknowledgment;
mod deletion;
mod estate;
mod first_read;
mod freeze;
mod protected;
#[path = "../grants/support.rs"]
#[allow(dead_code, reason = "shared with the tests of grants")]
mod support;
