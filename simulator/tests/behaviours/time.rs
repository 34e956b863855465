//! The virtual clock.

use std::time::Duration;

use pim_simulator::VirtualClock;
use serde_json::json;

use crate::bed::*;

#[tokio::test]
async fn the_clock_is_advanced_set_frozen_and_run_over_http() {
    let bed = Bed::new().await;
    let before = bed.now();
    let reply = bed
        .post("/_simulator/clock", json!({"advance": "P1D"}))
        .await;
    assert_eq!(reply.body["frozen"], true);
    assert_eq!(bed.now(), before + Duration::from_hours(24));
    bed.post("/_simulator/clock", json!({"set": "2030-01-01T00:00:00Z"}))
        .await;
    assert_eq!(
        bed.get("/_simulator/clock").await.text("now"),
        "2030-01-01T00:00:00Z"
    );
    let running = bed.post("/_simulator/clock", json!({"run": true})).await;
    assert_eq!(running.body["frozen"], false);
    assert!(running.text("now").starts_with("2030-01-01T00:00:0"));
    for wrong in [
        json!({"advance": "P1M"}),
        json!({"set": "tomorrow"}),
        json!({"stop": true}),
    ] {
        assert_eq!(bed.post("/_simulator/clock", wrong).await.status, 400);
    }
}

#[tokio::test]
async fn jumps_are_announced_to_subscribers() {
    let clock = VirtualClock::new();
    let mut jumps = clock.subscribe();
    assert!(!jumps.has_changed().unwrap());
    clock.freeze();
    assert!(jumps.has_changed().unwrap());
    jumps.mark_unchanged();
    clock.advance(Duration::from_mins(1));
    assert!(jumps.has_changed().unwrap());
    assert!(clock.is_frozen());
    let frozen = clock.now();
    clock.run();
    assert!(clock.now() >= frozen);
}
