//! Tenants: every kind of credential, its rotation and its failures; permissions; several tenants side by side.
//!
//! Each test has a bed of its own on one shared control plane, whose API server really issues the service account tokens.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod credentials;
mod isolation;
mod permissions;
mod refusals;
mod status;
mod support;
