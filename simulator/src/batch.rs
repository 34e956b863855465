//! JSON `$batch`: at most 20 requests, each with its own status and faults, answered in any order.
//!
//! No source proves or denies that PIM requests may be batched; [`BatchSupport`] has both worlds.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::answer::Answer;
use crate::behaviour::BatchSupport;
use crate::core::Core;
use crate::error::GraphError;
use crate::exchange::{Ids, Incoming, Outcome, perform};
use crate::faults::FaultKind;
use crate::lock::lock;
use crate::router;

const LIMIT: usize = 20;

#[derive(Deserialize)]
struct Batch {
    requests: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    id: String,
    method: String,
    url: String,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    body: Option<Value>,
    #[serde(default)]
    depends_on: Vec<String>,
}

/// Serves a batch.
pub(crate) fn serve(core: &Core, incoming: &Incoming, ids: &Ids) -> Answer {
    match run(core, incoming, ids) {
        Ok(answer) => answer,
        Err(error) => ids.error(&error, core.clock.now()),
    }
}

fn run(core: &Core, incoming: &Incoming, ids: &Ids) -> Result<Answer, GraphError> {
    router::caller(core, incoming)?;
    let batch: Batch = serde_json::from_slice(&incoming.body)
        .map_err(|_| invalid("Invalid batch payload format."))?;
    check(&batch)?;
    let support = lock(&core.world).behaviour.batch;
    if support == BatchSupport::RefusedWhole && batch.requests.iter().any(Item::is_pim) {
        return Err(invalid(
            "The batch contains a resource that does not support batching.",
        ));
    }
    let mut statuses: HashMap<String, u16> = HashMap::new();
    let mut responses = Vec::with_capacity(batch.requests.len());
    for item in &batch.requests {
        let failed = |id: &String| statuses.get(&id.to_lowercase()).is_none_or(|s| *s >= 400);
        let answer = if item.depends_on.iter().any(failed) {
            let error = GraphError::new(424, "FailedDependency", "Failed Dependency");
            ids.error(&error, core.clock.now())
        } else if support == BatchSupport::RefusedPerItem && item.is_pim() {
            let error = invalid("The resource does not support batching.");
            ids.error(&error, core.clock.now())
        } else {
            item.perform(core, incoming, ids)
        };
        core.traffic.count_call(
            &item.method.to_uppercase(),
            &item.target(incoming),
            answer.status,
        );
        statuses.insert(item.id.to_lowercase(), answer.status);
        responses.push(rendered(&item.id, &answer));
    }
    // The order of answers is not promised; clients that rely on it find out here.
    responses.reverse();
    let mut body = String::from("{\"responses\":[");
    body.push_str(&responses.join(","));
    body.push_str("]}");
    Ok(Answer {
        status: 200,
        body: body.into_bytes(),
        ..Answer::default()
    })
}

fn check(batch: &Batch) -> Result<(), GraphError> {
    if batch.requests.is_empty() {
        return Err(invalid(
            "The batch request must contain at least one request.",
        ));
    }
    if batch.requests.len() > LIMIT {
        return Err(invalid(
            "Number of batch request steps exceeds the maximum value of 20.",
        ));
    }
    let mut seen = HashSet::new();
    for item in &batch.requests {
        if item
            .depends_on
            .iter()
            .any(|id| !seen.contains(&id.to_lowercase()))
        {
            return Err(invalid(
                "A request depends on an id that is not in front of it.",
            ));
        }
        if item.id.is_empty() || !seen.insert(item.id.to_lowercase()) {
            return Err(invalid(
                "The ids of the requests in a batch must be unique.",
            ));
        }
    }
    Ok(())
}

fn invalid(message: &str) -> GraphError {
    GraphError::bad_request("BadRequest", message)
}

impl Item {
    fn is_pim(&self) -> bool {
        self.url.contains("identityGovernance/") || self.url.contains("roleManagement/")
    }

    /// The path with version: urls of items are relative to the version of the batch.
    fn target(&self, incoming: &Incoming) -> String {
        let version = if incoming.target.starts_with("/beta") {
            "/beta"
        } else {
            "/v1.0"
        };
        format!("{version}/{}", self.url.trim_start_matches('/'))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .and_then(|(_, v)| v.as_str())
    }

    fn perform(&self, core: &Core, outer: &Incoming, ids: &Ids) -> Answer {
        if self.body.is_some() && self.header("content-type").is_none() {
            let error = invalid("A request with a body needs a Content-Type header.");
            return ids.error(&error, core.clock.now());
        }
        let body = self
            .body
            .as_ref()
            .map(Value::to_string)
            .unwrap_or_default()
            .into_bytes();
        let incoming = Incoming {
            method: self.method.to_uppercase(),
            target: self.target(outer),
            eventual: self.header("consistencylevel") == Some("eventual"),
            metadata: false,
            body,
            ..outer.clone()
        };
        let fault = core
            .faults
            .strike(&incoming.method, &incoming.target, &incoming.body);
        // A batch has one connection: a delay of an item cannot be told apart.
        let fault = fault.filter(|fault| !matches!(fault, FaultKind::Slow { .. }));
        match perform(core, &incoming, fault, ids) {
            Outcome::Reply(answer) => answer,
            // The connection behind the batch broke; what was done is done.
            Outcome::Cut | Outcome::Truncated(_) => {
                let error = GraphError::new(504, "UnknownError", "");
                ids.error(&error, core.clock.now())
            }
        }
    }
}

/// One response, with the body spliced in as it is.
fn rendered(id: &str, answer: &Answer) -> String {
    let mut headers = Map::new();
    for (name, value) in &answer.headers {
        headers.insert(name.clone(), value.as_str().into());
    }
    if !answer.body.is_empty() {
        headers.insert("Content-Type".to_owned(), "application/json".into());
    }
    let (id, headers) = (Value::from(id), Value::from(headers));
    let mut text = format!(
        "{{\"id\":{id},\"status\":{},\"headers\":{headers}",
        answer.status
    );
    if !answer.body.is_empty() {
        let body = String::from_utf8_lossy(&answer.body);
        text.push_str(",\"body\":");
        if serde_json::from_slice::<serde::de::IgnoredAny>(&answer.body).is_ok() {
            text.push_str(&body);
        } else {
            text.push_str(&Value::from(body.into_owned()).to_string());
        }
    }
    text.push('}');
    text
}
