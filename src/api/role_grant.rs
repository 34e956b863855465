//! `RoleEligibility` and `RoleAssignment`: one principal's eligible or active directory role at a scope.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::{
    boundary::DirectoryScopeId,
    cel::directory_scope_schema,
    references::{AdministrativeUnitRef, RoleRef},
    status::GrantStatus,
    terms::GrantTerms,
};

/// What a role grant is about: the role and where it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleTarget {
    /// The directory role, named in exactly one of two ways, such as `{id: 729827e3-9c14-49f7-bb1b-9608f156bbb8}` or
    /// `{displayName: Helpdesk Administrator}`. It may not change.
    #[x_kube(validation = ("self == oldSelf", "`role` may not change: delete this object and create another"))]
    pub role: RoleRef,
    /// Where the role holds: `/` for the whole tenant, `/administrativeUnits/<id>` for the members of an administrative unit, or
    /// `/<object id>` for one application or service principal. Without it and without `administrativeUnit` it is `/`. Not every
    /// role can be given at every scope. It may not change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "directory_scope_schema")]
    pub directory_scope_id: Option<DirectoryScopeId>,
    /// The administrative unit whose members the role holds for, in the place of `directoryScopeId`, such as
    /// `{displayName: Sales EMEA}`. It may not change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub administrative_unit: Option<AdministrativeUnitRef>,
}

macro_rules! role_grant_kind {
    ($spec:ident, $kind:tt, $plural:tt, $singular:tt, $short:tt, $doc:tt $(, #[$rule:meta])*) => {
        /// What the object declares: a role, a scope, a principal, and a window of time.
        #[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[kube(
            group = "entrapim.dev",
            version = "v1alpha1",
            kind = $kind,
            plural = $plural,
            singular = $singular,
            shortname = $short,
            category = "entrapim",
            namespaced,
            status = "GrantStatus",
            derive = "PartialEq",
            doc = $doc,
            selectable = ".spec.tenantRef.name",
            selectable = ".spec.role.id",
            selectable = ".spec.principal.id",
            printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
            printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
            printcolumn(name = "Principal", type_ = "string", json_path = ".status.resolved.principalName"),
            printcolumn(name = "Target", type_ = "string", json_path = ".status.resolved.targetName"),
            printcolumn(name = "Scope", type_ = "string", json_path = ".status.resolved.scopeName"),
            printcolumn(name = "Expires", type_ = "string", json_path = ".status.schedule.expires"),
            printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
            printcolumn(name = "Message", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].message"#, priority = 1),
            printcolumn(name = "Boundary", type_ = "string", json_path = ".status.authorizedBy.name", priority = 1)
        )]
        #[serde(rename_all = "camelCase")]
        #[x_kube(validation = Rule::new("!has(self.directoryScopeId) || !has(self.administrativeUnit)")
            .message("may not set both `directoryScopeId` and `administrativeUnit`: name the scope in one of the two ways"))]
        // To write the default out, or to leave it out again, changes nothing.
        #[x_kube(validation = Rule::new(
            "(has(self.directoryScopeId) ? self.directoryScopeId : '/') == (has(oldSelf.directoryScopeId) ? oldSelf.directoryScopeId : '/') && has(self.administrativeUnit) == has(oldSelf.administrativeUnit) && (!has(self.administrativeUnit) || self.administrativeUnit == oldSelf.administrativeUnit)")
            .message("`directoryScopeId` and `administrativeUnit` may not change: delete this object and create another"))]
        $(#[$rule])*
        pub struct $spec {
            /// The role and the scope.
            #[serde(flatten)]
            pub target: RoleTarget,
            /// Who, until when, why, and how the operator may act.
            #[serde(flatten)]
            pub terms: GrantTerms,
        }
    };
}

role_grant_kind!(
    RoleEligibilitySpec,
    "RoleEligibility",
    "roleeligibilities",
    "roleeligibility",
    "re",
    "A RoleEligibility makes one principal eligible for a directory role: the principal may activate it through PIM, by the rules \
     of the role's PIM policy. While the object exists the operator keeps the eligibility in Entra as declared; deleting the \
     object removes it.",
    #[x_kube(validation = Rule::new(
        "!has(self.principal.servicePrincipalAppId) || has(self.principal.id) || has(self.principal.userPrincipalName) || has(self.principal.groupDisplayName) || !self.principal.servicePrincipalAppId.matches('^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$')")
        .message("may not name a service principal in `principal`: nobody could activate the role for it. Write a RoleAssignment"))]
);

role_grant_kind!(
    RoleAssignmentSpec,
    "RoleAssignment",
    "roleassignments",
    "roleassignment",
    "ra",
    "A RoleAssignment gives one principal an active directory role through PIM, in force for the declared window without an \
     activation. While the object exists the operator keeps the assignment in Entra as declared; deleting the object removes it."
);
