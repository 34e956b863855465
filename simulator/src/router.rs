//! Paths to handlers.

use std::sync::Arc;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::answer::Answer;
use crate::call::Call;
use crate::core::Core;
use crate::directory::{self, Class};
use crate::engine;
use crate::engine::target::Service;
use crate::error::GraphError;
use crate::exchange::Incoming;
use crate::lock::lock;
use crate::odata::query::Query;
use crate::policies;
use crate::token::{Caller, discovery, endpoint, machine};

/// Serves a call to Graph, the sign-in service or the cloud description.
pub(crate) fn serve(core: &Core, incoming: &Incoming, stale: bool) -> Result<Answer, GraphError> {
    let segments = segments(incoming.path())?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        [version @ ("v1.0" | "beta"), rest @ ..] => graph(core, incoming, version, rest, stale),
        ["metadata", "endpoints"] => {
            let version = option(incoming, "api-version");
            Ok(document(&discovery::cloud(&incoming.base, &version)))
        }
        ["metadata", "identity", "oauth2", "token"] if incoming.method == "GET" => {
            let world = lock(&core.world);
            Ok(machine::serve(
                &world,
                &core.tokens,
                incoming,
                core.clock.now(),
            ))
        }
        [tenant, "oauth2", "v2.0", "token"] if incoming.method == "POST" => {
            let now = core.clock.now();
            let world = lock(&core.world);
            let (body, base) = (&incoming.body, &incoming.base);
            Ok(endpoint::serve(
                &world,
                &core.tokens,
                tenant,
                body,
                base,
                now,
            ))
        }
        ["common", "discovery", "instance"] => {
            let tenant = lock(&core.world).tenant.id;
            Ok(document(&discovery::instance(&incoming.base, tenant)))
        }
        [_, "v2.0", ".well-known", "openid-configuration"] => {
            let tenant = lock(&core.world).tenant.id;
            Ok(document(&discovery::openid(&incoming.base, tenant)))
        }
        [_, "discovery", "v2.0", "keys"] => Ok(document(&discovery::keys(&core.tokens))),
        _ => Err(GraphError::new(404, "NotFound", "Nothing is served here.")),
    }
}

fn graph(
    core: &Core,
    incoming: &Incoming,
    version: &str,
    rest: &[&str],
    stale: bool,
) -> Result<Answer, GraphError> {
    let call = Call {
        method: incoming.method.clone(),
        version: version.to_owned(),
        path: incoming.path().to_owned(),
        query: Query::parse(incoming.query())?,
        body: incoming.body.clone(),
        caller: caller(core, incoming)?,
        base: incoming.base.clone(),
        now: core.clock.now(),
        stale,
        eventual: incoming.eventual,
    };
    let mut world = lock(&core.world);
    let (first, rest) = rest
        .split_first()
        .ok_or_else(|| GraphError::unknown_segment(""))?;
    match (*first, rest) {
        ("identityGovernance", ["privilegedAccess", "group", rest @ ..]) => {
            engine::routes::serve(&mut world, &call, Service::Groups, rest)
        }
        ("roleManagement", ["directory", rest @ ..]) => {
            directory::role_routes::serve(&mut world, &call, rest)
                .unwrap_or_else(|| engine::routes::serve(&mut world, &call, Service::Roles, rest))
        }
        ("directory", ["administrativeUnits", rest @ ..]) => {
            directory::routes::serve(&world, &call, Class::AdministrativeUnit, rest)
        }
        ("policies", rest) => policies::routes::serve(&mut world, &call, rest),
        (
            "identity",
            [
                "conditionalAccess",
                "authenticationContextClassReferences",
                rest @ ..,
            ],
        ) => policies::contexts::serve(&world, &call, rest),
        ("directoryObjects", rest) => directory::routes::objects(&world, &call, rest),
        (segment, rest) => {
            if let Some(class) = directory::routes::class_of(segment) {
                return directory::routes::serve(&world, &call, class, rest);
            }
            let key = segment.strip_prefix("servicePrincipals(appId=");
            match (key.and_then(|key| key.strip_suffix(')')), rest) {
                (Some(app_id), []) => directory::routes::by_app_id(&world, &call, app_id),
                _ => Err(GraphError::unknown_segment(segment)),
            }
        }
    }
}

/// The caller behind the bearer token.
pub(crate) fn caller(core: &Core, incoming: &Incoming) -> Result<Arc<Caller>, GraphError> {
    let header = incoming.authorization.as_deref().unwrap_or_default();
    let token = header
        .strip_prefix("Bearer ")
        .or_else(|| header.strip_prefix("bearer "));
    let token = token
        .filter(|token| !token.is_empty())
        .ok_or_else(|| GraphError::invalid_token("Access token is empty."))?;
    let caller = core
        .tokens
        .caller(token.trim())
        .ok_or_else(|| GraphError::invalid_token("Access token validation failure."))?;
    if !caller.valid(core.clock.now()) {
        return Err(GraphError::invalid_token(
            "Lifetime validation failed, the token is expired.",
        ));
    }
    Ok(caller)
}

fn segments(path: &str) -> Result<Vec<String>, GraphError> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| {
            let decoded = percent_decode_str(segment).decode_utf8();
            decoded
                .map(std::borrow::Cow::into_owned)
                .map_err(|_| GraphError::bad_request("BadRequest", "The URL is malformed."))
        })
        .collect()
}

fn option(incoming: &Incoming, name: &str) -> String {
    url::form_urlencoded::parse(incoming.query().as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

fn document(body: &Value) -> Answer {
    Answer::json(200, body).plain_json()
}
