//! What every grant says besides its target: who, until when, why, and how the operator may act on it.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    cel::{justification_schema, ticket_schema},
    references::{PrincipalRef, TenantRef},
    schedule_info::ScheduleInfo,
};

/// The part of a grant's `spec` that all kinds share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrantTerms {
    /// The `EntraTenant` that the grant belongs to. Without it, it is the one named `default`. It may not change.
    #[serde(default)]
    #[x_kube(validation = ("self == oldSelf", "`tenantRef` may not change: delete this object and create another"))]
    pub tenant_ref: TenantRef,
    /// Who receives the access: a user, a group or a service principal, named in exactly one of four ways, such as
    /// `{userPrincipalName: alice@contoso.com}`. It may not change.
    #[x_kube(validation = ("self == oldSelf", "`principal` may not change: delete this object and create another"))]
    pub principal: PrincipalRef,
    /// When the access starts and ends, and what happens at its end. An edit moves the window of the existing grant; it opens a
    /// new one if the old one has ended.
    pub schedule_info: ScheduleInfo,
    /// Why the access is granted, such as `On-call for payments`; at most 300 characters. Every request carries it, followed by a
    /// reference to this object, so that it appears in Entra's audit log. Many PIM policies demand one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "justification_schema")]
    pub justification: Option<String>,
    /// The ticket behind the grant, such as `{ticketNumber: CHG-42, ticketSystem: servicenow}`. Some PIM policies demand one. PIM
    /// records it and does not look it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket_info: Option<TicketInfo>,
    /// What the operator may do. With `Manage`, the default, it makes Entra agree with this object. With `Observe` it only
    /// compares: differences are reported in the condition `InSync`, and nothing is ever written to Entra, not even when the object
    /// is deleted.
    #[serde(default)]
    pub management_policy: ManagementPolicy,
    /// What deleting this object does. With `Revoke`, the default, the access is removed from Entra before the object goes. With
    /// `Retain` the access stays in Entra, and nobody manages it any more.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// If `true`, nothing is written to Entra for this object until it is `false` again: no grant, no renewal and no revocation. A
    /// deleted object then waits with its revocation, unless its `deletionPolicy` is `Retain`. The state is still observed and
    /// reported.
    #[serde(default)]
    pub suspend: bool,
}

/// Graph's `ticketInfo`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TicketInfo {
    /// The number of the ticket, such as `CHG-42`; at most 128 characters.
    #[schemars(schema_with = "ticket_schema")]
    pub ticket_number: String,
    /// The system that holds the ticket, such as `servicenow`; at most 128 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "ticket_schema")]
    pub ticket_system: Option<String>,
}

/// Whether the operator may write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum ManagementPolicy {
    /// Entra is made to agree with the object.
    #[default]
    Manage,
    /// Differences are reported and nothing is written.
    Observe,
}

/// What deleting the object does to the access.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum DeletionPolicy {
    /// The access is removed before the object goes.
    #[default]
    Revoke,
    /// The access stays in Entra.
    Retain,
}
