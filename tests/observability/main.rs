//! What whoever runs the operator sees of it: metrics and their page, alerts and their runbooks, the dashboard, traces, and a log
//! whose level can be changed.
//!
//! - `page.rs`: that `docs/metrics.md` tells of every metric, and of none that there is not;
//! - `scrape.rs`: a running operator after a story: what it serves, that nobody is named in it, and that alerts and dashboard ask
//!   for nothing else;
//! - `rules.rs`: the alerts, tested by `promtool`, and their runbooks;
//! - `dashboard.rs`: that the dashboard is whole and its expressions are understood;
//! - `traces.rs`: spans at a collector, and a collector that is away;
//! - `log_filter.rs`: the level of the log, changed in a running process.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod dashboard;
mod exposition;
mod log_filter;
mod page;
mod program;
mod rules;
mod scrape;
#[path = "../grants/support.rs"]
#[allow(dead_code, reason = "shared with the tests of grants")]
mod support;
mod traces;
