//! `GrantBoundary`: what a namespace may grant. Without one that allows a grant whole, nothing is granted.

#![allow(
    clippy::duplicated_attributes,
    reason = "every printer column says its type"
)]

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    cel::{
        directory_scope_schema, duration_schema, label_key_schema, label_value_schema,
        labels_schema, namespace_name_schema, object_name_schema, words_schema,
    },
    guid::Guid,
    references::AccessId,
};

/// What a namespace may grant.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "entrapim.dev",
    version = "v1alpha1",
    kind = "GrantBoundary",
    plural = "grantboundaries",
    singular = "grantboundary",
    shortname = "gb",
    category = "entrapim",
    derive = "PartialEq",
    doc = "A GrantBoundary says what the objects of a namespace may grant. Nothing is granted that no boundary allows, and one boundary must allow a grant whole: its tenant, kind, target, principal, access and window. Whoever may write boundaries decides who holds privileged access; keep that to the few who administer the tenant.",
    printcolumn(name = "Namespaces", type_ = "string", json_path = ".spec.namespaces"),
    printcolumn(name = "Tenants", type_ = "string", json_path = ".spec.tenants"),
    printcolumn(name = "Kinds", type_ = "string", json_path = ".spec.kinds"),
    printcolumn(name = "Lost", type_ = "string", json_path = ".spec.onAuthorityLost"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.namespaces) && self.namespaces.size() > 0) || has(self.namespaceSelector)")
    .message("must select namespaces by `namespaces` or `namespaceSelector`: a boundary with neither allows nothing. Write for instance `namespaces: [payments]`"))]
pub struct GrantBoundarySpec {
    /// The namespaces whose objects may grant, by name, such as `[payments]`. Those that `namespaceSelector` selects come on top.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[schemars(length(max = 256))]
    pub namespaces: Vec<NamespaceName>,
    /// The namespaces whose objects may grant, by their labels. Whoever may label a namespace can then move the fence: where that
    /// is not the same people, name the namespaces instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<NamespaceSelector>,
    /// The names of the `EntraTenant` objects that may be granted in, such as `[contoso]`.
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[schemars(length(min = 1, max = 64))]
    pub tenants: Vec<TenantName>,
    /// The kinds of objects that may grant, such as `[GroupEligibility]`. Group kinds need `groups` and role kinds need `roles`:
    /// without them there is nothing that such an object may grant.
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[schemars(length(min = 1, max = 8))]
    pub kinds: Vec<GrantKind>,
    /// The groups that may be granted, each by its id, such as `[{id: 68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7}]`. A name authorises
    /// nothing on its own: it counts for the id that it resolved to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    #[schemars(length(max = 512))]
    pub groups: Vec<BoundaryGroup>,
    /// The directory roles that may be granted, and at which scopes, such as
    /// `[{id: 729827e3-9c14-49f7-bb1b-9608f156bbb8, directoryScopeIds: ["/"]}]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    #[schemars(length(max = 128))]
    pub roles: Vec<BoundaryRole>,
    /// The relationships with a group that may be granted; without it, `member` only. Owners can change the group and its members
    /// outside PIM.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[schemars(length(max = 2))]
    pub access_ids: Vec<AccessId>,
    /// Who may be granted access, such as `{kinds: [User]}`.
    pub principals: BoundaryPrincipals,
    /// How long, and how much. Without it a grant must end, and may be as long as it likes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<BoundaryLimits>,
    /// What a grant has to say for itself; without it, nothing but what the PIM policy demands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirements: Option<BoundaryRequirements>,
    /// What a `PimPolicy` of the namespace may not go below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_floor: Option<PolicyFloor>,
    /// What happens to a grant of this boundary that a later edit no longer allows. With `Freeze`, the default, it stays as it is
    /// and nothing is written any more. With `Revoke` it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "words_schema::<OnAuthorityLost>")]
    pub on_authority_lost: Option<OnAuthorityLost>,
}

/// The name of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct NamespaceName(#[schemars(schema_with = "namespace_name_schema")] pub String);

/// The name of an `EntraTenant`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct TenantName(#[schemars(schema_with = "object_name_schema")] pub String);

/// Selects namespaces by their labels; all that is stated must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.matchLabels) && self.matchLabels.size() > 0) || (has(self.matchExpressions) && self.matchExpressions.size() > 0)")
    .message("must state a label: an empty selector would select every namespace. Write for instance `matchLabels: {team: payments}`"))]
pub struct NamespaceSelector {
    /// Labels that a namespace must have, such as `{team: payments}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels_schema")]
    pub match_labels: BTreeMap<String, String>,
    /// Further demands on the labels, such as `[{key: stage, operator: NotIn, values: [sandbox]}]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[schemars(length(max = 16))]
    pub match_expressions: Vec<LabelExpression>,
}

/// A demand on one label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(self.operator in ['In', 'NotIn']) || (has(self.values) && self.values.size() > 0)")
    .message("`values` must be set with the operators In and NotIn, such as `{key: team, operator: In, values: [payments]}`"))]
#[x_kube(validation = Rule::new("self.operator in ['In', 'NotIn'] || !has(self.values) || self.values.size() == 0")
    .message("`values` may only be set with the operators In and NotIn: leave it out with Exists and DoesNotExist"))]
pub struct LabelExpression {
    /// The label's key, such as `team`.
    #[schemars(schema_with = "label_key_schema")]
    pub key: String,
    /// How the label must relate to `values`.
    pub operator: LabelOperator,
    /// The values, with the operators `In` and `NotIn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[schemars(length(max = 32))]
    pub values: Vec<LabelValue>,
}

/// How a label must relate to values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum LabelOperator {
    /// The label has one of the values.
    In,
    /// The label is missing or has none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is missing.
    DoesNotExist,
}

/// A label's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct LabelValue(#[schemars(schema_with = "label_value_schema")] pub String);

/// A kind of object that needs a boundary.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(inline)]
pub enum GrantKind {
    /// Eligible membership or ownership of a group.
    GroupEligibility,
    /// Active membership or ownership of a group.
    GroupAssignment,
    /// An eligible directory role.
    RoleEligibility,
    /// An active directory role.
    RoleAssignment,
    /// The PIM rules of a group or role.
    PimPolicy,
}

/// A group that may be granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BoundaryGroup {
    /// The object id of the group, a GUID in lower case.
    pub id: Guid,
}

/// A directory role that may be granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BoundaryRole {
    /// The id of the role definition, a GUID in lower case; of a built-in role, that of its template.
    pub id: Guid,
    /// The scopes at which it may be granted, such as `/` for the whole tenant or
    /// `/administrativeUnits/5d107bba-d8e2-4e13-b6ae-884be90e5d1a`. A wider scope does not include a narrower one.
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[schemars(length(min = 1, max = 64))]
    pub directory_scope_ids: Vec<DirectoryScopeId>,
}

/// A directory scope: `/`, `/administrativeUnits/<id>` or `/<object id>`.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
#[schemars(inline)]
pub struct DirectoryScopeId(#[schemars(schema_with = "directory_scope_schema")] pub String);

/// Who may be granted access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BoundaryPrincipals {
    /// The kinds of principals, such as `[User]`.
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[schemars(length(min = 1, max = 3))]
    pub kinds: Vec<PrincipalKind>,
    /// Only principals that are members of one of these groups, directly or through other groups, as judged anew at every write.
    /// Without it, any principal of the kinds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[schemars(length(max = 20))]
    pub member_of_group_ids: Vec<Guid>,
}

/// What sort of directory object a principal is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(inline)]
pub enum PrincipalKind {
    /// A person's account.
    User,
    /// A group.
    Group,
    /// An application's identity, or a managed identity.
    ServicePrincipal,
}

/// How long, and how much.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BoundaryLimits {
    /// Whether a grant may be without an end: `Forbidden`, the default, or `Allowed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "words_schema::<Permanence>")]
    pub permanent: Option<Permanence>,
    /// The longest window of an eligibility, such as `P180D`; without it, any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "duration_schema")]
    pub max_eligibility_duration: Option<String>,
    /// The longest window of an active assignment, such as `PT8H`; without it, any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "duration_schema")]
    pub max_assignment_duration: Option<String>,
    /// How many grants the objects of one namespace may hold at once; without it, any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub max_grants_per_namespace: Option<u32>,
}

/// Whether a grant may be without an end: `Forbidden` or `Allowed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum Permanence {
    /// It must end.
    Forbidden,
    /// It need not.
    Allowed,
}

/// What a grant has to say for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BoundaryRequirements {
    /// Whether `justification` must be set: `Required` or `Optional`, the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "words_schema::<Requirement>")]
    pub justification: Option<Requirement>,
    /// Whether `ticketInfo` must be set: `Required` or `Optional`, the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "words_schema::<Requirement>")]
    pub ticket: Option<Requirement>,
}

/// Whether something must be there: `Required` or `Optional`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum Requirement {
    /// It must.
    Required,
    /// It may.
    Optional,
}

/// What a `PimPolicy` may not go below.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyFloor {
    /// The longest activation that a policy may allow, such as `PT8H`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "duration_schema")]
    pub maximum_activation_duration: Option<String>,
    /// Whether activation must demand multi-factor authentication: `Required` or `Optional`, the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "words_schema::<Requirement>")]
    pub multi_factor_authentication: Option<Requirement>,
    /// Whether activation must demand approval: `Required` or `Optional`, the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "words_schema::<Requirement>")]
    pub approval: Option<Requirement>,
}

/// What happens to a grant that its boundary no longer allows: `Freeze` or `Revoke`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum OnAuthorityLost {
    /// It stays as it is; nothing is written.
    #[default]
    Freeze,
    /// It is revoked.
    Revoke,
}
