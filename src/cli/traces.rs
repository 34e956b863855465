//! Traces: a span for each reconcile and each call to Graph, sent to an OpenTelemetry collector where one is named.
//!
//! What is configured is what every OpenTelemetry program is configured by: `OTEL_EXPORTER_OTLP_ENDPOINT`,
//! `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER`, `OTEL_RESOURCE_ATTRIBUTES` and their like. Spans wait in a queue of limited
//! length, in a thread of its own; what does not fit is dropped. So a collector that is slow or away costs spans and nothing else.

use std::{
    env, fmt,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use axum::body::Bytes;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tokio::runtime::Handle;
use tracing::{Subscriber, info, level_filters::LevelFilter, warn};
use tracing_subscriber::{Layer, filter::Targets, registry::LookupSpan};

use super::CliError;
use crate::graph::SPANS;

/// The variables that turn traces on.
const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];
/// How long one export may take.
const EXPORT: Duration = Duration::from_secs(10);
/// How long the end of the process waits for spans that are still in the queue.
const LAST_CALL: Duration = Duration::from_secs(1);
/// The name of whoever makes the spans, and of the service where nothing else is configured.
const NAME: &str = env!("CARGO_PKG_NAME");

/// The way to the collector.
pub(super) struct Traces(SdkTracerProvider);

impl Traces {
    /// Opens it, where a collector is named. Nothing is sent yet.
    pub(super) fn open(runtime: &Handle) -> Result<Option<Self>, CliError> {
        let named = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        if !ENDPOINTS.iter().any(|name| named(name)) {
            return Ok(None);
        }
        let http = reqwest::Client::builder()
            .http1_only()
            .timeout(EXPORT)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let client = Client {
            http,
            runtime: runtime.clone(),
            failing: AtomicBool::new(false),
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .build()?;
        let mut resource = Resource::builder();
        if env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name(NAME);
        }
        let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.with_attribute(version).build())
            .build();
        Ok(Some(Self(provider)))
    }

    /// What hears of spans. Whatever else is logged or traced is not for the collector.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer(NAME))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_target(false)
            .with_level(false)
            .with_filter(Targets::new().with_target(SPANS, LevelFilter::INFO))
    }

    /// Sends what is in the queue, as far as that is quick. The runtime must still be there.
    pub(super) fn close(&self) {
        if let Err(error) = self.0.shutdown_with_timeout(LAST_CALL) {
            warn!(%error, "some spans were not exported before the end");
        }
    }
}

/// The project's own HTTP client, for a thread that has no runtime: the sending itself is done in ours.
struct Client {
    http: reqwest::Client,
    runtime: Handle,
    failing: AtomicBool,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl Client {
    /// Says that exports fail, or work again, when that changes.
    fn tell(&self, outcome: Result<u16, &str>) {
        let problem = match outcome {
            Ok(200..=299) => None,
            Ok(status) => Some(format!("the collector answers with HTTP {status}")),
            Err(error) => Some(error.to_owned()),
        };
        let failed = self.failing.swap(problem.is_some(), Ordering::SeqCst);
        match problem {
            Some(problem) if !failed => {
                warn!("traces are not exported, and nothing else suffers from it: {problem}");
            }
            None if failed => info!("traces are exported again"),
            _ => {}
        }
    }
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        let http = self.http.clone();
        let send = async move {
            let answer = http.execute(request).await?;
            let status = answer.status();
            Ok::<_, reqwest::Error>((status, answer.bytes().await?))
        };
        match self.runtime.spawn(send).await? {
            Ok((status, body)) => {
                self.tell(Ok(status.as_u16()));
                Ok(http::Response::builder().status(status).body(body)?)
            }
            Err(error) => {
                // The address may carry a name and a password.
                let error = error.without_url();
                self.tell(Err(&error.to_string()));
                Err(error.into())
            }
        }
    }
}
