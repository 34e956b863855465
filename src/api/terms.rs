//! What every grant says besides its target: who, until when, why, and how the operator may act on it.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    references::{PrincipalRef, TenantRef},
    schedule_info::ScheduleInfo,
};

/// The part of a grant's `spec` that all kinds share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrantTerms {
    /// The EntraTenant the grant belongs to; without it, the one named `default`. Immutable.
    #[serde(default)]
    #[x_kube(validation = ("self == oldSelf", "`tenantRef` may not change: delete this object and create another"))]
    pub tenant_ref: TenantRef,
    /// Who receives the access. Immutable.
    #[x_kube(validation = ("self == oldSelf", "`principal` may not change: delete this object and create another"))]
    pub principal: PrincipalRef,
    /// When the access starts and ends.
    pub schedule_info: ScheduleInfo,
    /// Why the access is granted; goes to Entra's audit log with every request. Many PIM policies demand one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 300))]
    pub justification: Option<String>,
    /// The ticket behind the grant, where the PIM policy asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket_info: Option<TicketInfo>,
    /// `Manage`: Entra is made to agree with this object. `Observe`: differences are reported, nothing is ever written.
    #[serde(default)]
    pub management_policy: ManagementPolicy,
    /// `Revoke`: deleting this object removes the access. `Retain`: the access stays in Entra, unmanaged.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// Stops every write for this object until it is false again; the state is still reported.
    #[serde(default)]
    pub suspend: bool,
}

/// Graph's `ticketInfo`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TicketInfo {
    /// The number of the ticket, such as `CHG-42`.
    #[schemars(length(min = 1, max = 128))]
    pub ticket_number: String,
    /// The system that holds the ticket, such as `servicenow`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
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
