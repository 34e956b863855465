//! JSON batching.

use pim_simulator::{BatchSupport, Behaviour, Fault, FaultKind};
use serde_json::{Value, json};

use crate::bed::*;

fn get(id: &str, url: &str) -> Value {
    json!({"id": id, "method": "GET", "url": url})
}

fn response<'a>(reply: &'a Reply, id: &str) -> &'a Value {
    let all = reply.body["responses"].as_array().unwrap();
    all.iter().find(|response| response["id"] == id).unwrap()
}

fn list_url() -> String {
    format!(
        "/identityGovernance/privilegedAccess/group/eligibilitySchedules?$filter=groupId eq '{OPS}'"
    )
}

#[tokio::test]
async fn items_have_their_own_status_headers_and_body() {
    let bed = Bed::new().await;
    bed.admin(ELIGIBLE, "adminAssign", none()).await;
    let requests = json!([
        get("1", &list_url()),
        get("2", "/users/nobody@contoso.com"),
        get("3", "groups/68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7"),
        {"id": "4", "method": "POST", "url": "/identityGovernance/privilegedAccess/group/eligibilityScheduleRequests",
         "headers": {"Content-Type": "application/json"}, "body": body("adminAssign", &json!({"principalId": BOB}))},
    ]);
    let reply = bed
        .post("/v1.0/$batch", json!({"requests": requests}))
        .await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        response(&reply, "1")["body"]["value"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(response(&reply, "2")["status"], 404);
    assert_eq!(
        response(&reply, "2")["body"]["error"]["code"],
        "Request_ResourceNotFound"
    );
    assert_eq!(response(&reply, "3")["body"]["displayName"], "payments-ops");
    assert_eq!(response(&reply, "4")["status"], 201);
    assert_eq!(
        reply.body["responses"][0]["id"], "4",
        "the order is not promised"
    );
}

#[tokio::test]
async fn at_most_20_requests_with_unique_ids() {
    let bed = Bed::new().await;
    let many: Vec<Value> = (0..21).map(|n| get(&n.to_string(), "/users")).collect();
    bed.post("/v1.0/$batch", json!({"requests": many}))
        .await
        .refused(400, "BadRequest");
    let twice = json!({"requests": [get("a", "/users"), get("A", "/users")]});
    bed.post("/v1.0/$batch", twice)
        .await
        .refused(400, "BadRequest");
}

#[tokio::test]
async fn a_body_needs_a_content_type() {
    let bed = Bed::new().await;
    let item = json!({"id": "1", "method": "POST", "url": "/directoryObjects/getByIds", "body": {"ids": [ALICE]}});
    let reply = bed.post("/v1.0/$batch", json!({"requests": [item]})).await;
    assert_eq!(response(&reply, "1")["status"], 400);
}

#[tokio::test]
async fn a_failed_dependency_answers_424() {
    let bed = Bed::new().await;
    let mut second = get("2", "/users");
    second["dependsOn"] = json!(["1"]);
    let requests = json!({"requests": [get("1", "/users/nobody@contoso.com"), second]});
    let reply = bed.post("/v1.0/$batch", requests).await;
    assert_eq!(response(&reply, "2")["status"], 424);
}

#[tokio::test]
async fn an_item_can_be_throttled_by_itself() {
    let bed = Bed::new().await;
    let kind = FaultKind::Throttle {
        retry_after_seconds: 7,
        as_date: false,
    };
    bed.simulator.faults().add(Fault::new(kind).path("/groups"));
    let requests = json!({"requests": [get("1", "/users"), get("2", "/groups")]});
    let reply = bed.post("/v1.0/$batch", requests).await;
    assert_eq!(response(&reply, "1")["status"], 200);
    assert_eq!(response(&reply, "2")["status"], 429);
    assert_eq!(response(&reply, "2")["headers"]["Retry-After"], "7");
}

#[tokio::test]
async fn pim_can_be_refused_in_batches_per_item_or_whole() {
    let requests = json!({"requests": [get("1", &list_url()), get("2", "/users")]});
    let batch = BatchSupport::RefusedPerItem;
    let bed = Bed::with(Behaviour {
        batch,
        ..Behaviour::default()
    })
    .await;
    let reply = bed.post("/v1.0/$batch", requests.clone()).await;
    assert_eq!(response(&reply, "1")["status"], 400);
    assert_eq!(response(&reply, "2")["status"], 200);
    let batch = BatchSupport::RefusedWhole;
    let bed = Bed::with(Behaviour {
        batch,
        ..Behaviour::default()
    })
    .await;
    bed.post("/v1.0/$batch", requests)
        .await
        .refused(400, "BadRequest");
}

#[tokio::test]
async fn a_cut_item_answers_504_and_a_cut_after_commit_has_done_its_work() {
    let bed = Bed::new().await;
    for (kind, done) in [
        (FaultKind::CutBeforeCommit, false),
        (FaultKind::CutAfterCommit, true),
    ] {
        bed.simulator
            .faults()
            .add(Fault::new(kind).path("eligibilityScheduleRequests"));
        let item = json!({"id": "1", "method": "POST", "url": "/identityGovernance/privilegedAccess/group/eligibilityScheduleRequests",
            "headers": {"content-type": "application/json"}, "body": body("adminAssign", &none())});
        let reply = bed.post("/v1.0/$batch", json!({"requests": [item]})).await;
        assert_eq!(response(&reply, "1")["status"], 504);
        assert_eq!(
            bed.pim_rows(ELIGIBLE, "Schedules").await.len(),
            usize::from(done)
        );
    }
}
