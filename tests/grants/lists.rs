//! Lists that lie: empty for a moment, broken off at a page, or no lists at all. What is not known is never taken for nothing.

use chrono::TimeDelta;
use pim_harness::Bed;
use pim_operator::api::group_grant::{GroupAssignment, GroupEligibility};
use pim_simulator::{Fault, FaultKind, Kind};
use serde_json::json;

use crate::support::{
    active, bed, eligible, list_fault, message, nudge, refusal, rows, sent, start, until_sent,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_list_where_rows_were_a_moment_ago_changes_nothing() {
    let bed = bed("empty_list", |_| {}).await;
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    active("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    bed.until_reason::<GroupAssignment>("alice", "Provisioned")
        .await;
    let mark = bed.simulator.traffic().mark();
    let before = bed.simulator.schedules(Kind::Eligibility);
    bed.simulator
        .faults()
        .add(list_fault(FaultKind::EmptyList).times(2));
    bed.advance(TimeDelta::minutes(16));
    let alice: GroupEligibility = bed.until_reason("alice", "Drifted").await;
    assert!(message(&alice).contains("once a second read agrees"));
    bed.until_reason::<GroupAssignment>("alice", "Drifted")
        .await;
    bed.advance(TimeDelta::seconds(16));
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    bed.until_reason::<GroupAssignment>("alice", "Provisioned")
        .await;
    let calls = bed.simulator.traffic().counts_since(&mark);
    assert_eq!(calls.graph_posts, 0, "{calls:?}");
    assert_eq!(bed.simulator.schedules(Kind::Eligibility), before);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_object_does_not_go_because_a_list_reads_empty_for_a_moment() {
    let bed = bed("empty_list_at_deletion", |_| {}).await;
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    bed.advance(TimeDelta::minutes(2));
    bed.simulator.faults().add(list_fault(FaultKind::EmptyList));
    nudge::<GroupEligibility>(&bed, "alice").await;
    bed.until_reason::<GroupEligibility>("alice", "Drifted")
        .await;
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    bed.advance(TimeDelta::seconds(20));
    bed.until_gone::<GroupEligibility>("alice").await;
    assert!(rows(&bed, Kind::Eligibility, "alice").is_empty());
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_fails_is_an_outage_and_not_the_end_of_the_list() {
    let bed = bed("failed_page", |behaviour| behaviour.pim_page_size = Some(1)).await;
    let operator = start(&bed).await;
    for name in ["alice", "bob"] {
        eligible(name)
            .user(&format!("{name}@contoso.com"))
            .apply(&bed)
            .await;
        bed.until_reason::<GroupEligibility>(name, "Provisioned")
            .await;
    }
    until_sent(&bed, 2).await;
    let broken = Fault::new(refusal(500, "UnknownError", ""))
        .method("GET")
        .path_regex(r"(?i)schedules\?.*skiptoken")
        .always();
    bed.simulator.faults().add(broken);
    bed.advance(TimeDelta::minutes(16));
    eligible("carol")
        .user("carol@contoso.com")
        .apply(&bed)
        .await;
    let carol: GroupEligibility = bed.until_reason("carol", "GraphUnavailable").await;
    assert!(message(&carol).contains("HTTP 500"), "{}", message(&carol));
    assert_eq!(sent(&bed).len(), 2);
    for name in ["alice", "bob"] {
        bed.until_reason::<GroupEligibility>(name, "Provisioned")
            .await;
    }
    bed.simulator.faults().clear();
    bed.advance(TimeDelta::seconds(11));
    bed.until_reason::<GroupEligibility>("carol", "Provisioned")
        .await;
    assert_eq!(sent(&bed).len(), 3);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_no_list_is_an_outage() {
    let bed = bed("odd_list", |_| {}).await;
    for text in ["<html>maintenance</html>", "{}", r#"{"value": "#] {
        let odd = FaultKind::OddBody {
            status: 200,
            text: text.to_owned(),
        };
        bed.simulator.faults().add(list_fault(odd).times(3));
    }
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    outage(&bed).await;
    bed.simulator.faults().clear();
    bed.advance(TimeDelta::minutes(1));
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
}

async fn outage(bed: &Bed) {
    let alice: GroupEligibility = bed.until_reason("alice", "GraphUnavailable").await;
    assert!(
        message(&alice).contains("could not be read"),
        "{}",
        message(&alice)
    );
    assert_eq!(sent(bed).len(), 0);
    assert_eq!(json!(rows(bed, Kind::Eligibility, "alice")), json!([]));
}
