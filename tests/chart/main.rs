//! The Helm chart, rendered by Helm itself and judged by real API servers; and the image that it runs.
//!
//! - `templates.rs`: what each value does, one test a case; and that no value is without one;
//! - `promises.rs`: what holds whatever the values;
//! - `schema.rs`: that values nobody knows are refused, everywhere;
//! - `generated.rs`: that the copies in the chart and the table in its README are those of today;
//! - `image.rs`: that the image is small, whole and runs by itself;
//! - `monitoring.rs`: that prometheus-operator's kinds are what their definitions ask for;
//! - `server.rs`: that the API server takes what is rendered, and Pod Security `restricted` the Pods;
//! - `stories.rs`: that the stories among the samples come to rest as they stand;
//! - `life.rs`: that upgrades and rollbacks write nothing, and that what is uninstalled leaves all access in Entra;
//! - `rights.rs`: that the operator gets by with the rights that the chart gives it, and with none less.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed set-up step should fail the test"
)]

mod generated;
mod helm;
mod image;
mod life;
mod monitoring;
mod promises;
mod rights;
mod schema;
mod server;
mod stories;
mod templates;
