//! What the operator reports about a `PimPolicy`. Rebuildable from observation, except for the baseline: what was there before.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{
    guid::Guid,
    pim_policy::{ApproverKind, PolicyRules},
    status::{AuthorizedBy, reported_instant_schema},
};

/// The state of a policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PimPolicyStatus {
    /// The generation of `spec` that this status speaks of. It is -1 until the operator has seen the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The conditions of the policy. `Ready`: Entra holds the rules as stated. `Authorized`: a boundary permits them.
    /// `ReferencesResolved`: tenant, target and approvers were found. `InSync`: the last observation equals what is stated. `Sound`:
    /// nothing about the rules in force looks like a mistake. `Reconciling` (work is in progress) and `Stalled` (a person must act)
    /// are there only while true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// The ids that the names in `spec` resolved to. They are kept: neither a rename nor a new namesake changes what is managed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<ResolvedPolicy>,
    /// The id of the policy in Entra, as it was last read. It changes when a group comes under PIM, so it identifies nothing for
    /// long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub policy_id: Option<String>,
    /// How many of the 17 rules this object states something of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules_managed: Option<u32>,
    /// How many of them differed when they were last read, and have not been set right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules_drifted: Option<u32>,
    /// What an activation takes, as Entra holds it, in a few words: `activation ≤ PT8H, MFA, approval by 2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub summary: Option<String>,
    /// The values that were found when this object first managed them; `deletionPolicy: Restore` brings them back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<PolicyRules>,
    /// The last change that was sent to Graph for this object, or is about to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_update: Option<LastUpdate>,
    /// The boundary that allows the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorized_by: Option<AuthorizedBy>,
    /// The operator's own mark on `resolved` and `baseline`, by which it knows a record that somebody else wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub seal: Option<String>,
}

/// Ids and names behind the references in `spec`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedPolicy {
    /// The id of the tenant.
    pub tenant_id: Guid,
    /// The object id of the group, or the id of the role definition.
    pub target_id: Guid,
    /// The display name of the target, or its id where the name could not be read.
    #[schemars(length(max = 1024))]
    pub target_name: String,
    /// The approvers that `spec` names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[schemars(length(max = 100))]
    pub approvers: Vec<ResolvedApprover>,
}

/// An approver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedApprover {
    /// The object id.
    pub id: Guid,
    /// `User` or `Group`.
    pub kind: ApproverKind,
    /// How `spec` names the approver.
    #[schemars(length(max = 1024))]
    pub name: String,
}

/// One change of the policy: recorded when Graph has answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastUpdate {
    /// The `client-request-id` that the call carried; Microsoft's support asks for it.
    #[schemars(length(max = 64))]
    pub client_request_id: String,
    /// When it was sent, in UTC.
    #[schemars(schema_with = "reported_instant_schema")]
    pub time: DateTime<Utc>,
    /// The generation of `spec` that it was sent for.
    pub generation: i64,
    /// The rules that it changed, by their ids in Graph.
    #[schemars(length(max = 17), inner(length(max = 128)))]
    pub rules: Vec<String>,
    /// Graph's error code, if the change was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub error: Option<String>,
    /// The refusal in a sentence, if the change was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
    /// How many changes in a row have failed, this one included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<u32>,
}
