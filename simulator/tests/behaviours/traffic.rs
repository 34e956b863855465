//! The traffic log and its counts.

use pim_simulator::{Estate, SimulatorConfig};
use serde_json::{Value, json};

use crate::bed::*;

async fn kept() -> Bed {
    Bed::start(SimulatorConfig {
        keep_traffic: true,
        ..SimulatorConfig::new(Estate::contoso())
    })
    .await
}

#[tokio::test]
async fn a_log_line_has_its_seven_members_and_no_secret() {
    let folder = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join(format!("line-{}.jsonl", std::process::id()));
    let config = SimulatorConfig {
        traffic_log: Some(file.clone()),
        ..SimulatorConfig::new(Estate::contoso())
    };
    let bed = Bed::start(config).await;
    bed.admin(ELIGIBLE, "adminAssign", none()).await;
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(!text.contains(Estate::OPERATOR_SECRET) && !text.contains(&bed.token));
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let post = lines.last().unwrap().as_object().unwrap();
    let mut names: Vec<_> = post.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "method",
            "path",
            "request",
            "response",
            "status",
            "time",
            "userAgent"
        ]
    );
    assert_eq!(
        (&post["method"], &post["status"]),
        (&json!("POST"), &json!(201))
    );
    assert_eq!(post["userAgent"], "behaviours");
    assert_eq!(post["request"]["principalId"], ALICE);
    assert_eq!(post["response"]["status"], "Provisioned");
}

#[tokio::test]
async fn batch_items_count_singly_and_round_trips_apart() {
    let bed = kept().await;
    let mark = bed.simulator.traffic().mark();
    let item =
        |id: &str| json!({"id": id, "method": "GET", "url": format!("/groups/{OPS}/members")});
    bed.post("/v1.0/$batch", json!({"requests": [item("1"), item("2")]}))
        .await;
    bed.admin(ELIGIBLE, "adminAssign", none()).await;
    let counts = bed.simulator.traffic().counts_since(&mark);
    assert_eq!(
        (counts.graph_calls, counts.graph_gets, counts.graph_posts),
        (3, 2, 1)
    );
    assert_eq!((counts.http_round_trips, counts.token_requests), (2, 0));
    assert_eq!(counts.by_endpoint["GET /groups/{id}/members"], 2);
}

#[tokio::test]
async fn counts_are_read_marked_and_reset_over_http() {
    let bed = kept().await;
    bed.get("/v1.0/users").await;
    bed.post("/_simulator/traffic", json!({"mark": "start"}))
        .await;
    bed.get("/v1.0/users").await;
    bed.get("/v1.0/groups").await;
    assert_eq!(
        bed.get("/_simulator/traffic?counts=1").await.body["graph_calls"],
        3
    );
    let since = bed.get("/_simulator/traffic?since=start").await;
    assert_eq!(
        (&since.body["graph_gets"], &since.body["token_requests"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(
        bed.get("/_simulator/traffic?since=nowhere").await.status,
        404
    );
    let entries = bed.get("/_simulator/traffic").await;
    assert_eq!(
        entries.body["entries"].as_array().unwrap().len(),
        4,
        "with the token"
    );
    bed.post("/_simulator/traffic", json!({"reset": true}))
        .await;
    assert_eq!(bed.simulator.traffic().counts().graph_calls, 0);
    assert!(bed.simulator.traffic().entries().is_empty());
}

#[tokio::test]
async fn a_cut_connection_is_logged_with_status_zero() {
    let bed = kept().await;
    bed.simulator.faults().add(pim_simulator::Fault::new(
        pim_simulator::FaultKind::CutBeforeCommit,
    ));
    let _ = bed
        .try_send(
            reqwest::Method::POST,
            &format!("{PIM}/eligibilityScheduleRequests"),
            Some(json!({})),
        )
        .await;
    assert_eq!(bed.simulator.traffic().entries().last().unwrap().status, 0);
}
