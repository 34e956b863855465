//! Faults on order.

use pim_simulator::{Fault, FaultKind};
use reqwest::Method;
use serde_json::{Value, json};

use crate::bed::*;

const REQUESTS: &str = "eligibilityScheduleRequests";

async fn post(bed: &Bed) -> reqwest::Result<reqwest::Response> {
    let path = format!("{PIM}/{REQUESTS}");
    bed.try_send(Method::POST, &path, Some(body("adminAssign", &none())))
        .await
}

#[tokio::test]
async fn a_cut_before_commit_changes_nothing() {
    let bed = Bed::new().await;
    bed.simulator.faults().add(
        Fault::new(FaultKind::CutBeforeCommit)
            .method("POST")
            .path(REQUESTS),
    );
    assert!(post(&bed).await.is_err());
    assert!(bed.simulator.requests().is_empty());
    assert_eq!(post(&bed).await.unwrap().status(), 201);
}

#[tokio::test]
async fn a_cut_after_commit_leaves_the_change_without_an_answer() {
    let bed = Bed::new().await;
    bed.simulator.faults().add(
        Fault::new(FaultKind::CutAfterCommit)
            .method("POST")
            .path(REQUESTS),
    );
    assert!(post(&bed).await.is_err());
    assert_eq!(bed.simulator.schedules(ELIGIBLE).len(), 1);
    assert_eq!(
        bed.admin(ELIGIBLE, "adminAssign", none()).await.code(),
        "RoleAssignmentExists"
    );
}

#[tokio::test]
async fn throttling_carries_retry_after_in_seconds_or_as_a_date() {
    let bed = Bed::new().await;
    for as_date in [false, true] {
        let kind = FaultKind::Throttle {
            retry_after_seconds: 17,
            as_date,
        };
        bed.simulator.faults().add(Fault::new(kind));
        let reply = bed.get("/v1.0/users").await;
        reply.refused(429, "TooManyRequests");
        let wait = reply.headers["retry-after"].to_str().unwrap();
        assert_eq!(wait == "17", !as_date);
        assert_eq!(wait.ends_with(" GMT"), as_date);
    }
}

#[tokio::test]
async fn a_status_comes_with_its_body_as_often_as_asked() {
    let bed = Bed::new().await;
    let body = json!({"error": {"code": "ServiceUnavailable", "message": ""}});
    let kind = FaultKind::Status {
        status: 503,
        body: Some(body),
        retry_after_seconds: Some(3),
    };
    bed.simulator.faults().add(
        Fault::new(kind)
            .path_regex("^/v1.0/(users|groups)$")
            .times(2),
    );
    bed.get("/v1.0/users/alice@contoso.com").await;
    for _ in 0..2 {
        let reply = bed.get("/v1.0/users").await;
        assert_eq!(reply.headers["retry-after"], "3");
        reply.refused(503, "ServiceUnavailable");
    }
    assert_eq!(bed.get("/v1.0/users").await.status, 200);
    assert!(bed.simulator.faults().pending().is_empty());
}

#[tokio::test]
async fn a_fault_can_wait_for_a_body() {
    let bed = Bed::new().await;
    let kind = FaultKind::Status {
        status: 500,
        body: None,
        retry_after_seconds: None,
    };
    bed.simulator
        .faults()
        .add(Fault::new(kind).body(BOB).always());
    bed.admin(ELIGIBLE, "adminAssign", none())
        .await
        .is("Provisioned");
    assert_eq!(
        bed.admin(ELIGIBLE, "adminAssign", json!({"principalId": BOB}))
            .await
            .status,
        500
    );
    bed.simulator.faults().clear();
    bed.admin(ELIGIBLE, "adminAssign", json!({"principalId": BOB}))
        .await
        .is("Provisioned");
}

#[tokio::test]
async fn a_truncated_body_stops_half_way() {
    let bed = Bed::new().await;
    bed.simulator
        .faults()
        .add(Fault::new(FaultKind::TruncatedBody));
    let response = bed
        .try_send(Method::GET, "/v1.0/users", None)
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.bytes().await.is_err());
}

#[tokio::test]
async fn an_odd_body_replaces_the_answer() {
    let bed = Bed::new().await;
    let kind = FaultKind::OddBody {
        status: 201,
        text: "<html>".to_owned(),
    };
    bed.simulator.faults().add(Fault::new(kind));
    let response = post(&bed).await.unwrap();
    assert_eq!(response.status(), 201);
    assert_eq!(response.text().await.unwrap(), "<html>");
    assert_eq!(bed.simulator.schedules(ELIGIBLE).len(), 1);
}

#[tokio::test]
async fn stale_reads_answer_from_before_the_last_write() {
    let bed = Bed::new().await;
    bed.simulator
        .faults()
        .add(Fault::new(FaultKind::StaleRead).path("Schedules").times(2));
    bed.admin(ELIGIBLE, "adminAssign", none())
        .await
        .is("Provisioned");
    bed.admin(ELIGIBLE, "adminAssign", none())
        .await
        .refused(400, "RoleAssignmentExists");
    assert!(bed.pim_rows(ELIGIBLE, "Schedules").await.is_empty());
    bed.admin(ELIGIBLE, "adminRemove", none())
        .await
        .is("Revoked");
    assert_eq!(bed.pim_rows(ELIGIBLE, "Schedules").await.len(), 1);
    assert!(bed.pim_rows(ELIGIBLE, "Schedules").await.is_empty());
}

#[tokio::test]
async fn an_empty_list_is_a_lie_with_status_200() {
    let bed = Bed::new().await;
    bed.admin(ELIGIBLE, "adminAssign", none())
        .await
        .is("Provisioned");
    bed.simulator
        .faults()
        .add(Fault::new(FaultKind::EmptyList).path("eligibilitySchedules"));
    assert!(bed.rows(ELIGIBLE, "Schedules").await.is_empty());
    assert_eq!(bed.rows(ELIGIBLE, "Schedules").await.len(), 1);
}

#[tokio::test]
async fn a_slow_answer_is_slow() {
    let bed = Bed::new().await;
    bed.simulator.faults().add(
        Fault::new(FaultKind::Slow {
            milliseconds: 60_000,
        })
        .path("/users"),
    );
    let waiting = bed.try_send(Method::GET, "/v1.0/users", None);
    let patience = std::time::Duration::from_millis(100);
    assert!(tokio::time::timeout(patience, waiting).await.is_err());
}

#[tokio::test]
async fn the_token_endpoint_can_refuse() {
    let bed = Bed::new().await;
    let fault = json!({"kind": "tokenRefusal", "status": 401, "error": "invalid_client", "code": 53003, "description": "Access has been blocked."});
    bed.post("/_simulator/faults", fault).await;
    assert_eq!(
        bed.get("/v1.0/users").await.status,
        200,
        "waits for the token endpoint"
    );
    let reply = bed.sign_in_with("client_secret", "simulated-secret").await;
    assert_eq!(reply.status, 401);
    assert!(
        reply
            .text("error_description")
            .starts_with("AADSTS53003: Access has been blocked.")
    );
    assert_eq!(
        bed.sign_in_with("client_secret", "simulated-secret")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn faults_are_queued_read_and_cleared_over_http() {
    let bed = Bed::new().await;
    let faults = json!([
        {"kind": "cutAfterCommit", "method": "POST", "path": REQUESTS},
        {"kind": "throttle", "retryAfterSeconds": 5, "times": 3},
        {"kind": "staleRead", "times": null},
    ]);
    let reply = bed.post("/_simulator/faults", faults).await;
    assert_eq!(
        reply.body["pending"].as_array().map(Vec::len),
        Some(3),
        "{:?}",
        reply.body
    );
    let read = bed.get("/_simulator/faults").await;
    assert_eq!(read.body["pending"][1]["times"], 3);
    assert_eq!(read.body["pending"][2]["times"], Value::Null);
    let wrong = bed
        .post(
            "/_simulator/faults",
            json!({"kind": "slow", "milliseconds": 1, "pathRegex": "("}),
        )
        .await;
    assert_eq!(wrong.status, 400);
    bed.post("/_simulator/faults", json!({"clear": true})).await;
    assert!(bed.simulator.faults().pending().is_empty());
}
