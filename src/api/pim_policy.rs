//! `PimPolicy`: the PIM rules of a group's members or owners, or of a directory role. Only what is stated is managed.

#![allow(
    clippy::duplicated_attributes,
    reason = "every printer column says its type"
)]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::pim_policy_status::PimPolicyStatus;
use super::{
    cel::{
        claim_value_schema, display_name_schema, duration_schema, email_schema,
        user_principal_name_schema, words_schema,
    },
    guid::Guid,
    references::{AccessId, RoleRef, TenantRef},
    terms::ManagementPolicy,
};

/// The PIM rules of a group's members or owners, or of a directory role.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "entrapim.dev",
    version = "v1alpha1",
    kind = "PimPolicy",
    plural = "pimpolicies",
    singular = "pimpolicy",
    shortname = "pp",
    category = "entrapim",
    namespaced,
    status = "PimPolicyStatus",
    derive = "PartialEq",
    doc = "A PimPolicy states PIM rules of a group's members or owners, or of a directory role: how long access may last, what an activation demands, who approves it and who is told. Only what is stated is managed: Entra's other rules stay as they are, and so does what the object said once it is deleted, unless it is told to restore.",
    selectable = ".spec.tenantRef.name",
    selectable = ".spec.target.group.id",
    selectable = ".spec.target.role.id",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#
    ),
    printcolumn(
        name = "Target",
        type_ = "string",
        json_path = ".status.resolved.targetName"
    ),
    printcolumn(
        name = "Access",
        type_ = "string",
        json_path = ".spec.target.group.accessId"
    ),
    printcolumn(name = "Rules", type_ = "integer", json_path = ".status.rulesManaged"),
    printcolumn(
        name = "Drifted",
        type_ = "integer",
        json_path = ".status.rulesDrifted"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Summary",
        type_ = "string",
        json_path = ".status.summary",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        priority = 1
    ),
    printcolumn(
        name = "Boundary",
        type_ = "string",
        json_path = ".status.authorizedBy.name",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct PimPolicySpec {
    /// The `EntraTenant` that the policy belongs to. Without it, it is the one named `default`. It may not change.
    #[serde(default)]
    #[x_kube(validation = ("self == oldSelf", "`tenantRef` may not change: delete this object and create another"))]
    pub tenant_ref: TenantRef,
    /// Whose rules these are: those of a group's members or owners, such as
    /// `{group: {id: 68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7, accessId: member}}`, or those of a directory role, such as
    /// `{role: {displayName: Helpdesk Administrator}}`. It may not change. Two objects for one target conflict: the older one holds.
    #[x_kube(validation = ("self == oldSelf", "`target` may not change: delete this object and create another"))]
    pub target: PolicyTarget,
    /// The rules that are stated.
    #[serde(flatten)]
    pub rules: PolicyRules,
    /// What the operator may do. With `Manage`, the default, it makes Entra agree with this object. With `Observe` it only
    /// compares: differences are reported in the condition `InSync`, and nothing is ever written to Entra.
    #[serde(default)]
    pub management_policy: ManagementPolicy,
    /// What deleting this object does. With `Retain`, the default, the rules stay in Entra as they are. With `Restore` the values
    /// come back that were found when this object first managed them; `status.baseline` shows them.
    #[serde(default)]
    pub deletion_policy: PolicyDeletion,
    /// If `true`, nothing is written to Entra for this object until it is `false` again. A deleted object then waits with its
    /// restoration. The state is still observed and reported.
    #[serde(default)]
    pub suspend: bool,
}

/// Whose rules: exactly one of `group` and `role`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.group), has(self.role)].filter(x, x).size() == 1")
    .message("must set exactly one of `group` and `role`"))]
pub struct PolicyTarget {
    /// A group and one relationship with it: members and owners have rules of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<PolicyGroup>,
    /// A directory role. Its rules hold at every directory scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleRef>,
}

/// A group, exactly one of `id` and `displayName`, and one relationship with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.id), has(self.displayName)].filter(x, x).size() == 1")
    .message("must set exactly one of `id` and `displayName`"))]
pub struct PolicyGroup {
    /// The object id of the group, a GUID in lower case, such as `68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Guid>,
    /// The display name of the group, such as `payments-ops`. Exactly one group of the tenant must have it. The name is resolved
    /// once. The id is then kept in `status.resolved`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "display_name_schema")]
    pub display_name: Option<String>,
    /// The relationship whose rules are meant: `member` or `owner`.
    pub access_id: AccessId,
}

/// The rules, in blocks; every block and every field may be left out, and is then not managed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRules {
    /// What holds when an administrator, or this operator, makes somebody eligible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eligibility: Option<AssignmentRules>,
    /// What holds when an administrator, or this operator, gives somebody active access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignment: Option<AssignmentRules>,
    /// What holds when somebody who is eligible activates the access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<ActivationRules>,
    /// Who is told by mail: of eligibilities, of active assignments and of activations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notifications: Option<NotificationRules>,
}

/// What holds when somebody is made eligible or given active access.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssignmentRules {
    /// Whether access may be without an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permanent_allowed: Option<bool>,
    /// The longest window of access that ends: an ISO 8601 duration in days, hours and minutes, such as `P365D`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "duration_schema")]
    pub maximum_duration: Option<String>,
    /// What the request must carry, any of `Justification`, `Ticketing` and `MultiFactorAuthentication`; an empty list demands
    /// nothing. `MultiFactorAuthentication` is refused here: an application cannot pass it, so that the operator would lock itself
    /// out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[schemars(length(max = 3))]
    pub require: Option<Vec<Demand>>,
}

/// What holds when somebody who is eligible activates the access.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActivationRules {
    /// The longest activation, such as `PT8H`; Entra's portal offers up to `PT24H`. Every activation ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "duration_schema")]
    pub maximum_duration: Option<String>,
    /// What the person must do, any of `MultiFactorAuthentication`, `Justification` and `Ticketing`; an empty list demands nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[schemars(length(max = 3))]
    pub require: Option<Vec<Demand>>,
    /// The authentication context that the person must satisfy, such as `{claimValue: c1}`, or `{disabled: {}}` for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication_context: Option<AuthenticationContext>,
    /// Who must approve, such as `{approvers: [{groupDisplayName: payments-approvers}]}`, or `{disabled: {}}` for nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
}

/// What a request has to bring.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(inline)]
pub enum Demand {
    /// A sign-in with a second factor.
    MultiFactorAuthentication,
    /// A reason.
    Justification,
    /// A ticket.
    Ticketing,
}

/// An authentication context: exactly one of `claimValue` and `disabled`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.claimValue), has(self.disabled)].filter(x, x).size() == 1")
    .message("must set exactly one of `claimValue` and `disabled`, such as `{claimValue: c1}` or `{disabled: {}}`"))]
pub struct AuthenticationContext {
    /// The id of the authentication context in Conditional Access: `c1` to `c99`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "claim_value_schema")]
    pub claim_value: Option<String>,
    /// No authentication context is demanded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<Disabled>,
}

/// Who must approve an activation: exactly one of `approvers` and `disabled`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.approvers), has(self.disabled)].filter(x, x).size() == 1")
    .message("must set exactly one of `approvers` and `disabled`, such as `{approvers: [{groupDisplayName: payments-approvers}]}` or `{disabled: {}}`"))]
pub struct Approval {
    /// Those who may approve; one of them is enough. Nobody approves a request of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[schemars(length(min = 1, max = 100))]
    pub approvers: Option<Vec<ApproverRef>>,
    /// No approval is demanded. The approvers that Entra knows stay recorded there, for the day it is demanded again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<Disabled>,
}

/// Something is off; written `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Disabled {}

/// Who may approve: exactly one of the three ways to name a user or a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.id), has(self.userPrincipalName), has(self.groupDisplayName)].filter(x, x).size() == 1")
    .message("must set exactly one of `id`, `userPrincipalName` and `groupDisplayName`"))]
#[x_kube(validation = Rule::new("!has(self.kind) || has(self.id)")
    .message("`kind` may only be set with `id`"))]
pub struct ApproverRef {
    /// The object id of a user or a group, a GUID in lower case. It is the safer way to name an approver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Guid>,
    /// Whether `id` is that of a `User` or of a `Group`. Without it, it is looked up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "words_schema::<ApproverKind>")]
    pub kind: Option<ApproverKind>,
    /// The user principal name of a user, such as `lead@contoso.com`. It is resolved once; the id is then kept in `status.resolved`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "user_principal_name_schema")]
    pub user_principal_name: Option<String>,
    /// The display name of a group, any member of which may approve, such as `payments-approvers`. Exactly one group of the tenant
    /// must have it. It is resolved once; the id is then kept in `status.resolved`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "display_name_schema")]
    pub group_display_name: Option<String>,
}

/// What sort of object an approver is: `User` or `Group`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(inline)]
pub enum ApproverKind {
    /// One person.
    User,
    /// Every member of a group.
    Group,
}

/// Who is told by mail, by what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationRules {
    /// When somebody is made eligible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eligibility: Option<Audiences>,
    /// When somebody is given active access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignment: Option<Audiences>,
    /// When somebody activates the access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<Audiences>,
}

/// The three circles of people that PIM writes to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Audiences {
    /// Administrators: an alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<Notification>,
    /// The person who receives or activates the access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requestor: Option<Notification>,
    /// Those who may approve: a request to do so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approver: Option<Notification>,
}

/// One kind of mail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// Which mails are sent: `All`, `Critical` or `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "words_schema::<NotificationLevel>")]
    pub notification_level: Option<NotificationLevel>,
    /// Whether they go to the people that PIM chooses by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_recipients: Option<bool>,
    /// The addresses that they go to as well, such as `[soc@contoso.com]`; an empty list is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[schemars(length(max = 200))]
    pub recipients: Option<Vec<EmailAddress>>,
}

/// Which mails are sent: `All`, `Critical` or `None`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(inline)]
pub enum NotificationLevel {
    /// None.
    None,
    /// Those that ask for an action.
    Critical,
    /// All of them.
    All,
}

/// A mail address.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
#[schemars(inline)]
pub struct EmailAddress(#[schemars(schema_with = "email_schema")] pub String);

/// What deleting the object does to the rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum PolicyDeletion {
    /// They stay as they are.
    #[default]
    Retain,
    /// The values come back that were found when the object first managed them.
    Restore,
}
