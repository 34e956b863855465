//! Signing tokens with ES256.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
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

/// The claims of a foreign token, without looking at its signature.
pub(super) fn claims(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&BASE64.decode(payload).ok()?).ok()
}
