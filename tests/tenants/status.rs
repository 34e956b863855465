//! What a tenant says of its objects, and how seldom it is written.

use chrono::TimeDelta;
use pim_operator::api::group_grant::GroupEligibility;
use pim_simulator::{Fault, FaultKind};
use serde_json::json;

use crate::support::{bed, eligible, status, until_status};

fn counts(status: &pim_operator::api::tenant::EntraTenantStatus) -> Vec<(&str, u32)> {
    status
        .objects
        .iter()
        .map(|seen| (seen.reason.as_str(), seen.count))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_counted_once_they_have_settled_and_then_nothing_is_written() {
    let bed = bed("counted").await;
    let operator = bed.start_operator();
    bed.until_tenant("Connected").await;
    eligible(&bed, "alice", &json!({})).await;
    let nobody = json!({"principal": {"userPrincipalName": "nobody@contoso.com"}});
    eligible(&bed, "nobody", &nobody).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    let expected = [("PrincipalNotFound", 1), ("Provisioned", 1)];
    let counted = until_status(&bed, "the counts", |status| counts(status) == expected).await;
    assert!(counted.last_complete_read_time.is_some());
    assert!(counted.token_expiration_time.is_some());
    assert!(counted.application_id.is_some() && counted.service_principal_id.is_some());
    bed.delete::<GroupEligibility>("nobody").await.unwrap();
    let counted = until_status(&bed, "fewer", |status| {
        counts(status) == [("Provisioned", 1)]
    })
    .await;
    // A resync reads everything again, and finds nothing to say.
    let reads = bed.simulator.traffic().counts().graph_gets;
    bed.advance(TimeDelta::minutes(16));
    bed.eventually("a resync", || async {
        bed.simulator.traffic().counts().graph_gets > reads
    })
    .await;
    assert_eq!(status(&bed).await, counted);
    // After an hour, the times are brought up to date.
    bed.advance(TimeDelta::hours(1));
    let told = counted.last_complete_read_time;
    until_status(&bed, "a later read", |status| {
        status.last_complete_read_time > told
    })
    .await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_is_told() {
    let bed = bed("throttled").await;
    let operator = bed.start_operator();
    bed.until_tenant("Connected").await;
    let throttle = FaultKind::Throttle {
        retry_after_seconds: 1,
        as_date: false,
    };
    bed.simulator
        .faults()
        .add(Fault::new(throttle).path("/v1.0/"));
    eligible(&bed, "alice", &json!({})).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    let told = until_status(&bed, "throttling", |status| status.throttling.is_some()).await;
    assert!(told.throttling.unwrap().count >= 1);
    operator.stop().await;
}
