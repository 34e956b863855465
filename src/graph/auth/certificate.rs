//! Assertions of the application's own: signed with the private key of a certificate that it is registered with.
//!
//! Signing is done with `ring` (RS256), which the TLS stack brings along anyway.

use std::fmt::{self, Write as _};

use azure_core::{Error as AzureError, error::ErrorKind, http::ClientMethodOptions};
use azure_identity::ClientAssertion;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use ring::{
    digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest},
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::json;
use url::Url;
use uuid::Uuid;

use crate::graph::{Secret, error::SignInError};

/// How long an assertion is good for; it is used at once.
const LIFE: TimeDelta = TimeDelta::minutes(5);
/// How far the authority's clock may be behind ours.
const SKEW: TimeDelta = TimeDelta::minutes(1);

/// A certificate with its key, able to speak for an application.
pub(super) struct Signer {
    key: RsaKeyPair,
    random: SystemRandom,
    client_id: String,
    audience: String,
    /// SHA-256 of the certificate in the header's encoding.
    x5t: String,
    /// SHA-1 of the certificate in hexadecimal: how the Entra admin centre names it.
    thumbprint: String,
}

impl Signer {
    /// Reads a certificate and its RSA key (PKCS#8 or PKCS#1) from one PEM text, in any order; the certificates of its issuers
    /// may be there too.
    pub(super) fn read(
        pem: &Secret,
        client_id: &str,
        tenant_id: &str,
        authority: &Url,
    ) -> Result<Self, SignInError> {
        let (key, own) = key_and_certificate(pem)?;
        let root = authority.as_str().trim_end_matches('/');
        Ok(Self {
            client_id: client_id.to_owned(),
            audience: format!("{root}/{tenant_id}/oauth2/v2.0/token"),
            x5t: URL_SAFE_NO_PAD.encode(digest(&SHA256, &own)),
            thumbprint: hexadecimal(digest(&SHA1_FOR_LEGACY_USE_ONLY, &own).as_ref()),
            random: SystemRandom::new(),
            key,
        })
    }

    /// How the Entra admin centre names the certificate.
    pub(super) fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    fn assertion(&self, now: DateTime<Utc>) -> Option<String> {
        let header = json!({"alg": "RS256", "typ": "JWT", "x5t#S256": self.x5t});
        let claims = json!({
            "aud": self.audience,
            "iss": self.client_id,
            "sub": self.client_id,
            "jti": Uuid::new_v4(),
            "nbf": (now - SKEW).timestamp(),
            "iat": now.timestamp(),
            "exp": (now + LIFE).timestamp(),
        });
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let mut token = format!("{}.{}", part(&header), part(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &self.random,
                token.as_bytes(),
                &mut signature,
            )
            .ok()?;
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature));
        Some(token)
    }
}

/// The RSA key in a PEM text, and the certificate that belongs to it.
fn key_and_certificate(pem: &Secret) -> Result<(RsaKeyPair, CertificateDer<'static>), SignInError> {
    let refused = |what: &'static str| SignInError::permanent(what);
    let pem = pem.reveal().as_bytes();
    let key = match PrivateKeyDer::from_pem_slice(pem) {
        Ok(PrivateKeyDer::Pkcs8(der)) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        Ok(PrivateKeyDer::Pkcs1(der)) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        Ok(_) => return Err(refused("the private key in the Secret must be an RSA key")),
        Err(_) => {
            return Err(refused(
                "the Secret holds no private key in PEM: store the certificate and its unencrypted RSA key together",
            ));
        }
    };
    let key = key.map_err(|_| {
        refused("the private key in the Secret must be an RSA key of at least 2048 bits")
    })?;
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|_| refused("the certificate in the Secret is not readable PEM"))?;
    if certificates.is_empty() {
        return Err(refused(
            "the Secret holds no certificate in PEM: store the certificate and its private key together",
        ));
    }
    // A certificate carries its public key in the very form that the key pair shows it in.
    let public = key.public().as_ref();
    let own = certificates
        .into_iter()
        .find(|certificate| certificate.windows(public.len()).any(|part| part == public))
        .ok_or_else(|| {
            refused("the certificate in the Secret does not belong to the private key beside it")
        })?;
    Ok((key, own))
}

/// When the certificate in a PEM text ends; none where there is none that could be signed in with.
#[must_use]
pub fn certificate_end(pem: &Secret) -> Option<DateTime<Utc>> {
    let (_, own) = key_and_certificate(pem).ok()?;
    let (_, certificate) = x509_parser::parse_x509_certificate(&own).ok()?;
    DateTime::from_timestamp(certificate.validity().not_after.timestamp(), 0)
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02X}");
    }
    text
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("client_id", &self.client_id)
            .field("thumbprint", &self.thumbprint)
            .finish_non_exhaustive()
    }
}

/// Signs afresh for every sign-in.
#[derive(Clone, Debug)]
pub(super) struct Signed(pub(super) std::sync::Arc<Signer>);

#[async_trait::async_trait]
impl ClientAssertion for Signed {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        self.0.assertion(Utc::now()).ok_or_else(|| {
            let error = SignInError::permanent("the private key in the Secret cannot sign");
            AzureError::new(ErrorKind::Credential, error)
        })
    }
}
