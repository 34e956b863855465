//! `GroupEligibility` and `GroupAssignment`: one principal's eligible or active membership or ownership of a group.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::{
    references::{AccessId, GroupRef},
    status::GrantStatus,
    terms::GrantTerms,
};

/// What a group grant is about: the group and the relationship.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupTarget {
    /// The group, named in exactly one of two ways, such as `{id: 68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7}` or
    /// `{displayName: payments-ops}`. It may not change.
    #[x_kube(validation = ("self == oldSelf", "`group` may not change: delete this object and create another"))]
    pub group: GroupRef,
    /// Which relationship with the group is granted: `member` or `owner`. Owners can change the group and its members. It may not
    /// change.
    #[x_kube(validation = ("self == oldSelf", "`accessId` may not change: delete this object and create another"))]
    pub access_id: AccessId,
}

macro_rules! group_grant_kind {
    ($spec:ident, $kind:tt, $plural:tt, $singular:tt, $short:tt, $doc:tt) => {
        /// What the object declares: a group, a principal, and a window of time.
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
            selectable = ".spec.group.id",
            selectable = ".spec.principal.id",
            printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
            printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
            printcolumn(name = "Principal", type_ = "string", json_path = ".status.resolved.principalName"),
            printcolumn(name = "Target", type_ = "string", json_path = ".status.resolved.targetName"),
            printcolumn(name = "Access", type_ = "string", json_path = ".spec.accessId"),
            printcolumn(name = "Expires", type_ = "string", json_path = ".status.schedule.expires"),
            printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
            printcolumn(name = "Message", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].message"#, priority = 1),
            printcolumn(name = "Boundary", type_ = "string", json_path = ".status.authorizedBy.name", priority = 1)
        )]
        #[serde(rename_all = "camelCase")]
        pub struct $spec {
            /// The group and the relationship.
            #[serde(flatten)]
            pub target: GroupTarget,
            /// Who, until when, why, and how the operator may act.
            #[serde(flatten)]
            pub terms: GrantTerms,
        }
    };
}

group_grant_kind!(
    GroupEligibilitySpec,
    "GroupEligibility",
    "groupeligibilities",
    "groupeligibility",
    "ge",
    "A GroupEligibility makes one principal eligible for membership or ownership of a group: the principal may activate it \
     through PIM, by the rules of the group's PIM policy. While the object exists the operator keeps the eligibility in \
     Entra as declared; deleting the object removes it."
);

group_grant_kind!(
    GroupAssignmentSpec,
    "GroupAssignment",
    "groupassignments",
    "groupassignment",
    "ga",
    "A GroupAssignment gives one principal active membership or ownership of a group through PIM, in force for the declared \
     window without an activation. While the object exists the operator keeps the assignment in Entra as declared; \
     deleting the object removes it."
);
