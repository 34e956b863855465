//! The managed identity of the machine: its metadata service hands out tokens to whoever runs on it.
//!
//! The identity library chooses between several such services by environment variables, which nobody should be able to do
//! to an operator that holds a tenant's keys; the protocol is one GET, so it is spoken here.

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::graph::{
    Secret,
    config::GraphConfig,
    error::{GraphError, SignInError},
    http::why_no_answer,
};

/// The version of the service's protocol: the oldest that every cloud has.
const API_VERSION: &str = "2018-02-01";

/// A metadata service and the identity to ask it for.
pub(super) struct MetadataService {
    http: reqwest::Client,
    address: Url,
    client_id: Option<String>,
}

/// A token and its end in seconds since 1970.
pub(super) struct Issued {
    pub(super) token: Secret,
    pub(super) expires_on: i64,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    /// A number in a text; other services of the kind write it as a number.
    expires_on: Value,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Refusal {
    error: String,
    error_description: String,
}

impl MetadataService {
    pub(super) fn new(
        config: &GraphConfig,
        root: &Url,
        client_id: Option<String>,
    ) -> Result<Self, GraphError> {
        // The service is on the machine itself: a proxy would answer for another machine, and would see the token.
        let http = reqwest::Client::builder()
            .no_proxy()
            .http1_only()
            .user_agent(&config.user_agent)
            .connect_timeout(config.timeouts.connect)
            .timeout(config.timeouts.total)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|_| GraphError::Invalid("the HTTP client could not be set up".to_owned()))?;
        let mut address = root.clone();
        let prefix = root.path().trim_end_matches('/').to_owned();
        address.set_path(&format!("{prefix}/metadata/identity/oauth2/token"));
        let resource = config.graph_root.as_str().trim_end_matches('/');
        address
            .query_pairs_mut()
            .append_pair("api-version", API_VERSION)
            .append_pair("resource", resource);
        if let Some(id) = &client_id {
            address.query_pairs_mut().append_pair("client_id", id);
        }
        Ok(Self {
            http,
            address,
            client_id,
        })
    }

    pub(super) async fn token(&self) -> Result<Issued, SignInError> {
        let unreachable = |error: reqwest::Error| {
            let (reason, detail) = why_no_answer(&error);
            SignInError::no_metadata_service(detail.unwrap_or_else(|| reason.to_string()))
        };
        let answer = self
            .http
            .get(self.address.clone())
            .header("Metadata", "true")
            .send()
            .await
            .map_err(unreachable)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(unreachable)?;
        if !status.is_success() {
            return Err(self.refusal(status, &body));
        }
        let malformed = || SignInError::permanent("the metadata service's answer is no token");
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| malformed())?;
        let expires_on = match &answer.expires_on {
            Value::String(text) => text.parse().ok(),
            number => number.as_i64(),
        };
        Ok(Issued {
            token: Secret::new(answer.access_token),
            expires_on: expires_on.ok_or_else(malformed)?,
        })
    }

    fn refusal(&self, status: StatusCode, body: &[u8]) -> SignInError {
        // These pass: the service starts late, is updated, or throttles.
        if matches!(status.as_u16(), 404 | 410 | 429) || status.is_server_error() {
            return SignInError::no_metadata_service(format!("HTTP {}", status.as_u16()));
        }
        let refusal: Refusal = serde_json::from_slice(body).unwrap_or_default();
        let missing = refusal.error_description.contains("Identity not found");
        let several = refusal.error_description.contains("Multiple user assigned");
        let cause = match &self.client_id {
            _ if several => "the machine has several managed identities: name one in credential.managedIdentity.clientId".to_owned(),
            Some(id) if missing => format!(
                "the machine has no managed identity with the client id {id}: assign it to the node pool, or correct credential.managedIdentity.clientId"
            ),
            None if missing => "the machine has no managed identity: assign one to the node pool, or name a user-assigned one in credential.managedIdentity.clientId".to_owned(),
            _ => "the machine's metadata service refused to hand out a token".to_owned(),
        };
        let code = Some(refusal.error).filter(|code| !code.is_empty());
        SignInError::refused_for(code, cause)
    }
}
