//! One HTTP exchange: from a call to an answer or a [`GraphError`].

use std::{
    error::Error,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http_body::{Body, Frame, SizeHint};
use reqwest::{
    Method,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;
use uuid::Uuid;

use super::{
    auth::Bearer,
    config::{GraphConfig, Priority, WritePermit},
    error::{GraphError, Intent, NoAnswer, Refusal},
    limiter::Limiter,
    observer::{EndpointClass, GraphObserver, Outcome},
};

/// A call as the rest of the client passes it around. Has no `Debug`: bodies are not for logs.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) class: EndpointClass,
    pub(super) intent: Intent,
    pub(super) priority: Priority,
    pub(super) body: Option<Vec<u8>>,
    /// Sent as `client-request-id`; the same for all tries.
    pub(super) id: Uuid,
}

/// The body of a write, which asks once more when it is fetched to be sent: a connection may have had to be made first.
/// Without its body, Graph takes a request for one that broke off.
struct Permitted {
    bytes: Option<Bytes>,
    permit: Arc<dyn WritePermit>,
}

impl Body for Permitted {
    type Data = Bytes;
    type Error = GraphError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, GraphError>>> {
        let frame = self.bytes.take().map(|bytes| {
            if self.permit.may_write() {
                Ok(Frame::data(bytes))
            } else {
                Err(GraphError::Withheld)
            }
        });
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// The headers the client looks at.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct AnswerHeaders {
    /// Graph's id of the call.
    pub(super) request_id: Option<String>,
    /// The pause Graph asks for.
    pub(super) retry_after: Option<Duration>,
    /// Used share of a quota; sent from 0.8 on.
    pub(super) throttle_percentage: Option<f32>,
}

impl AnswerHeaders {
    /// Reads headers by (lower-case) name. `date` is that of the whole answer, since items of a batch have none.
    pub(super) fn read<'a>(get: impl Fn(&str) -> Option<&'a str>, date: Option<&str>) -> Self {
        Self {
            request_id: get("request-id").map(str::to_owned),
            retry_after: get(RETRY_AFTER.as_str()).and_then(|text| pause(text, date)),
            throttle_percentage: get("x-ms-throttle-limit-percentage")
                .and_then(|text| text.trim().parse().ok()),
        }
    }
}

/// `Retry-After` as seconds or as a date. The date is compared with the answer's own, as the local clock may be wrong.
fn pause(text: &str, date: Option<&str>) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = DateTime::parse_from_rfc2822(text.trim()).ok()?;
    let now = date
        .and_then(|text| DateTime::parse_from_rfc2822(text.trim()).ok())
        .map_or_else(Utc::now, |date| date.with_timezone(&Utc));
    Some(
        (until.with_timezone(&Utc) - now)
            .to_std()
            .unwrap_or_default(),
    )
}

/// A body as it came: bytes, or, inside a batch, JSON that is parsed already.
pub(super) enum AnswerBody {
    Bytes(Vec<u8>),
    Json(Value),
}

/// A successful answer (2xx).
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: AnswerHeaders,
    pub(super) body: AnswerBody,
    /// The `Date` header, for `Retry-After` dates inside a batch.
    pub(super) date: Option<String>,
}

impl Answer {
    /// The body as the expected type. A body that is cut off or of another shape is an error, never a default.
    pub(super) fn parse<T: DeserializeOwned>(self, call: &Call) -> Result<T, GraphError> {
        let parsed = match self.body {
            AnswerBody::Bytes(bytes) => serde_json::from_slice(&bytes),
            AnswerBody::Json(value) => serde_json::from_value(value),
        };
        parsed.map_err(|error| GraphError::Unreadable {
            class: call.class,
            what: match error.classify() {
                serde_json::error::Category::Eof => "it ends too early",
                serde_json::error::Category::Data => "it does not have the expected shape",
                _ => "it is not JSON",
            }
            .to_owned(),
            status: self.status,
            request_id: self.headers.request_id,
            write: call.intent != Intent::Read,
        })
    }
}

/// Turns any status into an answer or an error.
pub(super) fn judge(answer: Answer, intent: Intent) -> Result<Answer, GraphError> {
    match answer.status {
        200..=299 => Ok(answer),
        429 => Err(GraphError::Throttled {
            retry_after: Limiter::pause_for(&answer.headers),
            request_id: answer.headers.request_id,
        }),
        status => {
            let body = match answer.body {
                AnswerBody::Bytes(bytes) => bytes,
                AnswerBody::Json(value) => value.to_string().into_bytes(),
            };
            let AnswerHeaders {
                request_id,
                retry_after,
                ..
            } = answer.headers;
            Err(GraphError::Refused(Box::new(Refusal::read(
                status,
                &body,
                request_id,
                retry_after,
                intent,
            ))))
        }
    }
}

/// The one HTTP client of a tenant, for Graph and for the authority.
pub(super) fn client(config: &GraphConfig) -> Result<reqwest::Client, GraphError> {
    let refused = |_| GraphError::Invalid("the HTTP client could not be set up".to_owned());
    // Fails only if a provider is installed already, which then is the one to use.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .http1_only()
        .user_agent(&config.user_agent)
        .connect_timeout(config.timeouts.connect)
        .timeout(config.timeouts.total)
        // Graph does not redirect; following one would carry the token to another place.
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .pool_idle_timeout(Duration::from_secs(55));
    if let Some(pem) = &config.extra_ca_pem {
        let certificates = reqwest::Certificate::from_pem_bundle(pem)
            .ok()
            .filter(|certificates| !certificates.is_empty())
            .ok_or_else(|| {
                GraphError::Invalid("the extra certificate authorities are not PEM".to_owned())
            })?;
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(refused)
}

/// Sends a call once and reads its whole answer, whatever the status.
pub(super) async fn exchange(
    http: &reqwest::Client,
    call: &Call,
    bearer: &Bearer,
    observer: &dyn GraphObserver,
    permit: Option<&Arc<dyn WritePermit>>,
) -> Result<Answer, GraphError> {
    let started = Instant::now();
    let result = send(http, call, bearer, permit).await;
    let elapsed = started.elapsed();
    let (outcome, status, request_id) = match &result {
        Ok(answer) => (
            Outcome::of_status(answer.status),
            Some(answer.status),
            answer.headers.request_id.as_deref(),
        ),
        Err(_) => (Outcome::NoAnswer, None, None),
    };
    observer.call(call.class, outcome, elapsed);
    tracing::debug!(
        method = call.method.as_str(),
        class = call.class.as_str(),
        outcome = outcome.as_str(),
        status,
        request_id,
        client_request_id = %call.id,
        "graph call"
    );
    result.map_err(|error| no_answer(&error, call.intent))
}

async fn send(
    http: &reqwest::Client,
    call: &Call,
    bearer: &Bearer,
    permit: Option<&Arc<dyn WritePermit>>,
) -> Result<Answer, reqwest::Error> {
    let mut request = http
        .request(call.method.clone(), call.url.clone())
        .header(AUTHORIZATION, bearer.header.clone())
        .header(ACCEPT, "application/json")
        .header("client-request-id", call.id.to_string());
    if let Some(bytes) = &call.body {
        let body = match permit {
            Some(permit) => reqwest::Body::wrap(Permitted {
                bytes: Some(Bytes::from(bytes.clone())),
                permit: Arc::clone(permit),
            }),
            None => bytes.clone().into(),
        };
        request = request.header(CONTENT_TYPE, "application/json").body(body);
    }
    let response = request.send().await?;
    let text = |headers: &HeaderMap, name: &str| -> Option<String> {
        headers.get(name)?.to_str().ok().map(str::to_owned)
    };
    let status = response.status().as_u16();
    let date = text(response.headers(), DATE.as_str());
    let headers = AnswerHeaders::read(
        |name| response.headers().get(name)?.to_str().ok(),
        date.as_deref(),
    );
    let body = AnswerBody::Bytes(response.bytes().await?.into());
    Ok(Answer {
        status,
        headers,
        body,
        date,
    })
}

fn no_answer(error: &reqwest::Error, intent: Intent) -> GraphError {
    let (reason, detail) = why_no_answer(error);
    GraphError::NoAnswer {
        reason,
        detail,
        write: intent != Intent::Read,
    }
}

/// Why there was no answer, and what the system says about a failed connection. The detail is the innermost cause, as
/// the outer texts contain the address.
pub(super) fn why_no_answer(error: &reqwest::Error) -> (NoAnswer, Option<String>) {
    if error.is_timeout() {
        return (NoAnswer::Timeout, None);
    }
    if !error.is_connect() {
        return (NoAnswer::BrokenOff, None);
    }
    let mut innermost = error.source();
    while let Some(cause) = innermost.and_then(Error::source) {
        innermost = Some(cause);
    }
    (NoAnswer::Connection, innermost.map(ToString::to_string))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_read_in_seconds_and_as_a_date_relative_to_the_answer() {
        let date = Some("Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(pause("7", date), Some(Duration::from_secs(7)));
        assert_eq!(
            pause("Wed, 21 Oct 2015 07:28:30 GMT", date),
            Some(Duration::from_secs(30))
        );
        assert_eq!(
            pause("Wed, 21 Oct 2015 07:27:00 GMT", date),
            Some(Duration::ZERO)
        );
        assert_eq!(pause("later", date), None);
    }
}
