//! PIM policies: what Entra holds ([`snapshots`]), shared by all objects of a tenant, which object manages which policy, and the
//! reconciler of `PimPolicy`.
//!
//! A pass over one object reads as a list, in `reconcile`: `resolve`, judge, observe, plan ([`crate::pim::policy`], pure), `act`
//! (with `audit`), `report` (with `lint`); a deleted one goes through `delete`. `kind` runs the controller.

mod act;
mod audit;
mod claims;
mod delete;
mod kind;
mod lint;
mod pass;
mod publish;
mod reconcile;
mod report;
mod resolve;
pub mod snapshots;

pub use claims::{PolicyClaims, TenantPolicy};
pub(super) use kind::PolicyKind;
pub use snapshots::{PolicyKey, PolicySnapshots, PolicyView};

/// The kind's name.
pub const KIND: &str = "PimPolicy";
