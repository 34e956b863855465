use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;

use super::server::{Act, Server, batch, empty_list, error, ok, throttled};
use crate::graph::{
    Advice, EndpointClass, GraphClient, GraphObserver, Listing, Outcome, Priority, ScheduleKind,
};

/// Remembers what it was told.
#[derive(Default)]
struct Notes {
    calls: Mutex<Vec<(EndpointClass, Outcome)>>,
    pauses: AtomicUsize,
}

impl GraphObserver for Notes {
    fn call(&self, class: EndpointClass, outcome: Outcome, _: Duration) {
        self.calls.lock().unwrap().push((class, outcome));
    }

    fn throttled(&self, waited: Duration) {
        assert!(waited > Duration::ZERO);
        self.pauses.fetch_add(1, Ordering::SeqCst);
    }
}

fn observed(server: &Server) -> (GraphClient, Arc<Notes>) {
    let notes = Arc::new(Notes::default());
    let mut config = server.config();
    config.metrics = Arc::<Notes>::clone(&notes);
    (GraphClient::new(config).unwrap(), notes)
}

#[tokio::test]
async fn a_pause_in_seconds_is_kept_by_every_caller() {
    let asked = AtomicBool::new(false);
    let server = Server::start(move |seen| {
        if !asked.swap(true, Ordering::SeqCst) {
            throttled("1")
        } else if seen.path.ends_with("getByIds") {
            empty_list()
        } else {
            ok(&json!({"id": "g1"}))
        }
    })
    .await;
    let (client, notes) = observed(&server);
    let started = Instant::now();
    let first = client.with_priority(Priority::Interactive);
    let first = tokio::spawn(async move { first.group("g1").await });
    while notes.calls.lock().unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
    // Another caller, of the other priority and by another way, meets the closed gate.
    let ids = ["a".to_owned()];
    let (first, other) = tokio::join!(first, client.objects_by_ids(&ids));
    first.unwrap().unwrap();
    other.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(notes.pauses.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_pause_until_a_date_is_relative_to_the_answers_own_clock() {
    let headers = vec![
        ("date", "Wed, 21 Oct 2015 07:28:00 GMT".to_owned()),
        ("retry-after", "Wed, 21 Oct 2015 07:28:01 GMT".to_owned()),
    ];
    let server = Server::script([
        Act::Answer(429, headers, String::new()),
        ok(&json!({"id": "g1"})),
    ])
    .await;
    let started = Instant::now();
    server.client().group("g1").await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_pause_named_by_one_item_of_a_batch_holds_for_all() {
    let asked = Arc::new(AtomicBool::new(false));
    let first = Arc::clone(&asked);
    let server = Server::start(move |seen| {
        if first.swap(true, Ordering::SeqCst) {
            return empty_list();
        }
        batch(seen, |path| {
            if path.contains("eligibility") {
                (429, json!({"retry-after": "1"}), json!({}))
            } else {
                (200, json!({}), json!({"value": []}))
            }
        })
    })
    .await;
    let (client, notes) = observed(&server);
    let started = Instant::now();
    let (eligible, active) = tokio::join!(
        client.schedules(ScheduleKind::Eligibility, Listing::Group("g1")),
        async {
            client
                .schedules(ScheduleKind::Assignment, Listing::Group("g1"))
                .await
                .unwrap();
            client
                .schedules(ScheduleKind::Assignment, Listing::Group("g2"))
                .await
        }
    );
    eligible.unwrap();
    active.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(notes.pauses.load(Ordering::SeqCst), 2);
    assert_eq!(
        notes.calls.lock().unwrap()[1..4],
        [
            (EndpointClass::Batch, Outcome::Success),
            (EndpointClass::GroupSchedules, Outcome::Throttled),
            (EndpointClass::GroupSchedules, Outcome::Success),
        ]
    );
}

#[tokio::test]
async fn a_pause_that_is_too_long_is_left_to_the_caller_and_to_all_later_ones() {
    let server = Server::script([throttled("600")]).await;
    let client = server.client();
    for _ in 0..3 {
        let error = client.group("g1").await.unwrap_err();
        let Advice::RetryAfter(pause) = error.advice() else {
            unreachable!("{error}")
        };
        assert!(pause > Duration::from_secs(590) && pause <= Duration::from_mins(10));
        assert_eq!(
            error.to_string(),
            "Microsoft Graph throttles this tenant's calls (TooManyRequests)"
        );
    }
    assert_eq!(server.calls().len(), 1, "nobody asks during the pause");
}

#[tokio::test]
async fn a_busy_service_that_names_a_pause_is_left_alone_that_long() {
    let busy = Act::Answer(503, vec![("retry-after", "1".to_owned())], String::new());
    let server = Server::script([busy, ok(&json!({"id": "g1"}))]).await;
    let started = Instant::now();
    server.client().group("g1").await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn one_exchange_at_a_time_is_enough_for_everything() {
    let server = Server::start(|seen| {
        if seen.path.ends_with("$batch") {
            batch(seen, |_| (200, json!({}), json!({"value": []})))
        } else {
            empty_list()
        }
    })
    .await;
    let mut config = server.config();
    config.limits.max_concurrency = 1;
    let client = GraphClient::new(config).unwrap();
    let calls = (0..60).map(|n| {
        let client = match n % 3 {
            0 => client.with_priority(Priority::Interactive),
            _ => client.clone(),
        };
        async move {
            let group = format!("g{n}");
            client
                .schedules(ScheduleKind::Eligibility, Listing::Group(&group))
                .await?;
            client.objects_by_ids(&[group]).await
        }
    });
    for found in futures::future::join_all(calls).await {
        assert_eq!(found.unwrap(), []);
    }
}

#[tokio::test]
async fn every_call_is_observed_with_its_outcome() {
    let server = Server::script([
        error(404, "Request_ResourceNotFound"),
        error(403, "Authorization_RequestDenied"),
        ok(&json!({"value": []})),
    ])
    .await;
    let (client, notes) = observed(&server);
    client.group("g1").await.unwrap();
    client.user("u1").await.unwrap_err();
    client.groups_by_name("x").await.unwrap();
    assert_eq!(
        *notes.calls.lock().unwrap(),
        [
            (EndpointClass::Token, Outcome::Success),
            (EndpointClass::Groups, Outcome::NotFound),
            (EndpointClass::Users, Outcome::Forbidden),
            (EndpointClass::Groups, Outcome::Success),
        ]
    );
}
