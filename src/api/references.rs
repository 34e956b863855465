//! How a manifest names a tenant, a group and a principal: by id, or by a name that is resolved once and then pinned.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::guid::Guid;

/// Names the `EntraTenant` that a grant belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantRef {
    /// Name of the cluster-scoped EntraTenant.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

impl Default for TenantRef {
    /// The tenant of a manifest that names none.
    fn default() -> Self {
        Self {
            name: "default".to_owned(),
        }
    }
}

/// The group that a grant is about: exactly one of `id` and `displayName`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.id), has(self.displayName)].filter(x, x).size() == 1")
    .message("must set exactly one of `id` and `displayName`"))]
pub struct GroupRef {
    /// Object id of the group. Preferred: a name can be given to another group, an id cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Guid>,
    /// Display name of the group, which must match exactly one group in the tenant. It is resolved
    /// once; the id is then pinned in `status.resolved`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub display_name: Option<String>,
}

/// Who receives the access: exactly one of the four ways to name a principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "[has(self.id), has(self.userPrincipalName), has(self.groupDisplayName), has(self.servicePrincipalAppId)].filter(x, x).size() == 1")
    .message("must set exactly one of `id`, `userPrincipalName`, `groupDisplayName` and `servicePrincipalAppId`"))]
pub struct PrincipalRef {
    /// Object id of a user, group or service principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Guid>,
    /// User principal name of a user, such as `alice@contoso.com`. A guest's is the one with `#EXT#`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 320))]
    pub user_principal_name: Option<String>,
    /// Display name of a group, which must match exactly one group in the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub group_display_name: Option<String>,
    /// Application (client) id of a service principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_principal_app_id: Option<Guid>,
}

/// Which relationship with the group is granted.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum AccessId {
    /// Membership of the group.
    Member,
    /// Ownership of the group.
    Owner,
}
