//! `POST /{tenant}/oauth2/v2.0/token` with `grant_type=client_credentials`.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use super::{Issue, Subject, Tokens, assertion};
use crate::answer::Answer;
use crate::engine::Actor;
use crate::estate::ApplicationSeed;
use crate::world::World;

/// An AADSTS error.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: u16,
    error: String,
    code: u32,
    text: String,
}

impl Refusal {
    pub fn new(status: u16, error: &str, code: u32, text: &str) -> Self {
        Self {
            status,
            error: error.to_owned(),
            code,
            text: text.to_owned(),
        }
    }

    pub(super) fn invalid_client(code: u32, text: &str) -> Self {
        Self::new(401, "invalid_client", code, text)
    }

    /// The error as the sign-in service writes it.
    pub fn answer(&self, now: DateTime<Utc>, base: &str) -> Answer {
        let (trace, correlation) = (Uuid::new_v4(), Uuid::new_v4());
        let stamp = now.format("%Y-%m-%d %H:%M:%SZ").to_string();
        let description = format!(
            "AADSTS{}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}",
            self.code, self.text
        );
        let body = json!({
            "error": self.error,
            "error_description": description,
            "error_codes": [self.code],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("{base}/error?code={}", self.code),
        });
        Answer::json(self.status, &body).plain_json()
    }
}

/// Serves the token endpoint.
pub(crate) fn serve(
    world: &World,
    tokens: &Tokens,
    tenant: &str,
    body: &[u8],
    base: &str,
    now: DateTime<Utc>,
) -> Answer {
    match grant(world, tokens, tenant, body, base, now) {
        Ok(answer) => answer,
        Err(refusal) => refusal.answer(now, base),
    }
}

fn grant(
    world: &World,
    tokens: &Tokens,
    tenant: &str,
    body: &[u8],
    base: &str,
    now: DateTime<Utc>,
) -> Result<Answer, Refusal> {
    let known = tenant.eq_ignore_ascii_case(&world.tenant.id.to_string())
        || tenant.eq_ignore_ascii_case(&world.tenant.domain);
    if !known {
        return Err(Refusal::new(
            400,
            "invalid_request",
            90002,
            &format!(
                "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID \
                 and are signing into the correct cloud."
            ),
        ));
    }
    let form: HashMap<_, _> = url::form_urlencoded::parse(body).into_owned().collect();
    let field = |name: &str| {
        form.get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| {
                Refusal::new(
                    400,
                    "invalid_request",
                    900_144,
                    &format!("The request body must contain the following parameter: '{name}'."),
                )
            })
    };
    if field("grant_type")? != "client_credentials" {
        return Err(Refusal::new(
            400,
            "unsupported_grant_type",
            70003,
            "The app requested an unsupported grant type.",
        ));
    }
    let client_id = field("client_id")?;
    let scope = field("scope")?;
    if !scope.ends_with("/.default") {
        return Err(Refusal::new(
            400,
            "invalid_scope",
            1_002_012,
            &format!("The provided value for scope {scope} is not valid."),
        ));
    }
    let application = application(world, client_id).ok_or_else(|| {
        Refusal::new(
            400,
            "unauthorized_client",
            700_016,
            &format!(
                "Application with identifier '{client_id}' was not found in the directory '{}'.",
                world.tenant.display_name
            ),
        )
    })?;
    match (form.get("client_secret"), form.get("client_assertion")) {
        (Some(secret), _) => check_secret(application, secret, now)?,
        (None, Some(assertion)) => {
            // The tenant is named as the client names it: by its id or by a domain.
            let endpoint = format!("{base}/{tenant}/oauth2/v2.0/token");
            assertion::check(world, application, assertion, &endpoint)?;
        }
        (None, None) => {
            return Err(Refusal::invalid_client(
                7_000_218,
                "The request body must contain the following parameter: 'client_assertion' or \
                 'client_secret'.",
            ));
        }
    }
    let issue = issue(world, base, scope.trim_end_matches("/.default"), now);
    let lifetime = issue.lifetime;
    let subject = subject(application);
    let token = tokens.issue(subject, &issue).map_err(|error| {
        Refusal::new(
            500,
            "server_error",
            90_033,
            &format!("A transient error: {error}."),
        )
    })?;
    let body = json!({
        "token_type": "Bearer",
        "expires_in": lifetime.as_secs(),
        "ext_expires_in": lifetime.as_secs(),
        "access_token": token,
    });
    Ok(Answer::json(200, &body)
        .plain_json()
        .header("Cache-Control", "no-store, no-cache"))
}

/// Whom an application's token stands for.
pub(super) fn subject(application: &ApplicationSeed) -> Subject {
    let oid = application.service_principal_id.unwrap_or_default();
    Subject {
        who: Actor::App(oid),
        oid,
        app_id: application.client_id,
        permissions: application.app_roles.clone(),
        upn: None,
    }
}

/// Where and when a token for a resource is issued.
pub(super) fn issue<'a>(
    world: &World,
    base: &str,
    audience: &'a str,
    now: DateTime<Utc>,
) -> Issue<'a> {
    Issue {
        tenant: world.tenant.id,
        issuer: format!("{base}/{}/v2.0", world.tenant.id),
        audience,
        now,
        lifetime: world.behaviour.token_lifetime,
    }
}

fn application<'w>(world: &'w World, client_id: &str) -> Option<&'w ApplicationSeed> {
    let id = Uuid::try_parse(client_id).ok()?;
    let application = world.applications.iter().find(|app| app.client_id == id)?;
    // Without its service principal the application is not in this tenant.
    world
        .directory
        .get(application.service_principal_id?)
        .map(|_| application)
}

fn check_secret(
    application: &ApplicationSeed,
    secret: &str,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    let known = application
        .secrets
        .iter()
        .find(|known| known.value == secret);
    let id = application.client_id;
    match known {
        None => Err(Refusal::invalid_client(
            7_000_215,
            &format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is \
                 the client secret value, not the client secret ID, for a secret added to app \
                 '{id}'."
            ),
        )),
        Some(known) if known.expires.is_some_and(|end| end <= now) => Err(Refusal::invalid_client(
            7_000_222,
            &format!("The provided client secret keys for app '{id}' are expired."),
        )),
        Some(_) => Ok(()),
    }
}
