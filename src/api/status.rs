//! What the operator reports about a grant. Rebuildable from observation, except for the anchored window and the record of
//! the last request, which are what makes a restart safe.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    guid::Guid,
    schedule_info::{Expiration, instant_schema},
};

/// The state of a grant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrantStatus {
    /// The generation of the spec that this status speaks of; -1 before the operator has seen the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The conditions: `Ready`, `ReferencesResolved`, `InSync`, `Authorized`; `Reconciling` and `Stalled` only while true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// The ids that the names in `spec` resolved to. Pinned: a later rename or a new namesake moves nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<ResolvedReferences>,
    /// The window of the grant, fixed when it was first granted, and the schedule in Entra that carries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleStatus>,
    /// Whether the access is in force, as far as it was last looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceStatus>,
    /// The last request sent to Graph for this object, or about to be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_request: Option<LastRequest>,
    /// How the grant came under this object's care.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_via: Option<CreatedVia>,
}

/// Ids and display names behind the references in `spec`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedReferences {
    /// The tenant's id.
    pub tenant_id: Guid,
    /// The group's object id.
    pub group_id: Guid,
    /// The principal's object id.
    pub principal_id: Guid,
    /// The target's display name, or its id where the name could not be read.
    pub target_name: String,
    /// The principal's user principal name or display name, or its id where no name could be read.
    pub principal_name: String,
}

/// The anchored window and the schedule that carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleStatus {
    /// Id of the schedule in Entra; it changes with every update, so it identifies nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The schedule's own status in Entra, such as `Provisioned`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The anchored start, UTC.
    #[schemars(schema_with = "instant_schema")]
    pub start_date_time: DateTime<Utc>,
    /// The anchored end, UTC; absent when permanent. Restoring a removed grant never goes past it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "instant_schema")]
    pub end_date_time: Option<DateTime<Utc>>,
    /// The end for people: `endDateTime`, or `never`.
    pub expires: String,
    /// The window as `spec` declared it when it was anchored: only a change of it opens a new window.
    pub declared: DeclaredWindow,
}

/// The part of `spec.scheduleInfo` that fixes a window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeclaredWindow {
    /// The declared start, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "instant_schema")]
    pub start_date_time: Option<DateTime<Utc>>,
    /// The declared end.
    pub expiration: Expiration,
}

/// Whether the access is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceStatus {
    /// True when Entra listed an instance of this grant.
    pub present: bool,
}

/// One request to Graph: recorded before it is sent, completed with its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastRequest {
    /// Graph's `action`: `adminAssign`, `adminUpdate`, `adminExtend`, `adminRemove`, or `cancel`.
    pub action: String,
    /// The `client-request-id` that the call carried.
    pub client_request_id: String,
    /// When it was recorded, UTC.
    #[schemars(schema_with = "instant_schema")]
    pub time: DateTime<Utc>,
    /// Id of the request in Graph; absent until Graph answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The request's status as last read, such as `Provisioned`; absent until Graph answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Graph's error code when the request was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How a grant came under an object's care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum CreatedVia {
    /// The operator requested it.
    Operator,
    /// It was there already, as declared.
    Adopted,
}
