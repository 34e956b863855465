//! How a manifest names a tenant, a group, a role, an administrative unit and a principal: by id, or by a name that is resolved once and then pinned.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    cel::{display_name_schema, object_name_schema, user_principal_name_schema},
    guid::Guid,
};

/// Names the `EntraTenant` that a grant belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantRef {
    /// The name of an `EntraTenant`, such as `contoso`. `EntraTenant`s belong to the cluster, not to a namespace. While there is
    /// none of that name the grant waits, and its condition `ReferencesResolved` says so.
    #[schemars(schema_with = "object_name_schema")]
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
    /// The object id of the group, a GUID in lower case, such as `68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7`. It is the safer way to
    /// name a group: a name can be given to another group, an id cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Guid>,
    /// The display name of the group, such as `payments-ops`. Exactly one group of the tenant must have it; with none or several
    /// nothing is granted, and the condition `ReferencesResolved` says so. The name is resolved once. The id is then kept in
    /// `status.resolved`, so that a group that takes the name later receives nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "display_name_schema")]
    pub display_name: Option<String>,
}

/// The directory role that an object is about: exactly one of `id` and `displayName`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.id), has(self.displayName)].filter(x, x).size() == 1")
    .message("must set exactly one of `id` and `displayName`"))]
pub struct RoleRef {
    /// The id of the role definition, a GUID in lower case, such as `729827e3-9c14-49f7-bb1b-9608f156bbb8`; of a built-in role,
    /// that of its template, which is the same in every tenant. It is the safer way to name a role: Microsoft renames roles, and
    /// a custom role's name can be given to another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Guid>,
    /// The display name of the role, such as `Helpdesk Administrator`. Exactly one role of the tenant must have it; upper and lower
    /// case count as the same. The name is resolved once. The id is then kept in `status.resolved`, so that a rename moves nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "display_name_schema")]
    pub display_name: Option<String>,
}

/// The administrative unit whose members a role holds for: exactly one of `id` and `displayName`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.id), has(self.displayName)].filter(x, x).size() == 1")
    .message("must set exactly one of `id` and `displayName`"))]
pub struct AdministrativeUnitRef {
    /// The object id of the administrative unit, a GUID in lower case, such as `5d107bba-d8e2-4e13-b6ae-884be90e5d1a`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Guid>,
    /// The display name of the administrative unit, such as `Sales EMEA`. Exactly one of the tenant must have it; with none or
    /// several nothing is granted, and the condition `ReferencesResolved` says so. The name is resolved once. The id is then kept
    /// in `status.resolved`, so that a unit that takes the name later changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "display_name_schema")]
    pub display_name: Option<String>,
}

/// Who receives the access: exactly one of the four ways to name a principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "[has(self.id), has(self.userPrincipalName), has(self.groupDisplayName), has(self.servicePrincipalAppId)].filter(x, x).size() == 1")
    .message("must set exactly one of `id`, `userPrincipalName`, `groupDisplayName` and `servicePrincipalAppId`"))]
pub struct PrincipalRef {
    /// The object id of a user, a group or a service principal, a GUID in lower case, such as
    /// `0f7c1f0b-6c62-4e0a-93b5-7bd1f3d1c7a4`. It is the safer way to name a principal: it never passes to another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Guid>,
    /// The user principal name of a user, such as `alice@contoso.com`. That of a guest is the long one with `#EXT#`. It is resolved
    /// once; the id is then kept in `status.resolved`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "user_principal_name_schema")]
    pub user_principal_name: Option<String>,
    /// The display name of a group that receives the access, such as `payments-on-call`. Exactly one group of the tenant must have
    /// it. It is resolved once; the id is then kept in `status.resolved`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "display_name_schema")]
    pub group_display_name: Option<String>,
    /// The application (client) id of a service principal, a GUID in lower case. It is not the object id of the application, nor
    /// that of the service principal, which belongs into `id`.
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
