//! Assertions of somebody else's making: workload identity. The token of a Kubernetes service account stands for the
//! application; it is fetched afresh for every sign-in, since the cluster rotates it.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use azure_core::{Error as AzureError, error::ErrorKind, http::ClientMethodOptions};
use azure_identity::ClientAssertion;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::graph::{Secret, error::SignInError};

/// Where assertions come from. Asked once for every sign-in; nothing it hands out is kept.
#[async_trait::async_trait]
pub trait AssertionProvider: Send + Sync + fmt::Debug {
    /// A token that is good now.
    ///
    /// # Errors
    /// When there is none; the sign-in fails for that reason then.
    async fn assertion(&self) -> Result<Secret, AssertionError>;
}

/// Why there is no assertion.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AssertionError {
    /// What is missing and what to do about it; the same from try to try.
    pub message: String,
    /// Whether it may pass by itself.
    pub passing: bool,
}

/// A file that somebody else keeps current, such as the token that Kubernetes projects into a pod.
#[derive(Clone, Debug)]
pub struct TokenFile(pub PathBuf);

#[async_trait::async_trait]
impl AssertionProvider for TokenFile {
    async fn assertion(&self) -> Result<Secret, AssertionError> {
        let path = self.0.display();
        let lasting = |message: String| AssertionError {
            message,
            passing: false,
        };
        let text = tokio::fs::read_to_string(&self.0).await.map_err(|error| {
            lasting(format!(
                "the service account token at {path} cannot be read ({}): give the pod a projected volume with the audience api://AzureADTokenExchange there, or set credential.workloadIdentity.serviceAccountRef",
                error.kind()
            ))
        })?;
        match text.trim() {
            "" => Err(lasting(format!(
                "the service account token at {path} is empty"
            ))),
            token => Ok(Secret::new(token)),
        }
    }
}

/// Hands assertions to the identity library, and remembers whom the last one spoke of.
#[derive(Clone)]
pub(super) struct Presented {
    provider: Arc<dyn AssertionProvider>,
    last: Arc<Mutex<Option<Claimant>>>,
}

/// Whom a presented token speaks of: what a federated credential must name. No secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claimant {
    issuer: String,
    subject: String,
    audience: String,
}

impl Presented {
    pub(super) fn new(provider: Arc<dyn AssertionProvider>) -> Self {
        Self {
            provider,
            last: Arc::default(),
        }
    }

    /// Whom the last presented token spoke of.
    pub(super) fn last(&self) -> Option<Claimant> {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Presented")
    }
}

#[async_trait::async_trait]
impl ClientAssertion for Presented {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let assertion = self.provider.assertion().await.map_err(|error| {
            let error = SignInError::no_assertion(error.message, error.passing);
            AzureError::new(ErrorKind::Credential, error)
        })?;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) =
            Claimant::read(assertion.reveal());
        Ok(assertion.reveal().to_owned())
    }
}

impl Claimant {
    fn read(token: &str) -> Option<Self> {
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
        let claims: Value = serde_json::from_slice(&payload).ok()?;
        let text = |name: &str| Some(claims.get(name)?.as_str()?.to_owned());
        let audience = match claims.get("aud")? {
            Value::Array(all) => {
                let all: Vec<&str> = all.iter().filter_map(Value::as_str).collect();
                all.join(", ")
            }
            one => one.as_str()?.to_owned(),
        };
        Some(Self {
            issuer: text("iss")?,
            subject: text("sub")?,
            audience,
        })
    }
}

impl fmt::Display for Claimant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "issuer {}, subject {} and audience {}",
            self.issuer, self.subject, self.audience
        )
    }
}
