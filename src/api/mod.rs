//! The Kubernetes API of pim-operator: group `entrapim.dev`, version `v1alpha1`.
//!
//! One file per kind ([`group_grant`] and [`role_grant`] hold two kinds each, which declare the same things about different
//! schedule sets; [`pim_policy`] the rules of a target; [`boundary`] what a namespace may grant; [`tenant`] the connection to Entra), plus what kinds share: [`terms`] (what every grant says besides its target),
//! [`schedule_info`] (the window), [`references`] (who and what), [`status`] (what the operator reports), [`removal_guard`] (what a
//! tenant's brake remembers), [`conditions`]
//! (the frozen vocabulary of condition types and reasons) and `cel` (the rules by which the API server judges manifests).
//! Field names and enum values are Microsoft Graph's own wherever Graph has one. Doc comments of fields are what
//! `kubectl explain` prints, so they are written for people who write manifests.
//!
//! These types are the source of `crds/`: [`crds::all`] turns them into `CustomResourceDefinition`s. Nothing here does I/O
//! or decides anything.

pub mod boundary;
mod cel;
pub mod conditions;
pub mod crds;
pub mod group_grant;
pub mod guid;
pub mod pim_policy;
pub mod pim_policy_status;
pub mod references;
pub mod removal_guard;
pub mod role_grant;
pub mod schedule_info;
pub mod status;
pub mod tenant;
pub mod tenant_status;
pub mod terms;
mod vocabulary;

/// The API group of every kind.
pub const GROUP: &str = "entrapim.dev";
/// The finalizer that holds a deleted grant until its access in Entra is gone.
pub const FINALIZER: &str = "entrapim.dev/revoke";
/// The finalizer that holds a deleted `PimPolicy` until the rules are restored.
pub const RESTORE_FINALIZER: &str = "entrapim.dev/restore";
/// The annotation that abandons a grant on deletion; its value must be the object's uid.
pub const ABANDON_ANNOTATION: &str = "entrapim.dev/abandon";
/// The annotation on an `EntraTenant` that lets revocations go on which its removal guard holds; its value is what the tenant's
/// `Ready` message names.
pub const ACKNOWLEDGE_REMOVALS_ANNOTATION: &str = "entrapim.dev/acknowledge-removals";
/// The annotation that asks for a reconcile now; any new value does.
pub const RECONCILE_ANNOTATION: &str = "entrapim.dev/requestedAt";
/// On a Secret that a tenant signs in with: when what it holds ends, such as `2027-01-31T00:00:00Z`.
pub const EXPIRES_ANNOTATION: &str = "entrapim.dev/expires";
