//! The effects: Kubernetes and Graph, brought together.
//!
//! A pass over one grant reads as a list, in [`reconcile`]: resolve ([`resolve`]), judge ([`authority`]), observe
//! ([`snapshots`]), plan ([`crate::pim::plan`], pure), act ([`act`], past the `brakes` and the guard of [`removals`]; with
//! [`origin`] and [`audit`]), report ([`report`], [`status`]); a deleted one goes through `delete`.
//! Around it: [`tenants`] signs in and resyncs, [`registry`] knows who claims what, [`wakeups`] when to look again,
//! [`run`] wires it all up.

pub mod act;
pub mod audit;
pub mod authority;
mod authorize;
mod brakes;
mod claims;
pub mod clock;
pub mod context;
mod delete;
pub mod directory;
pub mod election;
pub mod events;
pub mod first_list;
mod flush;
pub mod grant;
pub mod history;
mod inquiry;
mod kinds;
pub mod lanes;
pub mod metrics;
pub mod objects;
pub mod origin;
mod pass;
pub mod policy;
mod preflight;
mod publish;
pub mod reconcile;
pub mod registry;
pub mod removals;
pub mod report;
pub mod resolve;
mod resync;
pub mod run;
mod secrets;
pub mod serve;
mod service_account;
mod several;
mod sign_in;
pub mod snapshots;
mod spans;
pub mod status;
mod survey;
mod tenant_report;
pub mod tenants;
mod unreadable;
mod vanished;
pub mod wakeups;
