//! Where requests come from: what Entra's records and the audit log say of a grant, and what a rebuilt cluster learns from them.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod audit_log;
mod gitops;
mod rebuilt;
mod suffix;
#[path = "../grants/support.rs"]
#[allow(dead_code, reason = "shared with the tests of grants")]
mod support;
