//! `GET /metadata/identity/oauth2/token`: the metadata service of a machine, which hands out tokens of its managed identities.
//!
//! The tenant has one machine; the applications of the estate that are managed identities are assigned to it.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{Tokens, endpoint};
use crate::answer::Answer;
use crate::estate::{ApplicationSeed, ManagedIdentity};
use crate::exchange::Incoming;
use crate::world::World;

/// Serves the metadata service.
pub(crate) fn serve(
    world: &World,
    tokens: &Tokens,
    incoming: &Incoming,
    now: DateTime<Utc>,
) -> Answer {
    grant(world, tokens, incoming, now).unwrap_or_else(|description| {
        let body = json!({"error": "invalid_request", "error_description": description});
        Answer::json(400, &body).plain_json()
    })
}

fn grant(
    world: &World,
    tokens: &Tokens,
    incoming: &Incoming,
    now: DateTime<Utc>,
) -> Result<Answer, String> {
    // A page in a browser, and most ways of smuggling a request, cannot set a header.
    if !incoming.metadata {
        return Err("Required metadata header not specified".to_owned());
    }
    let query: std::collections::HashMap<String, String> =
        url::form_urlencoded::parse(incoming.query().as_bytes())
            .into_owned()
            .collect();
    let required = |name: &str| {
        query
            .get(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| format!("Required query variable '{name}' is missing"))
    };
    required("api-version")?;
    let resource = required("resource")?;
    let identity = identity(world, query.get("client_id").map(String::as_str))?;
    let issue = endpoint::issue(world, &incoming.base, resource, now);
    let token = tokens
        .issue(endpoint::subject(identity), &issue)
        .map_err(|error| error.to_string())?;
    let lifetime = issue.lifetime.as_secs();
    let expires = now + issue.lifetime;
    // Every value is a text here, numbers too.
    let body = json!({
        "access_token": token,
        "client_id": identity.client_id,
        "expires_in": lifetime.to_string(),
        "expires_on": expires.timestamp().to_string(),
        "ext_expires_in": lifetime.to_string(),
        "not_before": now.timestamp().to_string(),
        "resource": resource,
        "token_type": "Bearer",
    });
    Ok(Answer::json(200, &body).plain_json())
}

fn identity<'w>(world: &'w World, client_id: Option<&str>) -> Result<&'w ApplicationSeed, String> {
    let mut assigned = world
        .applications
        .iter()
        .filter(|application| application.managed_identity.is_some());
    if let Some(id) = client_id {
        return assigned
            .find(|application| application.client_id.to_string().eq_ignore_ascii_case(id))
            .ok_or_else(|| "Identity not found".to_owned());
    }
    let assigned: Vec<_> = assigned.collect();
    let own = assigned
        .iter()
        .find(|application| application.managed_identity == Some(ManagedIdentity::SystemAssigned));
    match (own, assigned.as_slice()) {
        (Some(own), _) => Ok(own),
        (None, []) => Err("Identity not found".to_owned()),
        (None, [only]) => Ok(only),
        (None, _) => Err(
            "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request"
                .to_owned(),
        ),
    }
}
