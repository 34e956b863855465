//! What the operator reports about a grant. Rebuildable from observation, except for the anchored window and the record of
//! the last request, which are what makes a restart safe.
//!
//! Bounds here are generous, and [`super::crds`] leaves out every CEL rule: a report must never be refused.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{boundary::PrincipalKind, guid::Guid, schedule_info::Expiration};

/// The state of a grant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrantStatus {
    /// The generation of `spec` that this status speaks of. It is -1 until the operator has seen the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The conditions of the grant. `Ready`: Entra holds what the object declares, or lawfully no longer does. `Authorized`: a
    /// boundary permits the grant. `ReferencesResolved`: tenant, target and principal were found. `InSync`: the last observation
    /// equals the declared state. `Reconciling` (work is in progress) and `Stalled` (a person must act) are there only while true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// The ids that the names in `spec` resolved to. They are kept: neither a rename nor a new namesake moves the grant.
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
    /// The boundary that allows the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorized_by: Option<AuthorizedBy>,
    /// The operator's own mark on what it recorded, by which it knows a record that somebody else wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub seal: Option<String>,
}

/// A boundary, as it was when it was judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizedBy {
    /// The boundary's name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// The boundary's uid.
    #[schemars(length(max = 64))]
    pub uid: String,
    /// The generation of the boundary's `spec`.
    pub generation: i64,
}

/// Ids and display names behind the references in `spec`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedReferences {
    /// The id of the tenant.
    pub tenant_id: Guid,
    /// The object id of the group, of a grant for a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_id: Option<Guid>,
    /// The id of the role definition, of a grant for a role; of a built-in role, that of its template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_id: Option<Guid>,
    /// The scope of a role, as Graph writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub directory_scope_id: Option<String>,
    /// The object id of the principal.
    pub principal_id: Guid,
    /// The display name of the target, or its id where the name could not be read.
    #[schemars(length(max = 1024))]
    pub target_name: String,
    /// The name of the scope of a role: `/` for the tenant, or the display name of the administrative unit, or the scope itself
    /// where no name could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub scope_name: Option<String>,
    /// The user principal name or display name of the principal, or its id where no name could be read.
    #[schemars(length(max = 1024))]
    pub principal_name: String,
    /// What sort of directory object the principal is: `User`, `Group` or `ServicePrincipal`; absent where it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal_kind: Option<PrincipalKind>,
}

/// The anchored window and the schedule that carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleStatus {
    /// The id of the schedule in Entra. It changes with every update, so it identifies nothing for long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub id: Option<String>,
    /// The status of the schedule in Entra, such as `Provisioned`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub status: Option<String>,
    /// The start of the access in UTC, as it was fixed by the first grant.
    #[schemars(schema_with = "reported_instant_schema")]
    pub start_date_time: DateTime<Utc>,
    /// The end of the access in UTC, as it was fixed by the first grant; absent when it is permanent. Restoring a removed grant
    /// never goes past it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "reported_instant_schema")]
    pub end_date_time: Option<DateTime<Utc>>,
    /// The end for people: `endDateTime`, or `never`.
    #[schemars(length(max = 64))]
    pub expires: String,
    /// The window as `spec` declared it when it was fixed. Only a change of it opens a new window.
    pub declared: DeclaredWindow,
}

/// The part of `spec.scheduleInfo` that fixes a window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeclaredWindow {
    /// The declared start in UTC; absent when none was declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "reported_instant_schema")]
    pub start_date_time: Option<DateTime<Utc>>,
    /// The declared end.
    pub expiration: Expiration,
}

/// Whether the access is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceStatus {
    /// It is true if Entra listed an instance of this grant when it was last looked at.
    pub present: bool,
}

/// One request to Graph: recorded before it is sent, completed with its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastRequest {
    /// The `action` in Graph's terms: `adminAssign`, `adminUpdate`, `adminExtend`, `adminRemove` or `cancel`.
    #[schemars(length(max = 64))]
    pub action: String,
    /// The `client-request-id` that the call carried; Microsoft's support asks for it.
    #[schemars(length(max = 64))]
    pub client_request_id: String,
    /// When the request was recorded, in UTC.
    #[schemars(schema_with = "reported_instant_schema")]
    pub time: DateTime<Utc>,
    /// When the request was seen to be carried out, in UTC, if Entra worked on it for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "reported_instant_schema")]
    pub settled_time: Option<DateTime<Utc>>,
    /// The generation of the spec that the request was sent for.
    pub generation: i64,
    /// The id of the request in Graph; absent until Graph has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub id: Option<String>,
    /// The status of the request as it was last read, such as `Provisioned`; absent until Graph has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub status: Option<String>,
    /// Graph's error code, if the request was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub error: Option<String>,
    /// The refusal in a sentence, if the request was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
    /// How many requests in a row have failed, this one included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<u32>,
    /// When the first of them failed, in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "reported_instant_schema")]
    pub failing_since: Option<DateTime<Utc>>,
}

/// How the grant came under this object's care: `Operator` if the operator requested it, `Adopted` if it was there already.
// The schema of an optional enum is described by its type, not by the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum CreatedVia {
    /// The operator requested it.
    Operator,
    /// It was there already, as declared.
    Adopted,
}

pub(super) fn reported_instant_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time", "maxLength": 64})
}
