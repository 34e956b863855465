//! Signing tokens with ES256, and verifying those of others.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use serde_json::{Value, json};

/// Why a key could not be made or used.
#[derive(Debug, thiserror::Error)]
#[error("the signing key cannot be used: {0}")]
pub struct KeyError(String);

/// A P-256 key that lives as long as the simulator.
#[derive(Debug)]
pub(crate) struct SigningKey {
    pair: EcdsaKeyPair,
    random: SystemRandom,
    id: String,
}

impl SigningKey {
    pub fn generate() -> Result<Self, KeyError> {
        let failed = |error: &dyn std::fmt::Display| KeyError(error.to_string());
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document =
            EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(|error| failed(&error))?;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random)
            .map_err(|error| failed(&error))?;
        let digest = ring::digest::digest(&ring::digest::SHA256, pair.public_key().as_ref());
        let id = BASE64.encode(digest.as_ref().get(..20).unwrap_or_default());
        Ok(Self { pair, random, id })
    }

    pub fn sign(&self, claims: &Value) -> Result<String, KeyError> {
        let header = json!({"typ": "JWT", "alg": "ES256", "kid": self.id, "x5t": self.id});
        let mut token = BASE64.encode(header.to_string());
        token.push('.');
        token.push_str(&BASE64.encode(claims.to_string()));
        let signature = self
            .pair
            .sign(&self.random, token.as_bytes())
            .map_err(|error| KeyError(error.to_string()))?;
        token.push('.');
        token.push_str(&BASE64.encode(signature.as_ref()));
        Ok(token)
    }

    /// The public key as a JSON Web Key.
    pub fn jwk(&self) -> Value {
        // An uncompressed point: 4, x, y.
        let point = self.pair.public_key().as_ref();
        let (x, y) = point.get(1..).unwrap_or_default().split_at(point.len() / 2);
        json!({
            "kty": "EC",
            "use": "sig",
            "crv": "P-256",
            "alg": "ES256",
            "kid": self.id,
            "x5t": self.id,
            "x": BASE64.encode(x),
            "y": BASE64.encode(y),
        })
    }
}

/// A foreign token, taken apart.
pub(super) struct Jwt {
    header: Value,
    claims: Value,
    message: String,
    signature: Vec<u8>,
}

impl Jwt {
    pub fn read(token: &str) -> Option<Self> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let part = |text: &str| serde_json::from_slice(&BASE64.decode(text).ok()?).ok();
        Some(Self {
            header: part(header)?,
            claims: part(claims)?,
            message: message.to_owned(),
            signature: BASE64.decode(signature).ok()?,
        })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.header.get(name)?.as_str()
    }

    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.get(name)
    }

    pub fn text(&self, name: &str) -> &str {
        self.claim(name).and_then(Value::as_str).unwrap_or_default()
    }

    pub fn time(&self, name: &str) -> Option<i64> {
        self.claim(name)?.as_i64()
    }

    pub fn has_audience(&self, wanted: &str) -> bool {
        match self.claim("aud") {
            Some(Value::Array(all)) => all.iter().any(|one| one == wanted),
            Some(one) => one == wanted,
            None => false,
        }
    }

    /// Whether the key of a certificate (PEM) made the signature.
    pub fn signed_by_certificate(&self, pem: &str) -> bool {
        let Some(der) = certificate(pem) else {
            return false;
        };
        let Ok(certificate) = webpki::EndEntityCert::try_from(&der) else {
            return false;
        };
        let algorithm = match self.header("alg") {
            Some("RS256") => webpki::ring::RSA_PKCS1_2048_8192_SHA256,
            _ => return false,
        };
        certificate
            .verify_signature(algorithm, self.message.as_bytes(), &self.signature)
            .is_ok()
    }

    /// Whether a published key (JSON Web Key) made the signature.
    pub fn signed_by_key(&self, key: &Value) -> bool {
        let text = |name: &str| key.get(name).and_then(Value::as_str).unwrap_or_default();
        let bytes = |name: &str| BASE64.decode(text(name)).unwrap_or_default();
        if self
            .header("kid")
            .is_some_and(|kid| !text("kid").is_empty() && text("kid") != kid)
        {
            return false;
        }
        let message = self.message.as_bytes();
        match (self.header("alg"), text("kty")) {
            (Some("RS256"), "RSA") => RsaPublicKeyComponents {
                n: bytes("n"),
                e: bytes("e"),
            }
            .verify(&RSA_PKCS1_2048_8192_SHA256, message, &self.signature)
            .is_ok(),
            (Some("ES256"), "EC") => {
                let point = [vec![4], bytes("x"), bytes("y")].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                    .verify(message, &self.signature)
                    .is_ok()
            }
            _ => false,
        }
    }
}

/// The first certificate in a PEM text.
pub(crate) fn certificate(pem: &str) -> Option<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(pem.as_bytes()).ok()
}
