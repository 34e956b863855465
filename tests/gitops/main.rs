//! What GitOps tools make of our objects, on a real API server: the health of Argo CD by its own Lua engine, the status of Flux by
//! its own kstatus, drift by `kubectl diff`, waiting by `kubectl wait`, and pruning that meets the removal guard.
//!
//! - `reasons.rs` holds what each reason means to both tools; a reason without a row does not compile;
//! - `recorder.rs` keeps every version of every object that was stored, so that no state goes unjudged; `states.rs` makes states;
//! - `health.rs` is Argo CD's convention for scripts and the file that people paste;
//! - `sets.rs` applies samples, the story and the manifests of the documentation, twice and by both kinds of apply;
//! - `prune.rs` deletes as GitOps tools do; `order.rs` applies an estate back to front.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "../brakes/estate.rs"]
#[allow(dead_code, reason = "shared with the tests of the brakes")]
mod estate;
mod health;
mod order;
mod page;
mod prune;
mod reasons;
mod recorder;
mod sets;
mod states;
#[path = "../grants/support.rs"]
#[allow(dead_code, reason = "shared with the tests of grants")]
mod support;
mod tools;
mod waits;
