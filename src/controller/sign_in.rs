//! What a tenant is signed in to with: its Secret, the addresses of its cloud, and what a refusal means.

use std::hash::{DefaultHasher, Hash, Hasher};

use chrono::TimeDelta;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt};
use url::Url;

use crate::{
    api::{
        conditions::Reason,
        tenant::{ClientSecretCredential, Cloud, EntraTenant},
    },
    graph::{self, Advice, Credential, GraphConfig, GraphError, Limits},
};

use super::{context::Context, status::Verdict};

/// Why a tenant could not be signed in to.
pub(super) struct Failure {
    /// What the tenant's `Ready` says of it.
    pub(super) verdict: Verdict,
    /// Whether it may pass by itself.
    pub(super) passing: bool,
}

impl Failure {
    pub(super) fn lasting(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::no(reason, message.into()),
            passing: false,
        }
    }
}

pub(super) async fn read_secret(
    client: &Client,
    namespace: &str,
    credential: &ClientSecretCredential,
) -> Result<graph::Secret, Failure> {
    let reference = &credential.secret_ref;
    let missing = |what: String| Failure::lasting(Reason::CredentialUnavailable, what);
    let found = Api::<Secret>::namespaced(client.clone(), namespace)
        .get_opt(&reference.name)
        .await;
    let secret = match found {
        Ok(Some(secret)) => secret,
        Ok(None) => {
            return Err(missing(format!(
                "there is no Secret {} in the operator's namespace {namespace}",
                reference.name
            )));
        }
        Err(error) => {
            let message = format!(
                "the Secret {namespace}/{} could not be read: {error}",
                reference.name
            );
            return Err(Failure {
                verdict: Verdict::no(Reason::CredentialUnavailable, message),
                passing: true,
            });
        }
    };
    let value = secret.data.and_then(|mut data| data.remove(&reference.key));
    let text = value
        .and_then(|bytes| String::from_utf8(bytes.0).ok())
        .map(|text| text.trim().to_owned());
    match text {
        Some(text) if !text.is_empty() => Ok(graph::Secret::new(text)),
        _ => Err(missing(format!(
            "the Secret {namespace}/{} has no text under the key {}",
            reference.name, reference.key
        ))),
    }
}

pub(super) fn config(
    tenant: &EntraTenant,
    credential: &ClientSecretCredential,
    secret: graph::Secret,
    context: &Context,
) -> Result<GraphConfig, Failure> {
    let (graph_root, authority) = endpoints(tenant)?;
    let credential = Credential::ClientSecret {
        client_id: credential.client_id.to_string(),
        secret,
    };
    let mut config = GraphConfig::new(tenant.spec.tenant_id.to_string(), credential)
        .map_err(|error| Failure::lasting(Reason::InvalidSpec, error.to_string()))?;
    config.graph_root = graph_root;
    config.authority = authority;
    config.limits = Limits {
        max_concurrency: usize::try_from(tenant.spec.limits.max_concurrency).unwrap_or(1),
        requests_per_second: tenant.spec.limits.requests_per_second,
    };
    config.timeouts = context.timeouts;
    config.retry = context.retry;
    config.metrics = context.metrics.graph_observer(&tenant.name_any());
    Ok(config)
}

/// The tenant's Graph root and authority: the cloud's own, unless the spec names others.
fn endpoints(tenant: &EntraTenant) -> Result<(Url, Url), Failure> {
    let (graph, authority) = match tenant.spec.cloud {
        Cloud::Public => (
            "https://graph.microsoft.com",
            "https://login.microsoftonline.com",
        ),
        Cloud::USGovernment => (
            "https://graph.microsoft.us",
            "https://login.microsoftonline.us",
        ),
        Cloud::USGovernmentDoD => (
            "https://dod-graph.microsoft.us",
            "https://login.microsoftonline.us",
        ),
        Cloud::China => (
            "https://microsoftgraph.chinacloudapi.cn",
            "https://login.chinacloudapi.cn",
        ),
    };
    let overrides = tenant.spec.endpoints.clone().unwrap_or_default();
    let parse = |field: &str, text: &str| {
        let url = Url::parse(text).map_err(|error| {
            Failure::lasting(
                Reason::InvalidSpec,
                format!("spec.endpoints.{field}: {error}"),
            )
        })?;
        // The schema says so too; the token must not cross a network in the clear even if the schema was weakened.
        let loopback = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        if url.scheme() == "https" || (url.scheme() == "http" && loopback) {
            return Ok(url);
        }
        let message =
            format!("spec.endpoints.{field} must be https, or http with a loopback address");
        Err(Failure::lasting(Reason::InvalidSpec, message))
    };
    Ok((
        parse("graph", overrides.graph.as_deref().unwrap_or(graph))?,
        parse(
            "authority",
            overrides.authority.as_deref().unwrap_or(authority),
        )?,
    ))
}

/// Changes when anything that a connection is made of changes.
pub(super) fn fingerprint(tenant: &EntraTenant, secret: &graph::Secret) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{:?}", tenant.spec).hash(&mut hasher);
    secret.reveal().hash(&mut hasher);
    hasher.finish()
}

/// Reads `15m`, `90s` or `2h`.
pub(super) fn parse_period(text: &str) -> Option<TimeDelta> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: i64 = number.parse().ok()?;
    match unit {
        "s" => Some(TimeDelta::seconds(number)),
        "m" => Some(TimeDelta::minutes(number)),
        "h" => Some(TimeDelta::hours(number)),
        _ => None,
    }
}

pub(super) fn sign_in_failure(error: &GraphError) -> Failure {
    let (reason, passing) = match error.advice() {
        Advice::FixCredential => (Reason::CredentialUnavailable, false),
        Advice::Retry | Advice::RetryAfter(_) | Advice::ReObserve => {
            (Reason::GraphUnavailable, true)
        }
        Advice::FixPermissions { .. } => (Reason::PermissionDenied, false),
        _ => (Reason::RequestFailed, false),
    };
    Failure {
        verdict: Verdict::no(reason, error.to_string()),
        passing,
    }
}
