use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;
use uuid::Uuid;

use super::server::{Act, SECRET, Seen, Server, answer, batch, error, ok};
use crate::graph::{AccessId, NewRequest, RequestAction, ScheduleKind, ScheduleTarget, TicketInfo};

const JUSTIFICATION: &str = "hush-justification";
const TICKET: &str = "hush-ticket";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn request() -> NewRequest {
    NewRequest {
        action: RequestAction::AdminAssign,
        target: ScheduleTarget::Group {
            access_id: AccessId::Member,
            group_id: "g1".to_owned(),
        },
        principal_id: "p1".to_owned(),
        justification: Some(JUSTIFICATION.to_owned()),
        schedule_info: None,
        ticket_info: Some(TicketInfo {
            ticket_number: Some(TICKET.to_owned()),
            ticket_system: None,
        }),
        is_validation_only: false,
    }
}

fn handle(seen: &Seen) -> Act {
    match (seen.method.as_str(), seen.path.ends_with("$batch")) {
        ("POST", true) => batch(seen, |_| (200, json!({}), json!({"id": "g1"}))),
        ("POST", false) => answer(
            201,
            &json!({"id": "q1", "status": "Provisioned", "justification": JUSTIFICATION}),
        ),
        _ if seen.headers["authorization"].contains("header1.") => error(401, ""),
        _ => ok(&json!({"id": "g1"})),
    }
}

#[tokio::test]
async fn logs_and_debug_forms_hold_neither_token_nor_secret_nor_justification() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    // The test's runtime has one thread, so that this covers the tasks that the client starts, too.
    let _log = tracing::subscriber::set_default(subscriber);
    let server = Server::start(handle).await;
    let client = server.client();
    // A test beside this one may be the first to meet a log statement, while nobody listens: it would stay silent.
    client.group("g1").await.unwrap();
    let (one, two) = tokio::join!(client.group("g1"), client.group("g2"));
    one.and(two).unwrap();
    tracing::callsite::rebuild_interest_cache();
    let created = client
        .create_request(ScheduleKind::Eligibility, &request(), Uuid::nil())
        .await
        .unwrap();
    assert_eq!(created.justification.as_deref(), Some(JUSTIFICATION));
    client.group("g1").await.unwrap();
    let (one, two) = tokio::join!(client.group("g1"), client.group("g2"));
    one.unwrap();
    two.unwrap();
    let mut text = format!("{:?}{client:?}{created:?}{:?}", server.config(), request());
    text += &String::from_utf8_lossy(&log.0.lock().unwrap());
    for present in [
        "graph call",
        "graph call in a batch",
        "client_request_id",
        "Secret(***)",
    ] {
        assert!(text.contains(present), "{present} in {text}");
    }
    for hushed in [SECRET, JUSTIFICATION, TICKET, "header1.", "header2."] {
        assert!(!text.contains(hushed), "{hushed} in {text}");
    }
}

#[tokio::test]
async fn errors_hold_neither_bodies_nor_addresses() {
    let html = format!("<html>{JUSTIFICATION}</html>");
    let server = Server::script([Act::Answer(200, vec![], html)]).await;
    let error = server.client().group("hush-id").await.unwrap_err();
    let text = format!("{error} {error:?}");
    for hushed in [JUSTIFICATION, "hush-id", "127.0.0.1"] {
        assert!(!text.contains(hushed), "{hushed} in {text}");
    }
}
