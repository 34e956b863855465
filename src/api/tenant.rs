//! `EntraTenant`: one Entra tenant, how the operator signs in to it, and how hard it may press Graph.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::guid::Guid;

/// One Entra tenant, how the operator signs in to it, and how hard it may press Graph.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "entrapim.dev",
    version = "v1alpha1",
    kind = "EntraTenant",
    plural = "entratenants",
    singular = "entratenant",
    shortname = "et",
    category = "entrapim",
    status = "EntraTenantStatus",
    derive = "PartialEq",
    doc = "One Entra tenant, how the operator signs in to it, and how hard it may press Graph.",
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
    printcolumn(name = "Tenant", type_ = "string", json_path = ".spec.tenantId"),
    printcolumn(name = "Cloud", type_ = "string", json_path = ".spec.cloud"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct EntraTenantSpec {
    /// The tenant's id. Immutable: grants are pinned to it.
    #[x_kube(validation = ("self == oldSelf", "`tenantId` may not change: create another EntraTenant"))]
    pub tenant_id: Guid,
    /// The national cloud that the tenant lives in. Immutable.
    #[serde(default)]
    #[x_kube(validation = ("self == oldSelf", "`cloud` may not change: create another EntraTenant"))]
    pub cloud: Cloud,
    /// How the operator signs in; exactly one way.
    pub credential: TenantCredential,
    /// Other addresses than the cloud's own: a simulator or a private cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<TenantEndpoints>,
    /// How often everything is compared with Entra, such as `15m` or `1h`; between `1m` and `24h`. Changes that people
    /// make in Entra are found at this pace, because Entra offers no notification of them.
    #[serde(default = "default_resync_period")]
    #[schemars(schema_with = "resync_period_schema")]
    pub resync_period: String,
    /// How hard the operator may press Graph.
    #[serde(default)]
    pub limits: TenantLimits,
}

/// National clouds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum Cloud {
    /// The worldwide cloud.
    #[default]
    Public,
    /// Azure for US Government (GCC High).
    USGovernment,
    /// Azure for US Government, Department of Defense.
    USGovernmentDoD,
    /// Azure in China, operated by 21Vianet.
    China,
}

/// How the operator signs in: exactly one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.clientSecret)")
    .message("must set `clientSecret`: {clientId: …, secretRef: {name: …, key: …}}"))]
pub struct TenantCredential {
    /// An application's client secret, kept in a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<ClientSecretCredential>,
}

/// An application's client secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientSecretCredential {
    /// Application (client) id.
    pub client_id: Guid,
    /// The Secret, in the operator's own namespace, that holds the client secret.
    pub secret_ref: SecretKeyRef,
}

/// A key of a Secret in the operator's own namespace; no other namespace can be named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key within the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// Other addresses than the cloud's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantEndpoints {
    /// Root of Graph, without a version, such as `https://graph.example.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "endpoint_schema")]
    pub graph: Option<String>,
    /// The sign-in authority, such as `https://login.example.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "endpoint_schema")]
    pub authority: Option<String>,
}

/// How hard the operator may press Graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantLimits {
    /// Calls in flight at once.
    #[serde(default = "default_max_concurrency")]
    #[schemars(range(min = 1, max = 64))]
    pub max_concurrency: u32,
    /// Calls a second; each request inside a batch counts.
    #[serde(default = "default_requests_per_second")]
    #[schemars(range(min = 1, max = 10000))]
    pub requests_per_second: u32,
}

impl Default for TenantLimits {
    fn default() -> Self {
        Self {
            max_concurrency: default_max_concurrency(),
            requests_per_second: default_requests_per_second(),
        }
    }
}

/// The state of the connection to a tenant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntraTenantStatus {
    /// The generation of the spec that this status speaks of; -1 before the operator has seen the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The conditions: `Ready`; `Reconciling` and `Stalled` only while true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// Object id of the service principal that the operator is in this tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_principal_id: Option<Guid>,
}

fn default_resync_period() -> String {
    "15m".to_owned()
}

const fn default_max_concurrency() -> u32 {
    8
}

const fn default_requests_per_second() -> u32 {
    20
}

fn resync_period_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "string",
        "maxLength": 16,
        "x-kubernetes-validations": [{
            "rule": "self.matches('^[0-9]{1,5}(s|m|h)$') && duration(self) >= duration('1m') && duration(self) <= duration('24h')",
            "message": "must be a number with a unit, between 1m and 24h, such as 15m",
        }],
    })
}

/// Plain http would show the token to the network, so it is for loopback addresses only.
fn endpoint_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "string",
        "maxLength": 512,
        "x-kubernetes-validations": [{
            "rule": r"self.matches('^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?$') || self.matches('^http://(127\\.0\\.0\\.1|localhost|\\[::1\\])(:[0-9]{1,5})?/?$')",
            "message": "must be https://HOST[:PORT], or http:// with a loopback address (127.0.0.1, localhost or [::1]); no path",
        }],
    })
}
