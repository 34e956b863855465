//! What a tenant is signed in to with: its credential, the addresses of its cloud, and what a refusal means.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt};
use tracing::warn;
use url::Url;

use crate::{
    api::{
        EXPIRES_ANNOTATION,
        conditions::Reason,
        tenant::{Cloud, EntraTenant, SecretKeyRef, TenantCredential},
    },
    graph::{
        self, Advice, AssertionProvider, Credential, GraphConfig, GraphError, Limits, TokenFile,
        WritePermit,
    },
};

use super::{context::Context, metrics, service_account::ServiceAccountTokens, status::Verdict};

/// The metadata service of an Azure machine, on a link-local address that never leaves it.
const METADATA_SERVICE: &str = "http://169.254.169.254";

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

/// What a tenant is signed in to with, as it is now.
pub(super) struct Presented {
    credential: Credential,
    /// The text of the Secret, where there is one.
    secret: Option<graph::Secret>,
    /// Its end, where that is known.
    pub(super) expires: Option<metrics::Credential>,
}

/// Gathers what the tenant's credential is made of.
pub(super) async fn gather(tenant: &EntraTenant, context: &Context) -> Result<Presented, Failure> {
    let TenantCredential {
        workload_identity,
        managed_identity,
        client_secret,
        client_certificate,
    } = &tenant.spec.credential;
    if let Some(named) = workload_identity {
        let provider: Arc<dyn AssertionProvider> = match &named.service_account_ref {
            Some(account) => Arc::new(ServiceAccountTokens {
                client: context.client.clone(),
                namespace: context.namespace.clone(),
                name: account.name.clone(),
            }),
            None => Arc::new(TokenFile(context.federated_token_file.clone())),
        };
        return Ok(Presented {
            credential: Credential::Assertion {
                client_id: named.client_id.to_string(),
                provider,
            },
            secret: None,
            expires: None,
        });
    }
    if let Some(named) = managed_identity {
        let overrides = tenant.spec.endpoints.as_ref();
        let endpoint = match overrides.and_then(|endpoints| endpoints.managed_identity.as_deref()) {
            Some(text) => parse_endpoint("managedIdentity", text)?,
            None => Url::parse(METADATA_SERVICE)
                .map_err(|error| Failure::lasting(Reason::InvalidSpec, error.to_string()))?,
        };
        return Ok(Presented {
            credential: Credential::ManagedIdentity {
                client_id: named.client_id.as_ref().map(ToString::to_string),
                endpoint,
            },
            secret: None,
            expires: None,
        });
    }
    if let Some(named) = client_secret {
        let kept = read_secret(&context.client, &context.namespace, &named.secret_ref).await?;
        return Ok(Presented {
            credential: Credential::ClientSecret {
                client_id: named.client_id.to_string(),
                secret: kept.text.clone(),
            },
            expires: kept.expires.map(|expires| metrics::Credential {
                kind: "clientSecret",
                expires,
            }),
            secret: Some(kept.text),
        });
    }
    if let Some(named) = client_certificate {
        let kept = read_secret(&context.client, &context.namespace, &named.secret_ref).await?;
        let pem = kept.text;
        return Ok(Presented {
            credential: Credential::ClientCertificate {
                client_id: named.client_id.to_string(),
                pem: pem.clone(),
            },
            expires: graph::certificate_end(&pem).map(|expires| metrics::Credential {
                kind: "certificate",
                expires,
            }),
            secret: Some(pem),
        });
    }
    Err(Failure::lasting(
        Reason::InvalidSpec,
        "spec.credential must set one of `workloadIdentity`, `managedIdentity`, `clientSecret` and `clientCertificate`",
    ))
}

/// The name of the Secret that a tenant's credential is kept in.
pub(super) fn secret_of(tenant: &EntraTenant) -> Option<&str> {
    let credential = &tenant.spec.credential;
    let secret = credential
        .client_secret
        .as_ref()
        .map(|named| &named.secret_ref);
    let certificate = credential
        .client_certificate
        .as_ref()
        .map(|named| &named.secret_ref);
    secret
        .or(certificate)
        .map(|reference| reference.name.as_str())
}

/// What a Secret holds under a key, and its end where somebody noted it.
struct Kept {
    text: graph::Secret,
    expires: Option<DateTime<Utc>>,
}

async fn read_secret(
    client: &Client,
    namespace: &str,
    reference: &SecretKeyRef,
) -> Result<Kept, Failure> {
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
        // Rights are given without a change of the tenant: asked again.
        Err(kube::Error::Api(status)) if status.code == 403 => {
            let message = format!(
                "the operator may not read the Secret {namespace}/{}: add its name to `tenantSecrets` of the chart, or allow the operator to get, list and watch a Secret of that name",
                reference.name
            );
            return Err(Failure {
                verdict: Verdict::no(Reason::CredentialUnavailable, message),
                passing: true,
            });
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
    let expires = end_of(&secret);
    let value = secret.data.and_then(|mut data| data.remove(&reference.key));
    let text = value
        .and_then(|bytes| String::from_utf8(bytes.0).ok())
        .map(|text| text.trim().to_owned());
    match text {
        Some(text) if !text.is_empty() => Ok(Kept {
            text: graph::Secret::new(text),
            expires,
        }),
        _ => Err(missing(format!(
            "the Secret {namespace}/{} has no text under the key {}",
            reference.name, reference.key
        ))),
    }
}

/// The end of what a Secret holds, as whoever wrote it there noted it: only Entra knows it otherwise, and telling it would take a
/// right to read all applications.
fn end_of(secret: &Secret) -> Option<DateTime<Utc>> {
    let text = secret.annotations().get(EXPIRES_ANNOTATION)?;
    let end = read_end(text);
    if end.is_none() {
        warn!(
            secret = secret.name_any(),
            "the annotation {EXPIRES_ANNOTATION} of a Secret must be a time such as 2027-01-31T00:00:00Z, or a date"
        );
    }
    end
}

/// A time, or the beginning of a day.
fn read_end(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let time = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
    let day = || {
        Some(
            NaiveDate::parse_from_str(text, "%Y-%m-%d")
                .ok()?
                .and_time(NaiveTime::MIN)
                .and_utc(),
        )
    };
    time.ok().or_else(day)
}

pub(super) fn config(
    tenant: &EntraTenant,
    presented: Presented,
    context: &Context,
) -> Result<GraphConfig, Failure> {
    let (graph_root, authority) = endpoints(tenant)?;
    let mut config = GraphConfig::new(tenant.spec.tenant_id.to_string(), presented.credential)
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
    config.permit = Arc::clone(&context.fence) as Arc<dyn WritePermit>;
    if let Some(instance) = &context.instance {
        // Graph's activity log then tells which replica asked.
        config.user_agent = format!("{} ({instance})", config.user_agent);
    }
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
    Ok((
        parse_endpoint("graph", overrides.graph.as_deref().unwrap_or(graph))?,
        parse_endpoint(
            "authority",
            overrides.authority.as_deref().unwrap_or(authority),
        )?,
    ))
}

fn parse_endpoint(field: &str, text: &str) -> Result<Url, Failure> {
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
    let message = format!("spec.endpoints.{field} must be https, or http with a loopback address");
    Err(Failure::lasting(Reason::InvalidSpec, message))
}

/// Changes when anything that a connection is made of changes.
pub(super) fn fingerprint(tenant: &EntraTenant, presented: &Presented) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{:?}", tenant.spec).hash(&mut hasher);
    let secret = presented.secret.as_ref().map(graph::Secret::reveal);
    secret.hash(&mut hasher);
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tenant(cloud: &str, endpoints: &serde_json::Value) -> EntraTenant {
        serde_json::from_value(json!({
            "apiVersion": "entrapim.dev/v1alpha1", "kind": "EntraTenant", "metadata": {"name": "t"},
            "spec": {
                "tenantId": "9f0c2c1e-0000-4000-8000-000000000001",
                "cloud": cloud,
                "credential": {"managedIdentity": {}},
                "endpoints": endpoints,
            },
        }))
        .unwrap()
    }

    #[test]
    fn each_cloud_has_its_own_graph_and_authority() {
        for (cloud, graph, authority) in [
            (
                "Public",
                "https://graph.microsoft.com/",
                "https://login.microsoftonline.com/",
            ),
            (
                "USGovernment",
                "https://graph.microsoft.us/",
                "https://login.microsoftonline.us/",
            ),
            (
                "USGovernmentDoD",
                "https://dod-graph.microsoft.us/",
                "https://login.microsoftonline.us/",
            ),
            (
                "China",
                "https://microsoftgraph.chinacloudapi.cn/",
                "https://login.chinacloudapi.cn/",
            ),
        ] {
            let (found_graph, found_authority) =
                endpoints(&tenant(cloud, &json!({}))).ok().unwrap();
            assert_eq!(found_graph.as_str(), graph, "{cloud}");
            assert_eq!(found_authority.as_str(), authority, "{cloud}");
        }
    }

    #[test]
    fn the_end_of_a_secret_is_a_time_or_a_day() {
        let read = |text| read_end(text).map(|end| end.to_rfc3339());
        let midnight = Some("2027-01-31T00:00:00+00:00".to_owned());
        assert_eq!(read("2027-01-31"), midnight);
        assert_eq!(read(" 2027-01-31T01:00:00+01:00 "), midnight);
        assert_eq!(read("next year"), None);
    }

    #[test]
    fn an_address_in_the_clear_is_for_this_machine_only() {
        let refused = |endpoints_: &serde_json::Value| {
            endpoints(&tenant("Public", endpoints_))
                .err()
                .map(|failure| failure.verdict.message)
        };
        assert_eq!(refused(&json!({"graph": "http://127.0.0.1:8080"})), None);
        assert_eq!(
            refused(&json!({"authority": "http://login.example.com"})).as_deref(),
            Some("spec.endpoints.authority must be https, or http with a loopback address")
        );
    }
}
