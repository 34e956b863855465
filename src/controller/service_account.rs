//! Tokens of a service account in the operator's own namespace, asked for at the API server: a tenant's own identity.

use std::fmt;

use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{Api, Client, api::PostParams};

use crate::graph::{AssertionError, AssertionProvider, Secret};

/// The audience that Entra expects.
const AUDIENCE: &str = "api://AzureADTokenExchange";
/// The shortest life that the API server grants; a token is presented once, at once.
const LIFE_SECONDS: i64 = 600;

/// A service account to speak as.
pub(super) struct ServiceAccountTokens {
    pub(super) client: Client,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl fmt::Debug for ServiceAccountTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceAccountTokens({}/{})", self.namespace, self.name)
    }
}

#[async_trait::async_trait]
impl AssertionProvider for ServiceAccountTokens {
    async fn assertion(&self) -> Result<Secret, AssertionError> {
        let (namespace, name) = (&self.namespace, &self.name);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: vec![AUDIENCE.to_owned()],
                expiration_seconds: Some(LIFE_SECONDS),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let answer = api
            .create_token_request(name, &PostParams::default(), &request)
            .await;
        let failed = |message: String, passing| AssertionError { message, passing };
        match answer {
            Ok(answer) => answer
                .status
                .map(|status| Secret::new(status.token))
                .ok_or_else(|| {
                    let message = format!(
                        "the API server gave no token for the service account {namespace}/{name}"
                    );
                    failed(message, true)
                }),
            Err(kube::Error::Api(status)) if status.code == 404 => Err(failed(
                format!(
                    "there is no service account {name} in the operator's namespace {namespace}: create it, or correct credential.workloadIdentity.serviceAccountRef"
                ),
                false,
            )),
            Err(kube::Error::Api(status)) if status.code == 403 => Err(failed(
                format!(
                    "the operator may not ask for tokens of the service account {namespace}/{name}: allow it to create serviceaccounts/token of that name"
                ),
                false,
            )),
            Err(kube::Error::Api(status)) => Err(failed(
                format!(
                    "the API server gave no token for the service account {namespace}/{name} ({})",
                    status.reason
                ),
                true,
            )),
            Err(_) => Err(failed(
                format!(
                    "the API server could not be asked for a token of the service account {namespace}/{name}"
                ),
                true,
            )),
        }
    }
}
