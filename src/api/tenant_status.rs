//! The status of an `EntraTenant`: who the operator is there, what it may do, and how its objects fare.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{guid::Guid, removal_guard::RemovalGuardStatus, status::reported_instant_schema};

/// The state of the connection to a tenant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntraTenantStatus {
    /// The generation of `spec` that this status speaks of. It is -1 until the operator has seen the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The conditions of the tenant. `Ready`: the operator can sign in and has the permissions that its objects need. `Reconciling`
    /// (work is in progress) and `Stalled` (a person must act) are there only while true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// The application (client) id that the operator is signed in as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_id: Option<Guid>,
    /// The object id of the service principal that the operator is in this tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_principal_id: Option<Guid>,
    /// When the operator's access token ends, in UTC. It is renewed before that without a word; this field follows within the hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "reported_instant_schema")]
    pub token_expiration_time: Option<DateTime<Utc>>,
    /// The application permissions, against those that the objects of this tenant need.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<TenantPermissions>,
    /// How many objects of this tenant there are, by the reason of their `Ready` condition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["reason".into()]))]
    #[schemars(length(max = 64))]
    pub objects: Vec<ObjectCount>,
    /// Everything that is declared in this tenant has been read from Entra at this time, in UTC, or later. It is brought up to date
    /// once an hour; the metric `entrapim_snapshot_age_seconds` is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "reported_instant_schema")]
    pub last_complete_read_time: Option<DateTime<Utc>>,
    /// How often Graph asked the operator to slow down; absent while it never did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttling: Option<ThrottlingStatus>,
    /// What a flag of the controller takes off the built-in deny list, such as `group:68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7`; absent
    /// where the whole list holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(max = 64)))]
    pub lifted_denials: Vec<String>,
    /// What the removal guard has counted, and whether it holds revocations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal_guard: Option<RemovalGuardStatus>,
}

/// Application permissions by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantPermissions {
    /// Those that the operator's token carries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024), inner(length(max = 128)))]
    pub granted: Vec<String>,
    /// Those that objects of this tenant need and the token does not carry; the least powerful one is named where several would do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024), inner(length(max = 128)))]
    pub missing: Vec<String>,
    /// Those that no object of this tenant needs, or for which a less powerful one is there too: they can be taken away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024), inner(length(max = 128)))]
    pub needless: Vec<String>,
}

/// A number of objects in one state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectCount {
    /// The reason of their `Ready` condition; `Unreported` for objects that have none yet.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// How many there are.
    pub count: u32,
}

/// What Graph asked for when it was pressed too hard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThrottlingStatus {
    /// How many calls were throttled since the operator started.
    pub count: u64,
    /// When it happened last, in UTC.
    #[schemars(schema_with = "reported_instant_schema")]
    pub last_time: DateTime<Utc>,
}
