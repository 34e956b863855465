//! `EntraTenant`: one Entra tenant, how the operator signs in to it, and how hard it may press Graph.

#![allow(
    clippy::duplicated_attributes,
    reason = "every printer column says its type"
)]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::tenant_status::EntraTenantStatus;
use super::{
    cel::{endpoint_schema, object_name_schema, period_schema, secret_key_schema},
    guid::Guid,
};

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
    doc = "An EntraTenant is the connection to one Entra tenant: how the operator signs in, and how hard it may press Graph. Grants name it in `tenantRef`; the one named `default` serves grants that name none.",
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
    /// The id of the tenant, a GUID in lower case; the Entra admin centre shows it on the overview page. It may not change, since
    /// grants are bound to it.
    #[x_kube(validation = ("self == oldSelf", "`tenantId` may not change: create another EntraTenant"))]
    pub tenant_id: Guid,
    /// The national cloud that the tenant lives in: `Public` (the default), `USGovernment` (GCC High), `USGovernmentDoD` or `China`
    /// (operated by 21Vianet). It may not change.
    #[serde(default)]
    #[x_kube(validation = ("self == oldSelf", "`cloud` may not change: create another EntraTenant"))]
    pub cloud: Cloud,
    /// How the operator signs in to the tenant; exactly one way.
    pub credential: TenantCredential,
    /// Other addresses than those of the cloud, for a simulator or a private cloud. Few tenants need it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<TenantEndpoints>,
    /// How often everything is compared with Entra: a whole number with the unit `s`, `m` or `h`, such as `15m` (the default);
    /// at least `1m` and at most `24h`. Changes that people make in Entra are found at this pace, because Entra offers no
    /// notification of them; changes of manifests are acted on at once.
    #[serde(default = "default_resync_period")]
    #[schemars(schema_with = "period_schema")]
    pub resync_period: String,
    /// How hard the operator may press Graph. What Graph itself asks for when it throttles is obeyed in any case.
    #[serde(default)]
    pub limits: TenantLimits,
    /// When revocations stop and wait for a person: a wrong commit must not strip a company of its access. The defaults hold where it
    /// is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal_guard: Option<RemovalGuard>,
    /// While it is true, nothing is written to the tenant but revocations.
    #[serde(default)]
    pub freeze: bool,
    /// Principals such as break-glass accounts, each by its id: no object grants them anything, and their access is never revoked
    /// or shortened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    #[schemars(length(max = 64))]
    pub protected_principals: Vec<ProtectedPrincipal>,
}

/// When revocations stop: more than the larger of `maxRemovals` and `maxPercent` of the managed grants within `window`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemovalGuard {
    /// How many grants may be revoked within the window in any case: 0 to 100000, by default 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub max_removals: Option<u32>,
    /// How many percent of the tenant's managed grants may be revoked within the window: 0 to 100, by default 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub max_percent: Option<u32>,
    /// The length of the window: a whole number with the unit `s`, `m` or `h`, by default `10m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "period_schema")]
    pub window: Option<String>,
}

/// A principal that no object may touch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProtectedPrincipal {
    /// The object id of the principal, a GUID in lower case.
    pub id: Guid,
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
#[x_kube(validation = Rule::new("[has(self.workloadIdentity), has(self.managedIdentity), has(self.clientSecret), has(self.clientCertificate)].filter(x, x).size() == 1")
    .message("must set exactly one of `workloadIdentity`, `managedIdentity`, `clientSecret` and `clientCertificate`, such as `workloadIdentity: {clientId: …}`"))]
pub struct TenantCredential {
    /// Signs in as an application that trusts a Kubernetes service account (workload identity federation): there is no secret to
    /// keep or to rotate. Prefer it wherever the cluster has a public issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_identity: Option<WorkloadIdentityCredential>,
    /// Signs in as the managed identity of the machine that the operator runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_identity: Option<ManagedIdentityCredential>,
    /// Signs in as an application with a client secret that is kept in a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<ClientSecretCredential>,
    /// Signs in as an application with a certificate that is kept in a Secret together with its private key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificateCredential>,
}

/// A Kubernetes service account that an application trusts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadIdentityCredential {
    /// The application (client) id of the app registration or user-assigned managed identity, a GUID in lower case.
    pub client_id: Guid,
    /// A service account in the operator's own namespace, such as `{name: contoso}`, for an identity of the tenant's own: the
    /// operator asks the API server for its tokens. Without it, the operator signs in with the token that is projected into
    /// its own pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_ref: Option<ServiceAccountRef>,
}

/// A service account in the operator's own namespace; no other namespace can be named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountRef {
    /// The name of the service account, such as `contoso`.
    #[schemars(schema_with = "object_name_schema")]
    pub name: String,
}

/// The managed identity of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManagedIdentityCredential {
    /// The client id of a user-assigned identity, a GUID in lower case; without it, the system-assigned one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<Guid>,
}

/// An application's certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientCertificateCredential {
    /// The application (client) id of the operator's app registration, a GUID in lower case.
    pub client_id: Guid,
    /// The key of a Secret that holds the certificate and its RSA private key in PEM, such as `{name: entra, key: client.pem}`. The
    /// Secret is one in the operator's own namespace; no other can be named. A new value is taken up without a restart.
    pub secret_ref: SecretKeyRef,
}

/// An application's client secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientSecretCredential {
    /// The application (client) id of the operator's app registration, a GUID in lower case.
    pub client_id: Guid,
    /// The key of a Secret that holds the client secret, such as `{name: entra, key: client-secret}`. The Secret is one in the
    /// operator's own namespace; no other can be named. A new value is taken up without a restart.
    pub secret_ref: SecretKeyRef,
}

/// A key of a Secret in the operator's own namespace; no other namespace can be named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// The name of the Secret, such as `entra`.
    #[schemars(schema_with = "object_name_schema")]
    pub name: String,
    /// The key within the Secret, such as `client-secret`.
    #[schemars(schema_with = "secret_key_schema")]
    pub key: String,
}

/// Other addresses than the cloud's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantEndpoints {
    /// The root of Graph without version and path, such as `https://graph.example.com`. Plain `http` is for loopback addresses only.
    /// Without it, it is that of the cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "endpoint_schema")]
    pub graph: Option<String>,
    /// The root of the sign-in authority without tenant and path, such as `https://login.example.com`. Plain `http` is for loopback
    /// addresses only. Without it, it is that of the cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "endpoint_schema")]
    pub authority: Option<String>,
    /// The root of the service that hands out tokens of managed identities. Plain `http` is for loopback addresses only. Without it,
    /// it is the machine's own metadata service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "endpoint_schema")]
    pub managed_identity: Option<String>,
}

/// How hard the operator may press Graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantLimits {
    /// How many calls may be in flight at once: 1 to 64, by default 8.
    #[serde(default = "default_max_concurrency")]
    #[schemars(range(min = 1, max = 64))]
    pub max_concurrency: u32,
    /// How many calls may start in a second: 1 to 10000, by default 20. Each request inside a batch counts as one.
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

fn default_resync_period() -> String {
    "15m".to_owned()
}

const fn default_max_concurrency() -> u32 {
    8
}

const fn default_requests_per_second() -> u32 {
    20
}
