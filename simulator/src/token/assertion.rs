//! Client assertions: a service account token (workload identity), or one that the application signed with its certificate.
//!
//! Both are verified as the sign-in service does: signature, issuer, subject, audience and time. The keys of an issuer are those
//! that the estate or an administrator's deed published for it, since a test's cluster serves its own on loopback. Entra takes
//! RS256 only; ES256 is taken too, as control planes made for tests have such keys. Times are real time: assertions come from
//! real clocks.

use chrono::Utc;
use serde_json::Value;

use super::endpoint::Refusal;
use super::jwt::Jwt;
use crate::estate::ApplicationSeed;
use crate::world::World;

/// How far clocks may differ, in seconds.
const SKEW: i64 = 300;
/// The longest life of an assertion that an application signs itself, in seconds; Microsoft recommends minutes.
const LONGEST_LIFE: i64 = 24 * 3600;

/// Whether an assertion stands for an application at a token endpoint.
pub(super) fn check(
    world: &World,
    application: &ApplicationSeed,
    assertion: &str,
    endpoint: &str,
) -> Result<(), Refusal> {
    let jwt = Jwt::read(assertion)
        .ok_or_else(|| Refusal::invalid_client(50027, "JWT token is invalid or malformed."))?;
    let now = Utc::now().timestamp();
    let ended = jwt.time("exp").is_none_or(|end| end + SKEW <= now);
    let early = jwt.time("nbf").is_some_and(|start| start > now + SKEW);
    if ended || early {
        return Err(Refusal::invalid_client(
            700_024,
            "Client assertion is not within its valid time range. Current time, assertion valid from and expiry time differ.",
        ));
    }
    if jwt.header("x5t#S256").is_some() || jwt.header("x5t").is_some() {
        own(application, &jwt, endpoint, now)
    } else {
        federated(world, application, &jwt)
    }
}

/// An assertion that the application signed itself.
fn own(application: &ApplicationSeed, jwt: &Jwt, endpoint: &str, now: i64) -> Result<(), Refusal> {
    let client = application.client_id.to_string();
    if jwt.text("iss") != client || jwt.text("sub") != client {
        return Err(Refusal::invalid_client(
            700_021,
            "Client assertion application identifier doesn't match 'client_id' parameter.",
        ));
    }
    if !jwt.has_audience(endpoint) || jwt.text("jti").is_empty() {
        return Err(Refusal::invalid_client(
            50027,
            "JWT token is invalid or malformed: audience or identifier is not as expected.",
        ));
    }
    if jwt.time("exp").is_some_and(|end| end > now + LONGEST_LIFE) {
        return Err(Refusal::invalid_client(
            700_024,
            "Client assertion is not within its valid time range: it lives too long.",
        ));
    }
    let thumbprint = jwt.header("x5t#S256").unwrap_or_default();
    let registered = application
        .certificates
        .iter()
        .find(|certificate| certificate.thumbprint().as_deref() == Some(thumbprint));
    let Some(certificate) = registered else {
        return Err(Refusal::invalid_client(
            700_027,
            &format!(
                "The certificate with identifier used to sign the client assertion is not registered on application. \
                 [Reason - The key was not found., Thumbprint of key used by client: '{thumbprint}'.]"
            ),
        ));
    };
    if certificate.expires.is_some_and(|end| end <= Utc::now()) {
        return Err(Refusal::invalid_client(
            700_027,
            &format!(
                "The certificate with identifier used to sign the client assertion is expired on application. \
                 [Reason - The key used is expired., Thumbprint of key used by client: '{thumbprint}'.]"
            ),
        ));
    }
    if jwt.signed_by_certificate(&certificate.pem) {
        Ok(())
    } else {
        Err(Refusal::invalid_client(
            700_027,
            "Client assertion failed signature validation. [Reason - The key was found, but use of the key to verify \
             the signature failed.]",
        ))
    }
}

/// A service account's token.
fn federated(world: &World, application: &ApplicationSeed, jwt: &Jwt) -> Result<(), Refusal> {
    let no_match = |code, what: &str| {
        Refusal::invalid_client(
            code,
            &format!("No matching federated identity record found for presented assertion {what}."),
        )
    };
    let mut credentials: Vec<_> = application.federated_credentials.iter().collect();
    let (issuer, subject) = (jwt.text("iss"), jwt.text("sub"));
    credentials.retain(|credential| credential.issuer == issuer);
    if credentials.is_empty() {
        return Err(no_match(700_211, &format!("issuer '{issuer}'")));
    }
    credentials.retain(|credential| credential.subject == subject);
    if credentials.is_empty() {
        return Err(no_match(700_213, &format!("subject '{subject}'")));
    }
    credentials.retain(|credential| jwt.has_audience(&credential.audience));
    if credentials.is_empty() {
        let audience = jwt.claim("aud").map(Value::to_string).unwrap_or_default();
        return Err(no_match(700_212, &format!("audience '{audience}'")));
    }
    let Some(published) = world.issuers.iter().find(|seed| seed.issuer == issuer) else {
        return Err(Refusal::new(
            400,
            "invalid_request",
            50166,
            "Request to External OIDC endpoint failed.",
        ));
    };
    if published.keys.iter().any(|key| jwt.signed_by_key(key)) {
        Ok(())
    } else {
        Err(Refusal::invalid_client(
            50013,
            "Assertion failed signature validation. [Reason - The key was not found.]",
        ))
    }
}
