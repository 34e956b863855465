//! What the removal guard of a tenant remembers, in `EntraTenant.status`. It outlives the process: after a restart no grant more
//! is revoked than without one.

use chrono::{DateTime, Utc};
use kube::KubeSchema;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The state of the removal guard of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemovalGuardStatus {
    /// What people have to know of the guard, and what they can do, if it holds anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub message: Option<String>,
    /// How many objects wait because the guard holds their revocation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<u32>,
    /// The trip that holds further revocations until somebody acknowledges them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tripped: Option<GuardTrip>,
    /// The last acknowledgment, as long as it matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<RemovalAcknowledgment>,
    /// The revocations of the last window that nobody acknowledged, counted together in steps of a minute or more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[schemars(length(max = 64))]
    pub recent: Vec<CountedRemovals>,
    /// The revocations that were about to be sent, or were sent without an answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[schemars(length(max = 512))]
    pub under_way: Vec<RemovalUnderWay>,
}

/// A trip of the guard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct GuardTrip {
    /// The name of this trip; an acknowledgment has to name it.
    #[schemars(length(max = 64))]
    pub id: String,
    /// When the guard tripped, in UTC.
    #[schemars(schema_with = "reported_instant_schema")]
    pub since: DateTime<Utc>,
    /// How many grants had been revoked within the window.
    pub revoked: u32,
    /// How many grants the operator managed when the window began.
    pub managed: u32,
}

/// An acknowledgment of a trip. It is taken once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemovalAcknowledgment {
    /// The trip that was acknowledged.
    #[schemars(length(max = 64))]
    pub id: String,
    /// How many revocations it lets through.
    pub count: u32,
    /// How many of them are left.
    pub left: u32,
    /// When it was taken, or last used, in UTC.
    #[schemars(schema_with = "reported_instant_schema")]
    pub last_used: DateTime<Utc>,
}

/// Revocations that count together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CountedRemovals {
    /// No later than this they were carried out, in UTC.
    #[schemars(schema_with = "reported_instant_schema")]
    pub until: DateTime<Utc>,
    /// How many.
    pub count: u32,
}

/// A revocation whose outcome is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemovalUnderWay {
    /// The uid of the object whose grant is revoked.
    #[schemars(length(max = 64))]
    pub uid: String,
    /// When it was let through, in UTC.
    #[schemars(schema_with = "reported_instant_schema")]
    pub since: DateTime<Utc>,
    /// The acknowledgment that lets it through; absent if it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub acknowledged_by: Option<String>,
}

fn reported_instant_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time", "maxLength": 64})
}
