//! Client assertions: a projected service account token (workload identity), or one that the
//! application signed with its certificate.
//!
//! Issuer, subject, audience and expiry are checked; the signature is not, because the simulator
//! cannot reach the issuer's keys. The expiry is real time: the assertion comes from a real clock.

use chrono::Utc;
use serde_json::Value;

use super::endpoint::Refusal;
use super::jwt;
use crate::estate::ApplicationSeed;

/// Whether an assertion stands for an application.
pub(super) fn check(application: &ApplicationSeed, assertion: &str) -> Result<(), Refusal> {
    let claims = jwt::claims(assertion)
        .ok_or_else(|| Refusal::invalid_client(50027, "JWT token is invalid or malformed."))?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let expires = claims
        .get("exp")
        .and_then(Value::as_i64)
        .unwrap_or_default();
    if expires <= Utc::now().timestamp() {
        return Err(Refusal::invalid_client(
            700_024,
            "Client assertion is not within its valid time range.",
        ));
    }
    let client = application.client_id.to_string();
    if text("iss") == client && text("sub") == client {
        return if application.certificate {
            Ok(())
        } else {
            Err(Refusal::invalid_client(
                700_027,
                "The certificate with identifier used to sign the client assertion is not \
                 registered on application.",
            ))
        };
    }
    let audience = |wanted: &str| match claims.get("aud") {
        Some(Value::Array(all)) => all.iter().any(|one| one == wanted),
        Some(one) => one == wanted,
        None => false,
    };
    let credentials = &application.federated_credentials;
    let issuer: Vec<_> = credentials
        .iter()
        .filter(|c| c.issuer == text("iss"))
        .collect();
    if issuer.is_empty() {
        return Err(Refusal::invalid_client(
            700_211,
            &format!(
                "No matching federated identity record found for presented assertion issuer '{}'.",
                text("iss")
            ),
        ));
    }
    let subject: Vec<_> = issuer
        .into_iter()
        .filter(|c| c.subject == text("sub"))
        .collect();
    if subject.is_empty() {
        return Err(Refusal::invalid_client(
            700_213,
            &format!(
                "No matching federated identity record found for presented assertion subject '{}'.",
                text("sub")
            ),
        ));
    }
    if subject
        .into_iter()
        .any(|credential| audience(&credential.audience))
    {
        Ok(())
    } else {
        Err(Refusal::invalid_client(
            700_212,
            "No matching federated identity record found for presented assertion audience.",
        ))
    }
}
