//! What was asked of Graph, in the words of Graph's own pages: counted from what the simulator received.

use std::collections::BTreeMap;

use pim_simulator::Exchange;
use serde_json::{Value, json};

/// The calls of a step.
#[derive(Debug, Default)]
pub struct Calls {
    /// Calls that change something, such as `POST eligibilityScheduleRequests adminAssign`, with how often.
    pub writes: BTreeMap<String, usize>,
    /// Reads, such as `eligibilitySchedules`.
    pub reads: BTreeMap<String, usize>,
    sign_ins: usize,
    /// Reads that Graph wants as a POST.
    posted_reads: BTreeMap<String, usize>,
}

/// Actions that are called by POST and change nothing.
const POSTED_READS: [&str; 3] = ["getByIds", "getMemberGroups", "checkMemberGroups"];

impl Calls {
    /// Reads them from recorded traffic.
    pub fn of(exchanges: &[Exchange]) -> Self {
        let mut calls = Self::default();
        for exchange in exchanges {
            if exchange.path.contains("/oauth2/") {
                calls.sign_ins += 1;
            } else if exchange.path.ends_with("/$batch") {
                calls.batch(exchange);
            } else if exchange.path.starts_with("/v1.0/") || exchange.path.starts_with("/beta/") {
                let body = exchange.request.as_ref().unwrap_or(&Value::Null);
                calls.call(&exchange.method, &exchange.path, body, exchange.status);
            }
        }
        calls
    }

    fn batch(&mut self, exchange: &Exchange) {
        let items = |body: &Option<Value>, list: &str| -> Vec<Value> {
            let list = body.as_ref().and_then(|body| body[list].as_array());
            list.cloned().unwrap_or_default()
        };
        let answers = items(&exchange.response, "responses");
        for item in items(&exchange.request, "requests") {
            let answer = answers.iter().find(|answer| answer["id"] == item["id"]);
            let status = answer.and_then(|answer| answer["status"].as_u64());
            let status = status.and_then(|status| u16::try_from(status).ok());
            let (method, url) = (item["method"].as_str(), item["url"].as_str());
            self.call(
                method.unwrap_or_default(),
                url.unwrap_or_default(),
                &item["body"],
                status.unwrap_or_default(),
            );
        }
    }

    fn call(&mut self, method: &str, path: &str, body: &Value, status: u16) {
        let (set, verb) = name(path);
        let mut call = set.to_owned();
        if let Some(action) = verb.or(body["action"].as_str()) {
            call = format!("{call} {action}");
        }
        if status >= 400 || status == 0 {
            call = format!("{call} (answered {status})");
        }
        let counts = if method == "GET" {
            &mut self.reads
        } else if POSTED_READS.contains(&set) {
            call = format!("{method} {call} (reads)");
            &mut self.posted_reads
        } else {
            call = format!("{method} {call}");
            &mut self.writes
        };
        *counts.entry(call).or_default() += 1;
    }

    /// All of them, in words that stay together where a line is broken.
    pub fn summary(&self) -> Vec<String> {
        let count = |(call, count): (&String, &usize)| format!("{count} {call}");
        let mut parts: Vec<String> = self.writes.iter().map(count).collect();
        let total: usize = self.reads.values().sum();
        for (index, read) in self.reads.iter().map(count).enumerate() {
            let before = if index == 0 {
                format!("{total} GET (")
            } else {
                String::new()
            };
            let after = if index + 1 == self.reads.len() {
                ")"
            } else {
                ""
            };
            parts.push(format!("{before}{read}{after}"));
        }
        parts.extend(self.posted_reads.iter().map(count));
        match self.sign_ins {
            0 => {}
            1 => parts.push("1 sign-in".to_owned()),
            several => parts.push(format!("{several} sign-ins")),
        }
        if parts.is_empty() {
            parts.push("nothing".to_owned());
        }
        parts
    }
}

/// The set that a path is about, and the action at its end, if there is one.
fn name(path: &str) -> (&str, Option<&'static str>) {
    let path = path.split(['?', '(']).next().unwrap_or_default();
    let (path, action) = match path.strip_suffix("/cancel") {
        Some(path) => (path, Some("cancel")),
        None => (path, None),
    };
    let is_key = |segment: &&str| segment.len() >= 36 || segment.contains(['@', '%']);
    let set = path.rsplit('/').find(|segment| !is_key(segment));
    (set.unwrap_or(path), action)
}

/// An exchange, as the shapes are told it.
pub fn as_json(exchange: &Exchange) -> Value {
    json!({
        "method": exchange.method, "path": exchange.path, "status": exchange.status,
        "request": exchange.request, "response": exchange.response,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "/v1.0/identityGovernance/privilegedAccess/group";

    fn exchange(method: &str, path: &str, status: u16, request: Value) -> Exchange {
        Exchange {
            time: String::new(),
            method: method.to_owned(),
            path: path.to_owned(),
            status,
            user_agent: None,
            request: Some(request),
            response: None,
        }
    }

    #[test]
    fn calls_are_named_as_graphs_pages_name_them() {
        let id = "68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7";
        let calls = Calls::of(&[
            exchange("POST", "/9f0c/oauth2/v2.0/token", 200, Value::Null),
            exchange("POST", "/v1.0/directoryObjects/getByIds", 200, Value::Null),
            exchange(
                "GET",
                &format!("{BASE}/eligibilitySchedules?$filter=x"),
                200,
                Value::Null,
            ),
            exchange(
                "GET",
                "/v1.0/users/alice@contoso.com?$select=id",
                200,
                Value::Null,
            ),
            exchange(
                "POST",
                &format!("{BASE}/eligibilityScheduleRequests"),
                201,
                json!({"action": "adminAssign"}),
            ),
            exchange(
                "POST",
                &format!("{BASE}/eligibilityScheduleRequests/{id}/cancel"),
                204,
                Value::Null,
            ),
            exchange(
                "POST",
                &format!("{BASE}/assignmentScheduleRequests"),
                400,
                json!({"action": "adminAssign"}),
            ),
        ]);
        assert_eq!(
            calls.summary().join(", "),
            "1 POST assignmentScheduleRequests adminAssign (answered 400), \
             1 POST eligibilityScheduleRequests adminAssign, 1 POST eligibilityScheduleRequests cancel, \
             2 GET (1 eligibilitySchedules, 1 users), 1 POST getByIds (reads), 1 sign-in"
        );
        assert_eq!(Calls::of(&[]).summary(), ["nothing"]);
    }

    #[test]
    fn a_batch_counts_by_its_items() {
        let request = json!({"requests": [
            {"id": "1", "method": "GET", "url": "/users/alice@contoso.com"},
            {"id": "2", "method": "GET", "url": "/groups?$filter=displayName eq 'x'"},
        ]});
        let calls = Calls::of(&[exchange("POST", "/v1.0/$batch", 200, request)]);
        assert!(calls.writes.is_empty());
        assert_eq!(calls.reads.values().sum::<usize>(), 2);
    }
}
