//! PIM policies: what Entra holds ([`snapshots`]), shared by all objects of a tenant, and which object manages which policy.

mod claims;
pub mod snapshots;

pub use claims::{PolicyClaims, TenantPolicy};
pub use snapshots::{PolicyKey, PolicySnapshots, PolicyView};
