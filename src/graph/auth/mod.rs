//! Signing in: one token per tenant, fetched once for all who wait for it.
//!
//! `assertion.rs` presents a service account's token (workload identity), `certificate.rs` signs assertions of the application's
//! own, `managed_identity.rs` asks the machine. Where a sign-in goes and what it presents comes from the configuration alone:
//! no environment variable has a say in it.

mod assertion;
mod certificate;
mod managed_identity;
mod transport;

use std::{sync::Arc, time::Duration};

use azure_core::{
    cloud::{CloudConfiguration, CustomConfiguration},
    credentials::{Secret as AzureSecret, TokenCredential},
    http::{ClientOptions, HttpClient, RetryOptions, Transport},
};
use azure_identity::{
    ClientAssertionCredential, ClientAssertionCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use reqwest::header::HeaderValue;
use serde::Deserialize;
use tokio::{sync::Mutex, time::Instant};

use assertion::Presented;
pub use assertion::{AssertionError, AssertionProvider, TokenFile};
pub use certificate::certificate_end;
use certificate::{Signed, Signer};
use managed_identity::MetadataService;
use transport::{AuthorityTransport, sign_in_error};

use super::{
    config::{Credential, GraphConfig, Secret},
    error::{GraphError, SignInError},
    observer::{EndpointClass, GraphObserver, Outcome},
};

/// A token this close to its end is replaced.
const RENEW_BEFORE_END: chrono::TimeDelta = chrono::TimeDelta::minutes(5);
/// A refused credential is not presented again sooner: with many objects waiting, that would be a flood of failed sign-ins.
const REFUSAL_HOLDS: Duration = Duration::from_secs(10);
/// The host that the identity library is told. It insists on HTTPS and drops paths, so the transport below puts the
/// configured authority in its place. A stated host also outranks `AZURE_AUTHORITY_HOST`.
const PLACEHOLDER_AUTHORITY: &str = "https://authority.invalid";

/// Who the client is, as its token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenIdentity {
    /// Tenant id (claim `tid`).
    pub tenant_id: String,
    /// Object id of the service principal (claim `oid`): the principal the operator must never revoke.
    pub object_id: String,
    /// Application id (claim `appid` or `azp`).
    pub app_id: String,
    /// Application permissions that were granted (claim `roles`).
    pub roles: Vec<String>,
    /// End of the token.
    pub expires_on: DateTime<Utc>,
}

/// A token ready for use. Has no `Debug` on purpose.
#[derive(Clone)]
pub(super) struct Bearer {
    /// Value of the `Authorization` header, marked as sensitive.
    pub(super) header: HeaderValue,
    /// Counts tokens, so that many refusals of one token throw it away once.
    pub(super) serial: u64,
    expires_on: DateTime<Utc>,
    claims: Option<Claims>,
}

#[derive(Clone, Deserialize)]
struct Claims {
    #[serde(default)]
    tid: String,
    #[serde(default)]
    oid: String,
    #[serde(default, alias = "azp")]
    appid: String,
    #[serde(default)]
    roles: Vec<String>,
}

/// Hands out the current token and renews it.
pub(super) struct TokenSource {
    settings: Settings,
    state: Mutex<State>,
    observer: Arc<dyn GraphObserver>,
}

struct Settings {
    tenant_id: String,
    proof: Proof,
    scope: String,
    transport: Arc<AuthorityTransport>,
}

/// What is presented, made ready.
enum Proof {
    Secret {
        client_id: String,
        secret: Secret,
    },
    Certificate {
        client_id: String,
        signer: Arc<Signer>,
    },
    Assertion {
        client_id: String,
        presented: Presented,
    },
    Machine(MetadataService),
}

struct State {
    /// None where the machine is asked instead.
    library: Option<Arc<dyn TokenCredential>>,
    current: Option<Bearer>,
    last_serial: u64,
    /// The last failure and when it happened: whoever was waiting by then shares it instead of asking again.
    last_failure: Option<(Instant, GraphError)>,
}

impl TokenSource {
    pub(super) fn new(config: &GraphConfig, http: reqwest::Client) -> Result<Self, GraphError> {
        let root = config.graph_root.as_str().trim_end_matches('/');
        let settings = Settings {
            tenant_id: config.tenant_id.clone(),
            proof: Proof::of(config)?,
            scope: format!("{root}/.default"),
            transport: Arc::new(AuthorityTransport {
                http,
                authority: config.authority.clone(),
            }),
        };
        let library = settings.library_credential()?;
        Ok(Self {
            settings,
            state: Mutex::new(State {
                library,
                current: None,
                last_serial: 0,
                last_failure: None,
            }),
            observer: Arc::clone(&config.metrics),
        })
    }

    /// The current token, renewed if it is about to end. One sign-in at a time; the others wait for its result.
    pub(super) async fn bearer(&self) -> Result<Bearer, GraphError> {
        let asked = Instant::now();
        let mut state = self.state.lock().await;
        if let Some(bearer) = &state.current
            && bearer.expires_on - RENEW_BEFORE_END > Utc::now()
        {
            return Ok(bearer.clone());
        }
        if let Some((failed, error)) = &state.last_failure
            && (*failed >= asked || !is_transient(error) && failed.elapsed() < REFUSAL_HOLDS)
        {
            return Err(error.clone());
        }
        match self.sign_in(&state).await {
            Ok(bearer) => {
                state.last_serial = bearer.serial;
                state.last_failure = None;
                state.current = Some(bearer.clone());
                Ok(bearer)
            }
            Err(error) => {
                // An authority in trouble is no reason to stop while the old token still works.
                if is_transient(&error)
                    && let Some(bearer) = &state.current
                    && bearer.expires_on > Utc::now()
                {
                    return Ok(bearer.clone());
                }
                state.last_failure = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Throws away the token with this serial number, unless that has happened already.
    pub(super) async fn discard(&self, serial: u64) {
        let mut state = self.state.lock().await;
        if state
            .current
            .as_ref()
            .is_some_and(|bearer| bearer.serial == serial)
        {
            state.current = None;
            // The library keeps tokens of its own; only a new instance forgets them.
            if let Ok(library) = self.settings.library_credential() {
                state.library = library;
            }
        }
    }

    /// Throws away the token, and what is known of refusals.
    pub(super) async fn forget(&self) {
        let mut state = self.state.lock().await;
        state.current = None;
        state.last_failure = None;
        if let Ok(library) = self.settings.library_credential() {
            state.library = library;
        }
    }

    /// What the current token says about its holder.
    pub(super) async fn identity(&self) -> Result<TokenIdentity, GraphError> {
        let bearer = self.bearer().await?;
        let Some(claims) = bearer.claims else {
            return Err(GraphError::SignIn(SignInError::permanent(
                "the access token carries no readable claims",
            )));
        };
        Ok(identity_of(claims, bearer.expires_on))
    }

    /// What the token at hand says about its holder, if there is one; nobody is asked, and nobody is waited for.
    pub(super) fn known_identity(&self) -> Option<TokenIdentity> {
        let state = self.state.try_lock().ok()?;
        let bearer = state.current.as_ref()?;
        Some(identity_of(bearer.claims.clone()?, bearer.expires_on))
    }

    async fn sign_in(&self, state: &State) -> Result<Bearer, GraphError> {
        let started = Instant::now();
        let answer = self.settings.token(state.library.as_deref()).await;
        let outcome = match &answer {
            Ok(_) => Outcome::Success,
            Err(error) if error.is_transient() => Outcome::NoAnswer,
            Err(_) => Outcome::Refused,
        };
        self.observer
            .call(EndpointClass::Token, outcome, started.elapsed());
        tracing::debug!(
            class = EndpointClass::Token.as_str(),
            outcome = outcome.as_str(),
            "signed in"
        );
        let (token, expires_on) = answer.map_err(GraphError::SignIn)?;
        let text = token.reveal();
        let mut header = HeaderValue::try_from(format!("Bearer {text}")).map_err(|_| {
            GraphError::SignIn(SignInError::permanent("the access token is malformed"))
        })?;
        header.set_sensitive(true);
        Ok(Bearer {
            header,
            serial: state.last_serial + 1,
            expires_on,
            claims: claims(text),
        })
    }
}

impl Proof {
    fn of(config: &GraphConfig) -> Result<Self, GraphError> {
        Ok(match &config.credential {
            Credential::ClientSecret { client_id, secret } => Self::Secret {
                client_id: client_id.clone(),
                secret: secret.clone(),
            },
            Credential::ClientCertificate { client_id, pem } => {
                let signer = Signer::read(pem, client_id, &config.tenant_id, &config.authority)
                    .map_err(GraphError::SignIn)?;
                Self::Certificate {
                    client_id: client_id.clone(),
                    signer: Arc::new(signer),
                }
            }
            Credential::Assertion {
                client_id,
                provider,
            } => Self::Assertion {
                client_id: client_id.clone(),
                presented: Presented::new(Arc::clone(provider)),
            },
            Credential::ManagedIdentity {
                client_id,
                endpoint,
            } => Self::Machine(MetadataService::new(config, endpoint, client_id.clone())?),
        })
    }

    /// Says what exactly was refused, where that is known better here than to the code.
    fn explain(&self, error: SignInError) -> SignInError {
        let code = error.code().map(str::to_owned);
        match (self, code.as_deref()) {
            (
                Self::Assertion { presented, .. },
                Some("AADSTS70021" | "AADSTS700211" | "AADSTS700212" | "AADSTS700213"),
            ) => match presented.last() {
                Some(claimant) => SignInError::refused_for(
                    code,
                    format!(
                        "no federated credential of the application fits the presented token: add one with {claimant}"
                    ),
                ),
                None => error,
            },
            (Self::Certificate { signer, .. }, Some("AADSTS700027")) => {
                error.naming(&format!("thumbprint {}", signer.thumbprint()))
            }
            _ => error,
        }
    }
}

impl Settings {
    /// Signs in: by the library, or at the machine's metadata service.
    async fn token(
        &self,
        library: Option<&dyn TokenCredential>,
    ) -> Result<(Secret, DateTime<Utc>), SignInError> {
        if let Proof::Machine(service) = &self.proof {
            let issued = service.token().await?;
            let end = DateTime::from_timestamp(issued.expires_on, 0).unwrap_or_default();
            return Ok((issued.token, end));
        }
        let Some(library) = library else {
            return Err(SignInError::permanent("there is nothing to sign in with"));
        };
        let token = library
            .get_token(&[&self.scope], None)
            .await
            .map_err(|error| self.proof.explain(sign_in_error(&error)))?;
        let end = DateTime::from_timestamp(token.expires_on.unix_timestamp(), 0);
        Ok((Secret::new(token.token.secret()), end.unwrap_or_default()))
    }

    fn client_options(&self) -> ClientOptions {
        let mut cloud = CustomConfiguration::default();
        PLACEHOLDER_AUTHORITY.clone_into(&mut cloud.authority_host);
        ClientOptions {
            transport: Some(Transport::new(
                Arc::clone(&self.transport) as Arc<dyn HttpClient>
            )),
            // Retries happen in one place, around the whole call: two layers would multiply their waits.
            retry: RetryOptions::none(),
            cloud: Some(Arc::new(CloudConfiguration::from(cloud))),
            ..ClientOptions::default()
        }
    }

    fn library_credential(&self) -> Result<Option<Arc<dyn TokenCredential>>, GraphError> {
        let client_options = self.client_options();
        let made: azure_core::Result<Arc<dyn TokenCredential>> = match &self.proof {
            Proof::Secret { client_id, secret } => ClientSecretCredential::new(
                &self.tenant_id,
                client_id.clone(),
                AzureSecret::new(secret.reveal().to_owned()),
                Some(ClientSecretCredentialOptions { client_options }),
            )
            .map(|made| made as Arc<dyn TokenCredential>),
            Proof::Certificate { client_id, signer } => ClientAssertionCredential::new(
                self.tenant_id.clone(),
                client_id.clone(),
                Signed(Arc::clone(signer)),
                Some(ClientAssertionCredentialOptions { client_options }),
            )
            .map(|made| made as Arc<dyn TokenCredential>),
            Proof::Assertion {
                client_id,
                presented,
            } => ClientAssertionCredential::new(
                self.tenant_id.clone(),
                client_id.clone(),
                presented.clone(),
                Some(ClientAssertionCredentialOptions { client_options }),
            )
            .map(|made| made as Arc<dyn TokenCredential>),
            Proof::Machine(_) => return Ok(None),
        };
        made.map(Some).map_err(|_| {
            GraphError::Invalid(
                "the tenant id, client id or client secret is empty or malformed".to_owned(),
            )
        })
    }
}

fn identity_of(claims: Claims, expires_on: DateTime<Utc>) -> TokenIdentity {
    TokenIdentity {
        tenant_id: claims.tid,
        object_id: claims.oid,
        app_id: claims.appid,
        roles: claims.roles,
        expires_on,
    }
}

fn is_transient(error: &GraphError) -> bool {
    matches!(error, GraphError::SignIn(reason) if reason.is_transient())
}

/// Reads a token's payload. The signature is not checked: the token came from the authority over our own connection.
fn claims(token: &str) -> Option<Claims> {
    let payload = token.split('.').nth(1)?;
    let json = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&json).ok()
}
