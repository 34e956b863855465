//! What went over the wire: counts (always), entries in memory (when asked) and a JSONL file.
//!
//! A line of the file is `{"time","method","path","status","userAgent","request","response"}`.
//! Headers other than the user agent and the form bodies of the token endpoint are never recorded,
//! so no secret and no bearer token gets in.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::lock::lock;

/// How many entries are kept in memory.
const KEPT: usize = 20_000;

/// One exchange.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exchange {
    /// Virtual time of the answer.
    pub time: String,
    /// HTTP method.
    pub method: String,
    /// Path with query, as sent.
    pub path: String,
    /// HTTP status; 0 when the connection was cut.
    pub status: u16,
    /// `User-Agent` header.
    pub user_agent: Option<String>,
    /// JSON body of the request; a string when it was not JSON.
    pub request: Option<Value>,
    /// JSON body of the answer; a string when it was not JSON.
    pub response: Option<Value>,
}

/// Calls by method and by endpoint. Items of a `$batch` count singly in everything but
/// `http_round_trips`; the batch itself counts as a round trip only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Graph calls of any method.
    pub graph_calls: u64,
    /// Graph calls that read.
    pub graph_gets: u64,
    /// Graph POST calls.
    pub graph_posts: u64,
    /// Graph PATCH calls.
    pub graph_patches: u64,
    /// HTTP exchanges with `/v1.0` and `/beta`.
    pub http_round_trips: u64,
    /// Exchanges with the token endpoint.
    pub token_requests: u64,
    /// Calls by method.
    pub by_method: BTreeMap<String, u64>,
    /// Calls by method and endpoint, with ids replaced by `{id}`.
    pub by_endpoint: BTreeMap<String, u64>,
    /// Answers by status.
    pub by_status: BTreeMap<u16, u64>,
}

/// A point in the traffic to count from.
#[derive(Debug, Clone, Default)]
pub struct Mark {
    counts: Counts,
}

#[derive(Debug, Default)]
struct Log {
    counts: Counts,
    kept: VecDeque<Exchange>,
    file: Option<File>,
    marks: BTreeMap<String, Counts>,
}

/// The record of traffic. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Traffic {
    log: Arc<Mutex<Log>>,
    keep: bool,
    to_file: bool,
}

/// The parts of an exchange, borrowed from the server.
pub(crate) struct Seen<'a> {
    pub time: String,
    pub method: &'a str,
    pub path: &'a str,
    pub status: u16,
    pub user_agent: Option<&'a str>,
    pub request: &'a [u8],
    pub response: &'a [u8],
}

impl Traffic {
    pub(crate) fn open(file: Option<&Path>, keep: bool) -> std::io::Result<Self> {
        let file = match file {
            None => None,
            Some(path) => {
                if let Some(folder) = path.parent() {
                    std::fs::create_dir_all(folder)?;
                }
                Some(File::create(path)?)
            }
        };
        let to_file = file.is_some();
        let log = Log {
            file,
            ..Log::default()
        };
        Ok(Self {
            log: Arc::new(Mutex::new(log)),
            keep,
            to_file,
        })
    }

    /// Exchanges kept in memory, oldest first. Empty unless the configuration asks to keep them.
    #[must_use]
    pub fn entries(&self) -> Vec<Exchange> {
        lock(&self.log).kept.iter().cloned().collect()
    }

    /// Counts since the start or the last [`reset`](Self::reset).
    #[must_use]
    pub fn counts(&self) -> Counts {
        lock(&self.log).counts.clone()
    }

    /// Remembers this point.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark {
            counts: self.counts(),
        }
    }

    /// Counts since a mark.
    #[must_use]
    pub fn counts_since(&self, mark: &Mark) -> Counts {
        self.counts().minus(&mark.counts)
    }

    /// Forgets counts, marks and kept entries; the file is left alone.
    pub fn reset(&self) {
        let mut log = lock(&self.log);
        log.counts = Counts::default();
        log.marks.clear();
        log.kept.clear();
    }

    /// Remembers this point under a name, for the HTTP interface.
    pub(crate) fn mark_as(&self, name: &str) {
        let mut log = lock(&self.log);
        let counts = log.counts.clone();
        log.marks.insert(name.to_owned(), counts);
    }

    pub(crate) fn counts_since_mark(&self, name: &str) -> Option<Counts> {
        let log = lock(&self.log);
        log.marks
            .get(name)
            .map(|mark| log.counts.clone().minus(mark))
    }

    /// Counts one Graph call: a plain exchange or an item of a batch.
    pub(crate) fn count_call(&self, method: &str, path: &str, status: u16) {
        let endpoint = format!("{method} {}", endpoint_of(path));
        let mut log = lock(&self.log);
        let counts = &mut log.counts;
        counts.graph_calls += 1;
        match method {
            "GET" => counts.graph_gets += 1,
            "POST" => counts.graph_posts += 1,
            "PATCH" => counts.graph_patches += 1,
            _ => {}
        }
        *counts.by_method.entry(method.to_owned()).or_default() += 1;
        *counts.by_endpoint.entry(endpoint).or_default() += 1;
        *counts.by_status.entry(status).or_default() += 1;
    }

    pub(crate) fn count_round_trip(&self) {
        lock(&self.log).counts.http_round_trips += 1;
    }

    pub(crate) fn count_token_request(&self) {
        lock(&self.log).counts.token_requests += 1;
    }

    /// Whether bodies are wanted at all.
    pub(crate) fn records(&self) -> bool {
        self.keep || self.to_file
    }

    pub(crate) fn record(&self, seen: &Seen<'_>) {
        let exchange = Exchange {
            time: seen.time.clone(),
            method: seen.method.to_owned(),
            path: seen.path.to_owned(),
            status: seen.status,
            user_agent: seen.user_agent.map(str::to_owned),
            request: body(seen.request),
            response: body(seen.response),
        };
        let line = self.to_file.then(|| serde_json::to_vec(&exchange));
        let mut log = lock(&self.log);
        if let (Some(Ok(mut line)), Some(file)) = (line, log.file.as_mut()) {
            line.push(b'\n');
            if let Err(error) = file.write_all(&line) {
                tracing::error!(%error, "traffic log not written");
            }
        }
        if self.keep {
            if log.kept.len() == KEPT {
                log.kept.pop_front();
            }
            log.kept.push_back(exchange);
        }
    }
}

fn body(bytes: &[u8]) -> Option<Value> {
    if bytes.is_empty() {
        return None;
    }
    let text = || Value::String(String::from_utf8_lossy(bytes).into_owned());
    Some(serde_json::from_slice(bytes).unwrap_or_else(|_| text()))
}

/// The path without version and query, with ids and quoted keys replaced.
fn endpoint_of(path: &str) -> String {
    let path = path.split('?').next().unwrap_or(path);
    let path = path.trim_start_matches("/v1.0").trim_start_matches("/beta");
    let mut endpoint = String::with_capacity(path.len());
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        endpoint.push('/');
        let is_id = segment
            .split('_')
            .any(|part| part.len() >= 36 && part.as_bytes().get(8) == Some(&b'-'));
        if is_id || segment.contains('@') || segment.contains("%40") {
            endpoint.push_str("{id}");
        } else if let Some((name, _)) = segment.split_once('(') {
            endpoint.push_str(name);
            endpoint.push_str("(…)");
        } else {
            endpoint.push_str(segment);
        }
    }
    endpoint
}

impl Counts {
    fn minus(mut self, earlier: &Self) -> Self {
        self.graph_calls = self.graph_calls.saturating_sub(earlier.graph_calls);
        self.graph_gets = self.graph_gets.saturating_sub(earlier.graph_gets);
        self.graph_posts = self.graph_posts.saturating_sub(earlier.graph_posts);
        self.graph_patches = self.graph_patches.saturating_sub(earlier.graph_patches);
        self.http_round_trips = self
            .http_round_trips
            .saturating_sub(earlier.http_round_trips);
        self.token_requests = self.token_requests.saturating_sub(earlier.token_requests);
        subtract(&mut self.by_method, &earlier.by_method);
        subtract(&mut self.by_endpoint, &earlier.by_endpoint);
        subtract(&mut self.by_status, &earlier.by_status);
        self
    }
}

fn subtract<K: Ord>(from: &mut BTreeMap<K, u64>, what: &BTreeMap<K, u64>) {
    for (key, count) in what {
        if let Some(value) = from.get_mut(key) {
            *value = value.saturating_sub(*count);
        }
    }
    from.retain(|_, count| *count > 0);
}

#[cfg(test)]
mod tests {
    use super::endpoint_of;

    #[test]
    fn endpoints_are_counted_without_ids() {
        let id = "68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7";
        assert_eq!(
            endpoint_of(&format!("/v1.0/groups/{id}/members?$top=5")),
            "/groups/{id}/members"
        );
        assert_eq!(endpoint_of("/beta/users/alice@contoso.com"), "/users/{id}");
        assert_eq!(
            endpoint_of("/v1.0/servicePrincipals(appId='x')"),
            "/servicePrincipals(…)"
        );
    }
}
