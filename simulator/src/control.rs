//! The `/_simulator/*` endpoints: GET reads, POST changes.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::admin::{AdminError, Operation};
use crate::answer::Answer;
use crate::clock::VirtualClock;
use crate::core::Core;
use crate::estate::Estate;
use crate::exchange::Incoming;
use crate::faults::Fault;
use crate::lock::lock;
use crate::simulator::issue_delegated;
use crate::state;
use crate::token::DelegatedToken;
use crate::{admin, duration, timestamp};

/// What went wrong, for a person at a terminal.
type Failure = (u16, String);

/// Serves a control call.
pub(crate) fn serve(core: &std::sync::Arc<Core>, incoming: &Incoming) -> Answer {
    let result = match (incoming.method.as_str(), incoming.path()) {
        ("GET", "/_simulator/clock") => Ok(clock_body(&core.clock)),
        ("POST", "/_simulator/clock") => change_clock(&core.clock, incoming),
        ("GET", "/_simulator/faults") => Ok(json!({"pending": core.faults.pending()})),
        ("POST", "/_simulator/faults") => queue_faults(core, incoming),
        ("GET", "/_simulator/estate") => Ok(state::estate(&lock(&core.world))),
        ("POST", "/_simulator/estate") => change_estate(core, incoming),
        ("GET", "/_simulator/traffic") => read_traffic(core, incoming),
        ("POST", "/_simulator/traffic") => change_traffic(core, incoming),
        ("GET", "/_simulator/state") => Ok(state::dump(&lock(&core.world), core.clock.now())),
        ("POST", "/_simulator/state") => Err((
            405,
            "state is changed through /_simulator/estate".to_owned(),
        )),
        ("POST", "/_simulator/token") => delegated_token(core, incoming),
        (_, path) => Err((404, format!("nothing is served at {path}"))),
    };
    match result {
        Ok(body) => Answer::json(200, &body).plain_json(),
        Err((status, message)) => Answer::json(status, &json!({"error": message})).plain_json(),
    }
}

fn read<'a, T: Deserialize<'a>>(incoming: &'a Incoming) -> Result<T, Failure> {
    serde_json::from_slice(&incoming.body).map_err(|error| (400, error.to_string()))
}

fn clock_body(clock: &VirtualClock) -> Value {
    json!({"now": timestamp::trimmed(clock.now()), "frozen": clock.is_frozen()})
}

/// `{"freeze": true}`, `{"run": true}`, `{"set": "2026-12-01T00:00:00Z"}`, `{"advance": "P1D"}`; done
/// in this order when several are given.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockChange {
    #[serde(default)]
    freeze: bool,
    #[serde(default)]
    run: bool,
    set: Option<String>,
    advance: Option<String>,
}

fn change_clock(clock: &VirtualClock, incoming: &Incoming) -> Result<Value, Failure> {
    let change: ClockChange = read(incoming)?;
    let bad = |what: &str, text: &str| (400, format!("{what}: cannot read {text}"));
    let set = match change.set.as_deref() {
        None => None,
        Some(text) => Some(timestamp::parse(text).ok_or_else(|| bad("set", text))?),
    };
    let advance = match change.advance.as_deref() {
        None => None,
        Some(text) => Some(duration::parse(text).ok_or_else(|| bad("advance", text))?),
    };
    if change.freeze {
        clock.freeze();
    }
    if change.run {
        clock.run();
    }
    if let Some(to) = set {
        clock.set(to);
    }
    if let Some(by) = advance {
        clock.advance(by);
    }
    Ok(clock_body(clock))
}

/// A fault, a list of faults, or `{"clear": true}`.
fn queue_faults(core: &Core, incoming: &Incoming) -> Result<Value, Failure> {
    let body: Value = read(incoming)?;
    if body.get("clear") == Some(&Value::Bool(true)) {
        core.faults.clear();
        return Ok(json!({"pending": []}));
    }
    let list = if body.is_array() { body } else { json!([body]) };
    let faults: Vec<Fault> =
        serde_json::from_value(list).map_err(|error| (400, error.to_string()))?;
    for fault in faults {
        core.faults
            .try_add(fault)
            .map_err(|error| (400, error.to_string()))?;
    }
    Ok(json!({"pending": core.faults.pending()}))
}

/// A deed (`{"do": …}`), a list of deeds, or a piece of an estate to add. Of a list, the deeds in
/// front of a refused one are done.
fn change_estate(core: &std::sync::Arc<Core>, incoming: &Incoming) -> Result<Value, Failure> {
    let body: Value = read(incoming)?;
    if body.is_object() && body.get("do").is_none() {
        let estate: Estate =
            serde_json::from_value(body).map_err(|error| (400, error.to_string()))?;
        let mut world = lock(&core.world);
        if let Some(behaviour) = estate.behaviour.clone() {
            world.behaviour = behaviour;
        }
        world
            .merge(estate, core.clock.now(), true)
            .map_err(|error| refused(&error))?;
        return Ok(json!({"ids": []}));
    }
    let list = if body.is_array() { body } else { json!([body]) };
    let deeds: Vec<Operation> =
        serde_json::from_value(list).map_err(|error| (400, error.to_string()))?;
    let admin = admin::Admin::new(core.clone());
    let ids: Result<Vec<String>, AdminError> =
        deeds.into_iter().map(|deed| admin.apply(deed)).collect();
    Ok(json!({"ids": ids.map_err(|error| refused(&error))?}))
}

fn refused(error: &AdminError) -> Failure {
    let status = match error {
        AdminError::NotFound { .. } => 404,
        AdminError::Ambiguous { .. } => 409,
        AdminError::Refused { .. } => 400,
    };
    (status, error.to_string())
}

/// `?counts=1` for counts, `?since=NAME` for counts since a mark, else the entries kept.
fn read_traffic(core: &Core, incoming: &Incoming) -> Result<Value, Failure> {
    let query: std::collections::HashMap<_, _> =
        url::form_urlencoded::parse(incoming.query().as_bytes())
            .into_owned()
            .collect();
    if let Some(name) = query.get("since") {
        let counts = core.traffic.counts_since_mark(name);
        return counts
            .map(|c| json!(c))
            .ok_or_else(|| (404, format!("no mark called {name}")));
    }
    if query.contains_key("counts") {
        return Ok(json!(core.traffic.counts()));
    }
    Ok(json!({"entries": core.traffic.entries()}))
}

/// `{"reset": true}` or `{"mark": "NAME"}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TrafficChange {
    #[serde(default)]
    reset: bool,
    mark: Option<String>,
}

fn change_traffic(core: &Core, incoming: &Incoming) -> Result<Value, Failure> {
    let change: TrafficChange = read(incoming)?;
    if change.reset {
        core.traffic.reset();
    }
    if let Some(name) = &change.mark {
        core.traffic.mark_as(name);
    }
    Ok(json!(core.traffic.counts()))
}

/// A delegated token: `{"user": "alice@contoso.com", "scopes": […], "mfa": true, "acrs": ["c1"]}`.
fn delegated_token(core: &Core, incoming: &Incoming) -> Result<Value, Failure> {
    let wanted: DelegatedToken = read(incoming)?;
    let token = issue_delegated(core, &wanted, &incoming.base).map_err(|error| refused(&error))?;
    Ok(json!({"access_token": token, "token_type": "Bearer"}))
}
