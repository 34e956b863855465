//! One HTTP exchange from request to answer: faults, routing, headers, traffic log.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::answer::Answer;
use crate::core::Core;
use crate::error::GraphError;
use crate::faults::FaultKind;
use crate::router;
use crate::token::endpoint::Refusal;
use crate::traffic::Seen;
use crate::{batch, control};

/// Where the metadata service of a machine hands out tokens.
const METADATA_SERVICE: &str = "/metadata/identity/oauth2/token";

/// A request as it came in, or an item of a batch.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    pub method: String,
    /// Path with query.
    pub target: String,
    pub authorization: Option<String>,
    pub user_agent: Option<String>,
    pub client_request_id: Option<String>,
    pub eventual: bool,
    /// Whether the header is there that the metadata service of a machine asks for.
    pub metadata: bool,
    pub body: Vec<u8>,
    pub base: String,
}

impl Incoming {
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or(&self.target)
    }

    pub fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    pub fn is_graph(&self) -> bool {
        self.target.starts_with("/v1.0/") || self.target.starts_with("/beta/")
    }

    pub fn is_token(&self) -> bool {
        self.path().ends_with("/oauth2/v2.0/token") || self.path() == METADATA_SERVICE
    }

    fn is_batch(&self) -> bool {
        matches!(
            self.path(),
            "/v1.0/$batch" | "/beta/$batch" | "/v1.0/%24batch" | "/beta/%24batch"
        )
    }
}

/// What happens to the connection.
pub(crate) enum Outcome {
    Reply(Answer),
    /// The connection closes without an answer.
    Cut,
    /// The connection closes half-way through the body.
    Truncated(Answer),
}

/// Serves one exchange.
pub(crate) async fn serve(core: &Arc<Core>, incoming: &Incoming) -> Outcome {
    if incoming.target.starts_with("/_simulator/") {
        return Outcome::Reply(control::serve(core, incoming));
    }
    let fault = core
        .faults
        .strike(&incoming.method, &incoming.target, &incoming.body);
    if let Some(FaultKind::Slow { milliseconds }) = fault {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
    let slow_answer = match fault {
        Some(FaultKind::SlowAfterCommit { milliseconds }) => Some(milliseconds),
        _ => None,
    };
    let ids = Ids::of(incoming);
    let outcome = if incoming.is_batch() && fault.as_ref().is_none_or(|fault| !answers(fault)) {
        let answer = batch::serve(core, incoming, &ids);
        after(fault, answer)
    } else {
        perform(core, incoming, fault, &ids)
    };
    let outcome = outcome.map(|answer| ids.label(answer, core.clock.now(), incoming));
    core.record(incoming, &outcome);
    if let Some(milliseconds) = slow_answer {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
    outcome
}

/// Whether a fault answers in place of the service.
fn answers(fault: &FaultKind) -> bool {
    use FaultKind::{CutBeforeCommit, EmptyList, Status, Throttle, TokenRefusal};
    matches!(
        fault,
        CutBeforeCommit | EmptyList | Status { .. } | Throttle { .. } | TokenRefusal { .. }
    )
}

/// Carries out one call, struck by a fault or not.
pub(crate) fn perform(
    core: &Core,
    incoming: &Incoming,
    fault: Option<FaultKind>,
    ids: &Ids,
) -> Outcome {
    let now = core.clock.now();
    match fault {
        Some(FaultKind::Status {
            status,
            body,
            retry_after_seconds,
        }) => {
            let mut answer = match body {
                Some(body) => Answer::json(status, &body),
                None => Answer::empty(status),
            };
            if let Some(seconds) = retry_after_seconds {
                answer = answer.header("Retry-After", seconds.to_string());
            }
            Outcome::Reply(answer)
        }
        Some(FaultKind::Throttle {
            retry_after_seconds,
            as_date,
        }) => {
            let wait = if as_date {
                let until = now + Duration::from_secs(retry_after_seconds);
                until.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
            } else {
                retry_after_seconds.to_string()
            };
            Outcome::Reply(ids.error(&GraphError::throttled(wait), now))
        }
        Some(FaultKind::TokenRefusal {
            status,
            error,
            code,
            description,
        }) => {
            let refusal = Refusal::new(status, &error, code, &description);
            Outcome::Reply(refusal.answer(now, &incoming.base))
        }
        Some(FaultKind::CutBeforeCommit) => Outcome::Cut,
        Some(FaultKind::EmptyList) => {
            let context = format!("{}/v1.0/$metadata#Collection(entity)", incoming.base);
            Outcome::Reply(Answer::json(
                200,
                &json!({"@odata.context": context, "value": []}),
            ))
        }
        fault => {
            let stale = fault == Some(FaultKind::StaleRead);
            let answer = router::serve(core, incoming, stale)
                .unwrap_or_else(|error| ids.error(&error, core.clock.now()));
            after(fault, answer)
        }
    }
}

/// Faults that strike when the work is done.
fn after(fault: Option<FaultKind>, answer: Answer) -> Outcome {
    match fault {
        Some(FaultKind::CutAfterCommit) => Outcome::Cut,
        Some(FaultKind::TruncatedBody) => Outcome::Truncated(answer),
        Some(FaultKind::OddBody { status, text }) => Outcome::Reply(Answer {
            status,
            body: text.into_bytes(),
            ..Answer::default()
        }),
        _ => Outcome::Reply(answer),
    }
}

/// The ids of an exchange: one from the service, one from the caller or made up for it.
pub(crate) struct Ids {
    request: String,
    client: String,
}

impl Ids {
    pub fn of(incoming: &Incoming) -> Self {
        let new = || Uuid::new_v4().to_string();
        let client = incoming.client_request_id.clone().unwrap_or_else(new);
        Self {
            request: new(),
            client,
        }
    }

    /// An error with its envelope and headers.
    pub fn error(&self, error: &GraphError, now: DateTime<Utc>) -> Answer {
        let body: Value = error.body(now, &self.request, &self.client);
        let mut answer = Answer::json(error.status, &body);
        for (name, value) in &error.headers {
            answer = answer.header(name, value.clone());
        }
        answer
    }

    /// The headers that every answer of Graph has.
    fn label(&self, answer: Answer, now: DateTime<Utc>, incoming: &Incoming) -> Answer {
        let answer = answer.header("Date", now.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
        if !incoming.is_graph() {
            return answer;
        }
        answer
            .header("request-id", self.request.clone())
            .header("client-request-id", self.client.clone())
            .header("OData-Version", "4.0")
            .header(
                "x-ms-ags-diagnostic",
                r#"{"ServerInfo":{"DataCenter":"Simulated","Slice":"E","Ring":"1","ScaleUnit":"000","RoleInstance":"SIM"}}"#,
            )
    }
}

impl Outcome {
    fn map(self, change: impl FnOnce(Answer) -> Answer) -> Self {
        match self {
            Self::Reply(answer) => Self::Reply(change(answer)),
            Self::Truncated(answer) => Self::Truncated(change(answer)),
            Self::Cut => Self::Cut,
        }
    }
}

impl Core {
    /// Counts and logs an exchange.
    fn record(&self, incoming: &Incoming, outcome: &Outcome) {
        let (status, response): (u16, &[u8]) = match outcome {
            Outcome::Reply(answer) => (answer.status, &answer.body),
            Outcome::Cut | Outcome::Truncated(_) => (0, &[]),
        };
        if incoming.is_graph() {
            self.traffic.count_round_trip();
            if !incoming.is_batch() {
                self.traffic
                    .count_call(&incoming.method, &incoming.target, status);
            }
        } else if incoming.is_token() {
            self.traffic.count_token_request();
        }
        if self.traffic.records() {
            // Neither a secret nor a token is ever recorded.
            let (request, response): (&[u8], &[u8]) = if incoming.is_token() {
                (&[], &[])
            } else {
                (&incoming.body, response)
            };
            self.traffic.record(&Seen {
                time: self
                    .clock
                    .now()
                    .to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
                method: &incoming.method,
                path: &incoming.target,
                status,
                user_agent: incoming.user_agent.as_deref(),
                request,
                response,
            });
        }
    }
}
