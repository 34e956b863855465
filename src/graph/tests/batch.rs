use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use serde_json::{Value, json};

use super::server::{Act, Seen, Server, batch, error, ok};
use crate::graph::{GraphClient, GraphError, GroupObject, Listing, ScheduleKind};

fn is_batch(seen: &Seen) -> bool {
    seen.path == "/v1.0/$batch"
}

/// The group id in a path such as `/groups/g7?…`.
fn group_id(path: &str) -> String {
    let (path, _) = path.split_once('?').unwrap();
    path.rsplit('/').next().unwrap().to_owned()
}

fn group(path: &str) -> (u16, Value, Value) {
    (200, json!({}), json!({"id": group_id(path)}))
}

/// Asks for groups `g0`, `g1`, … at the same time.
async fn ask(client: &GraphClient, count: usize) -> Vec<Result<Option<GroupObject>, GraphError>> {
    let calls = (0..count).map(|n| {
        let client = client.clone();
        async move { client.group(&format!("g{n}")).await }
    });
    futures::future::join_all(calls).await
}

fn assert_all_found(found: Vec<Result<Option<GroupObject>, GraphError>>) {
    for (n, one) in found.into_iter().enumerate() {
        assert_eq!(one.unwrap().unwrap().id, format!("g{n}"));
    }
}

#[tokio::test]
async fn reads_that_are_due_together_go_out_together() {
    let server = Server::start(|seen| {
        assert!(is_batch(seen), "{}", seen.path);
        batch(seen, group)
    })
    .await;
    assert_all_found(ask(&server.client(), 45).await);
    let calls = server.calls();
    let mut sizes: Vec<usize> = calls
        .iter()
        .map(|call| call.json()["requests"].as_array().unwrap().len())
        .collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [5, 20, 20]);
    let first = &calls[0].json()["requests"][0];
    assert_eq!(first["method"], "GET");
    assert!(first["url"].as_str().unwrap().starts_with("/groups/g"));
}

#[tokio::test]
async fn a_single_read_goes_out_as_a_plain_get() {
    let server = Server::script([ok(&json!({"id": "g1"}))]).await;
    server.client().group("g1").await.unwrap();
    let calls = server.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].method, "GET");
}

#[tokio::test]
async fn items_that_fail_for_a_moment_are_asked_for_one_by_one() {
    let server = Server::start(|seen| {
        if !is_batch(seen) {
            return ok(&json!({"id": group_id(&seen.path)}));
        }
        batch(seen, |path| match group_id(path).as_str() {
            "g0" => (503, json!({}), json!({"error": {"code": "x"}})),
            "g1" => (429, json!({"Retry-After": "0"}), Value::Null),
            "g2" => (424, json!({}), Value::Null),
            "g3" => (200, json!({}), json!("not a group")),
            "g4" => (401, json!({}), Value::Null),
            _ => group(path),
        })
    })
    .await;
    let client = server.client();
    assert_all_found(ask(&client, 8).await);
    assert_eq!(server.calls().len(), 1 + 5);
    assert_eq!(server.sign_ins().len(), 1);
    assert!(!client.batch_refused());
}

#[tokio::test]
async fn an_item_that_is_missing_from_the_answer_is_asked_for_again() {
    let server = Server::start(|seen| {
        if is_batch(seen) {
            ok(&json!({"responses": []}))
        } else {
            ok(&json!({"id": group_id(&seen.path)}))
        }
    })
    .await;
    assert_all_found(ask(&server.client(), 3).await);
}

#[tokio::test]
async fn a_batch_that_fails_as_a_whole_is_survived() {
    for trouble in [
        error(503, ""),
        Act::Close,
        Act::Truncated,
        Act::Answer(200, vec![], "<html>".to_owned()),
    ] {
        let server = Server::start(move |seen| {
            if is_batch(seen) {
                trouble.clone()
            } else {
                ok(&json!({"id": group_id(&seen.path)}))
            }
        })
        .await;
        let client = server.client();
        assert_all_found(ask(&client, 3).await);
        assert!(!client.batch_refused());
    }
}

#[tokio::test]
async fn absence_inside_a_batch_is_believed() {
    let server = Server::start(|seen| {
        batch(seen, |_| {
            let body = json!({"error": {"code": "Request_ResourceNotFound", "message": ""}});
            (404, json!({}), body)
        })
    })
    .await;
    let client = server.client();
    for found in ask(&client, 3).await {
        assert_eq!(found.unwrap(), None);
    }
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn a_tenant_that_refuses_batches_gets_single_reads_from_then_on() {
    for status in [400, 404, 405, 501] {
        let server = Server::start(move |seen| {
            if is_batch(seen) {
                error(status, "BadRequest")
            } else {
                ok(&json!({"id": group_id(&seen.path)}))
            }
        })
        .await;
        let client = server.client();
        assert_all_found(ask(&client, 5).await);
        assert!(client.batch_refused());
        assert_all_found(ask(&client, 5).await);
        assert_eq!(
            server.calls().iter().filter(|call| is_batch(call)).count(),
            1
        );
    }
}

#[tokio::test]
async fn a_service_that_refuses_paths_inside_batches_gets_single_reads_from_then_on() {
    let server = Server::start(|seen| {
        if is_batch(seen) {
            let body =
                json!({"error": {"code": "BadRequest", "message": "Not allowed in a batch."}});
            batch(seen, |_| (400, json!({}), body.clone()))
        } else {
            ok(&json!({"id": group_id(&seen.path)}))
        }
    })
    .await;
    let client = server.client();
    assert_all_found(ask(&client, 4).await);
    assert!(client.batch_refused());
}

#[tokio::test]
async fn a_read_that_is_refused_either_way_does_not_end_batching() {
    let server = Server::start(|seen| {
        if is_batch(seen) {
            let body = json!({"error": {"code": "BadRequest", "message": "odd"}});
            batch(seen, |_| (400, json!({}), body.clone()))
        } else {
            error(400, "BadRequest")
        }
    })
    .await;
    let client = server.client();
    for found in ask(&client, 3).await {
        assert_eq!(found.unwrap_err().code(), Some("BadRequest"));
    }
    assert!(!client.batch_refused());
}

#[tokio::test]
async fn lists_inside_a_batch_are_followed_to_their_end() {
    let server = Server::start(|seen| {
        let next = format!("http://{}/v1.0/x?$skiptoken=1", seen.headers["host"]);
        if is_batch(seen) {
            batch(seen, |_| {
                let body = json!({"value": [{"id": "1"}], "@odata.nextLink": next});
                (200, json!({}), body)
            })
        } else {
            ok(&json!({"value": [{"id": "2"}]}))
        }
    })
    .await;
    let client = server.client();
    let (one, two) = tokio::join!(
        client.schedules(ScheduleKind::Eligibility, Listing::Group("g1")),
        client.schedules(ScheduleKind::Assignment, Listing::Group("g1")),
    );
    assert_eq!(one.unwrap().len(), 2);
    assert_eq!(two.unwrap().len(), 2);
    assert_eq!(server.calls().len(), 3);
}

#[tokio::test]
async fn a_caller_that_gives_up_does_not_hold_up_the_others() {
    let hang = Arc::new(AtomicBool::new(true));
    let acts = Arc::clone(&hang);
    let seen_paths = Arc::new(Mutex::new(Vec::new()));
    let paths = Arc::clone(&seen_paths);
    let server = Server::start(move |seen| {
        paths.lock().unwrap().push(seen.path.clone());
        if acts.swap(false, Ordering::SeqCst) {
            Act::Hang
        } else if is_batch(seen) {
            batch(seen, group)
        } else {
            ok(&json!({"id": group_id(&seen.path)}))
        }
    })
    .await;
    let client = server.client();
    let impatient = {
        let client = client.clone();
        tokio::spawn(async move { client.group("g9").await })
    };
    while seen_paths.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    impatient.abort();
    assert_all_found(ask(&client, 3).await);
}
