//! The operator as a process: its end, its restart, and what it tells those who run it.

use std::{
    io,
    sync::{Arc, Mutex, OnceLock},
};

use chrono::TimeDelta;
use kube::Api;
use pim_harness::{
    Bed, Operator,
    bed::{assert_same, client},
};
use pim_operator::api::{
    group_grant::{GroupAssignment, GroupEligibility},
    tenant::{EntraTenant, EntraTenantStatus},
};
use pim_simulator::{FaultKind, Kind};
use serde_json::Value;
use tokio::net::TcpListener;
use tracing_subscriber::{fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::support::{
    active, bed, eligible, events, row, sent, start, status, until_sent, write_fault,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_finishes_the_request_in_hand_and_the_next_start_repeats_nothing() {
    let bed = bed("shutdown", |_| {}).await;
    let operator = start(&bed).await;
    bed.simulator.faults().add(write_fault(FaultKind::Slow {
        milliseconds: 1_500,
    }));
    eligible("alice").apply(&bed).await;
    bed.eventually("a request under way", || async {
        bed.simulator.faults().pending().is_empty()
    })
    .await;
    operator.stop().await;
    assert_eq!(sent(&bed), ["adminAssign"]);
    row(&bed, Kind::Eligibility, "alice");
    let alice: GroupEligibility = bed.api().get("alice").await.unwrap();
    let request = status(&alice).last_request.as_ref().unwrap();
    assert_eq!(request.action, "adminAssign");
    assert_eq!(request.status.as_deref(), Some("Provisioned"));
    let operator = start(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
}

async fn tenant_status(bed: &Bed) -> EntraTenantStatus {
    let api: Api<EntraTenant> = Api::all(bed.client.clone());
    api.get(&bed.tenant)
        .await
        .unwrap()
        .status
        .unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_costs_no_write_anywhere() {
    let bed = bed("restart", |_| {}).await;
    let operator = start(&bed).await;
    let start_later = bed.now() + TimeDelta::days(2);
    eligible("alice").apply(&bed).await;
    active("bob").user("bob@contoso.com").apply(&bed).await;
    active("carol")
        .user("carol@contoso.com")
        .starting(start_later, "P10D")
        .apply(&bed)
        .await;
    eligible("nobody")
        .user("nobody@contoso.com")
        .apply(&bed)
        .await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    bed.until_reason::<GroupAssignment>("bob", "Provisioned")
        .await;
    bed.until_reason::<GroupAssignment>("carol", "Scheduled")
        .await;
    bed.until_reason::<GroupEligibility>("nobody", "PrincipalNotFound")
        .await;
    bed.eventually("the tenant's report has settled", || async {
        let status = tenant_status(&bed).await;
        let counted: u32 = status.objects.iter().map(|seen| seen.count).sum();
        counted == 4
            && status
                .permissions
                .is_some_and(|all| !all.needless.is_empty())
    })
    .await;
    operator.stop().await;
    let reported = tenant_status(&bed).await;
    let told = events(&bed, "alice").await.len() + events(&bed, "bob").await.len();
    let mark = bed.simulator.traffic().mark();
    let agent = "faults-restart-test";
    let operator = bed.start_operator_with(client(bed.control_plane, agent).await.unwrap());
    bed.eventually("both lists read", || async {
        let calls = bed.simulator.traffic().counts_since(&mark);
        let lists = calls.by_endpoint.iter();
        lists
            .filter(|(endpoint, _)| endpoint.ends_with("Schedules"))
            .count()
            == 2
    })
    .await;
    assert_same(&tenant_status(&bed).await, &reported, "the tenant's status");
    // Its own grant shows that the operator has gone through the others, which were there before it.
    eligible("dave").user("dave@contoso.com").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("dave", "Provisioned")
        .await;
    let sent_since = sent(&bed).len();
    assert_eq!(sent_since, 4, "three before the restart and Dave's");
    let others: Vec<_> = bed
        .control_plane
        .audit_events()
        .unwrap()
        .into_iter()
        .filter(|event| event.user_agent == agent && event.resource != "events")
        .filter(|event| event.name != "dave" && event.resource != "entratenants")
        .collect();
    assert_eq!(others, []);
    let published = events(&bed, "alice").await.len() + events(&bed, "bob").await.len();
    assert_eq!(published, told, "a restart is no news");
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_of_state_is_an_event_and_only_that() {
    let bed = bed("events", |_| {}).await;
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    bed.advance(TimeDelta::minutes(16));
    bed.advance(TimeDelta::days(91));
    bed.until_reason::<GroupEligibility>("alice", "Expired")
        .await;
    bed.eventually("the last event", || async {
        events(&bed, "alice")
            .await
            .iter()
            .any(|(_, reason)| reason == "Expired")
    })
    .await;
    let seen = events(&bed, "alice").await;
    let reasons: Vec<_> = seen.iter().map(|(_, reason)| reason.as_str()).collect();
    assert_eq!(reasons, ["Provisioned", "Expired"], "{seen:?}");
    assert!(seen.iter().all(|(type_, _)| type_ == "Normal"), "{seen:?}");
    operator.stop().await;
}

async fn fetch(address: std::net::SocketAddr, path: &str) -> (u16, String) {
    let url = format!("http://{address}{path}");
    let answer = reqwest::get(url).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn health_readiness_and_metrics_are_served() {
    let bed = bed("metrics", |_| {}).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut controller = bed.controller(bed.client.clone());
    controller.listener = Some(listener);
    let operator = Operator::start(controller);
    bed.until_tenant("Connected").await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert_eq!(fetch(address, "/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(fetch(address, "/readyz").await, (200, "ok\n".to_owned()));
    let (code, text) = fetch(address, "/metrics").await;
    assert_eq!(code, 200);
    for part in [
        "entrapim_reconcile_total{kind=\"GroupEligibility\",result=\"",
        "entrapim_schedule_requests_total{kind=\"GroupEligibility\",action=\"adminAssign\",result=\"",
        "reason=\"Provisioned\"",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    assert!(!text.contains("alice"), "no object is named in a label");
    operator.stop().await;
    assert!(
        reqwest::get(format!("http://{address}/healthz"))
            .await
            .is_err()
    );
}

/// Where the process's log lines go.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The log of this process: all tests share it.
fn log() -> &'static Lines {
    static LOG: OnceLock<Lines> = OnceLock::new();
    LOG.get_or_init(|| {
        let lines = Lines::default();
        let audit = tracing_subscriber::filter::Targets::new()
            .with_target("pim_operator::audit", tracing::Level::INFO);
        let json = tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_writer(lines.clone());
        tracing_subscriber::registry().with(audit).with(json).init();
        lines
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn each_write_leaves_an_audit_line_that_names_object_window_and_requests() {
    let log = log();
    let bed = bed("audit", |_| {}).await;
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    let alice: GroupEligibility = bed.until_reason("alice", "Provisioned").await;
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    until_sent(&bed, 2).await;
    bed.until_gone::<GroupEligibility>("alice").await;
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["namespace"] == bed.namespace.as_str())
        .collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let requests = bed.simulator.requests();
    for (line, request) in lines.iter().zip(&requests) {
        assert_eq!(line["kind"], "GroupEligibility");
        assert_eq!(line["name"], "alice");
        assert_eq!(line["uid"], alice.metadata.uid.clone().unwrap());
        assert_eq!(line["action"], request.action.as_str());
        assert_eq!(line["request_id"], request.id.as_str());
        assert_eq!(line["outcome"], request.status.as_str());
        assert_eq!(line["principal_id"], request.principal_id.as_str());
        let id = line["client_request_id"].as_str().unwrap();
        let justification = request.justification.as_deref().unwrap();
        assert!(justification.contains(&format!("request={id}")));
    }
    assert!(lines[0]["end"].is_string() && lines[0]["start"].is_string());
    operator.stop().await;
}
