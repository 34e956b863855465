//! `PimPolicy` from manifest to Entra and back, on a real API server and against the Graph simulator over HTTP.
//!
//! Each test has a bed of its own (namespace, tenant, simulator, operator) on one shared control plane.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod authority;
mod deletion;
mod drift;
mod lints;
mod races;
mod round_trip;
mod support;
mod together;
