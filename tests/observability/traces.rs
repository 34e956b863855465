//! Spans of a running process, at a collector that the test is, and at one that is away.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use pim_operator::api::group_grant::GroupEligibility;
use prost::Message;

use crate::{
    program::Program,
    support::{bed, eligible},
};

/// What came in: attributes of the service, and spans.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Seen>>);

type Seen = (BTreeMap<String, String>, Vec<Span>);

impl Collector {
    async fn listen(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/v1/traces", post(take))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    fn spans(&self) -> Vec<Span> {
        self.0.lock().unwrap().1.clone()
    }
}

async fn take(State(collector): State<Collector>, body: Bytes) {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let mut seen = collector.0.lock().unwrap();
    for of_service in request.resource_spans {
        let resource = of_service.resource.unwrap_or_default();
        seen.0.extend(attributes(&resource.attributes));
        for scope in of_service.scope_spans {
            seen.1.extend(scope.spans);
        }
    }
}

fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |pair: &KeyValue| match pair.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => Some(format!("{other:?}")),
    };
    pairs
        .iter()
        .map(|pair| (pair.key.clone(), text(pair).unwrap_or_default()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconcile_is_a_span_and_its_calls_to_graph_are_below_it() {
    let bed = bed("traces", |_| {}).await;
    let collector = Collector::default();
    let endpoint = format!("http://{}", collector.listen().await);
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("OTEL_RESOURCE_ATTRIBUTES", "k8s.cluster.name=test"),
    ];
    let program = Program::start(&bed, &[], &variables);
    bed.until_tenant("Connected").await;
    eligible("traced").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("traced", "Provisioned")
        .await;
    let calls_of = |spans: &[Span], endpoint: &str| {
        let passes: Vec<_> = spans
            .iter()
            .filter(|span| {
                attributes(&span.attributes)
                    .get("entrapim.name")
                    .map(String::as_str)
                    == Some("traced")
            })
            .collect();
        spans
            .iter()
            .filter(|span| span.name == endpoint)
            .filter(|span| {
                passes.iter().any(|pass| {
                    pass.span_id == span.parent_span_id && pass.trace_id == span.trace_id
                })
            })
            .count()
    };
    bed.eventually(
        "the write and a read below the passes of its object",
        || async {
            let spans = collector.spans();
            calls_of(&spans, "group_writes") == 1 && calls_of(&spans, "group_schedules") > 0
        },
    )
    .await;
    bed.eventually("the tenant's own pass", || async {
        let spans = collector.spans();
        spans
            .iter()
            .any(|span| span.name == "reconcile EntraTenant")
    })
    .await;

    let before = collector.spans().len();
    eligible("last").user("bob@contoso.com").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("last", "Provisioned")
        .await;
    let (_, log) = program.stop().await;
    assert!(
        collector.spans().len() > before,
        "what is in the queue is sent at the end"
    );

    let (service, spans) = collector.0.lock().unwrap().clone();
    assert_eq!(service["service.name"], "pim-operator");
    assert_eq!(service["k8s.cluster.name"], "test");
    let known = [
        "entrapim.client_request_id",
        "entrapim.endpoint",
        "entrapim.kind",
        "entrapim.name",
        "entrapim.tenant_id",
        "error.type",
        "http.request.method",
        "http.response.status_code",
        "k8s.namespace.name",
    ];
    for span in &spans {
        let attributes = attributes(&span.attributes);
        let other: Vec<_> = attributes
            .keys()
            .filter(|key| !known.contains(&key.as_str()))
            .collect();
        assert!(other.is_empty(), "{} has {other:?}", span.name);
        assert!(
            span.events.is_empty(),
            "the log is not for the collector: {span:?}"
        );
    }
    let all = format!("{spans:?}");
    for private in [
        "alice",
        "bob",
        "on call",
        "simulated-secret",
        "eyJ",
        "payments-ops",
    ] {
        assert!(!all.contains(private), "a span tells {private}");
    }
    assert!(
        !log.contains("reconcile GroupEligibility"),
        "spans are not for the log"
    );
}

/// Grants something while the collector is away, and stops; how long the stop took, and the log.
async fn without_a_collector(
    name: &str,
    address: SocketAddr,
    awaited: Option<&str>,
) -> (Duration, String) {
    let bed = bed(name, |_| {}).await;
    let endpoint = format!("http://user:hidden@{address}");
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "8"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4"),
    ];
    let program = Program::start(&bed, &[], &variables);
    bed.until_tenant("Connected").await;
    for (name, user) in [("one", "alice"), ("two", "bob"), ("three", "carol")] {
        eligible(name)
            .user(&format!("{user}@contoso.com"))
            .apply(&bed)
            .await;
    }
    for name in ["one", "two", "three"] {
        bed.until_reason::<GroupEligibility>(name, "Provisioned")
            .await;
    }
    if let Some(text) = awaited {
        program.until_logged(&bed, text).await;
    }
    program.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_answers_holds_up_neither_a_grant_nor_the_end() {
    // It takes connections, and nobody ever reads from them.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (took, log) = without_a_collector("mute_collector", address, None).await;
    assert!(took < Duration::from_secs(8), "{took:?}: {log}");
    drop(listener);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_is_told_of_once() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let said = "traces are not exported";
    let (_, log) = without_a_collector("no_collector", address, Some(said)).await;
    assert_eq!(log.matches(said).count(), 1, "{log}");
    assert!(!log.contains("hidden"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_for_traces_that_cannot_be_carried_out_keep_nobody_from_running() {
    let bed = bed("odd_collector", |_| {}).await;
    let variables = [(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "http://user:hidden@no address",
    )];
    let program = Program::start(&bed, &[], &variables);
    bed.until_tenant("Connected").await;
    let (_, log) = program.stop().await;
    assert!(log.contains("no traces are exported"), "{log}");
    assert!(!log.contains("hidden"), "{log}");
}
