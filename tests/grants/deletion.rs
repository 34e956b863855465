//! Deletion, and objects that declare the same grant.

use chrono::TimeDelta;
use pim_operator::api::{group_grant::GroupEligibility, status::CreatedVia};
use pim_simulator::Kind;

use crate::support::{
    annotate, bed, eligible, events, holds, list_fault, message, near, refusal, row, rows, sent,
    start, status, until_sent, until_stalled,
};

#[tokio::test(flavor = "multi_thread")]
async fn of_two_objects_with_one_key_the_older_wins_and_the_deletion_of_the_other_takes_nothing_away()
 {
    let bed = bed("conflict", |_| {}).await;
    let operator = start(&bed).await;
    eligible("first").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("first", "Provisioned")
        .await;
    eligible("second").lasting("P10D").apply(&bed).await;
    let second: GroupEligibility = until_stalled(&bed, "second", "Conflict").await;
    let winner = format!("GroupEligibility {}/first", bed.namespace);
    assert!(message(&second).contains(&winner), "{}", message(&second));
    bed.delete::<GroupEligibility>("second").await.unwrap();
    bed.until_gone::<GroupEligibility>("second").await;
    bed.until_reason::<GroupEligibility>("first", "Provisioned")
        .await;
    row(&bed, Kind::Eligibility, "alice");
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deletion_of_the_older_hands_the_grant_over_without_an_interruption() {
    let bed = bed("hand_over", |_| {}).await;
    let operator = start(&bed).await;
    eligible("first").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("first", "Provisioned")
        .await;
    eligible("second").lasting("P10D").apply(&bed).await;
    until_stalled::<GroupEligibility>(&bed, "second", "Conflict").await;

    bed.delete::<GroupEligibility>("first").await.unwrap();
    bed.until_gone::<GroupEligibility>("first").await;
    let second: GroupEligibility = bed.until_reason("second", "Provisioned").await;
    assert!(!holds(&second, "Stalled"));
    assert_eq!(status(&second).created_via, Some(CreatedVia::Operator));
    assert_eq!(sent(&bed), ["adminAssign", "adminUpdate"]);
    let end = bed.now() + TimeDelta::days(10);
    assert!(near(row(&bed, Kind::Eligibility, "alice").end, end));
    assert!(
        events(&bed, "first")
            .await
            .contains(&("Normal".to_owned(), "HandedOver".to_owned()))
    );
    bed.delete::<GroupEligibility>("second").await.unwrap();
    bed.until_gone::<GroupEligibility>("second").await;
    assert!(rows(&bed, Kind::Eligibility, "alice").is_empty());
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_objects_with_one_key_that_go_together_leave_nothing_behind() {
    let bed = bed("both_deleted", |_| {}).await;
    let operator = start(&bed).await;
    eligible("first").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("first", "Provisioned")
        .await;
    eligible("second").apply(&bed).await;
    until_stalled::<GroupEligibility>(&bed, "second", "Conflict").await;
    let (one, other) = tokio::join!(
        bed.delete::<GroupEligibility>("first"),
        bed.delete::<GroupEligibility>("second")
    );
    one.unwrap();
    other.unwrap();
    bed.until_gone::<GroupEligibility>("first").await;
    bed.until_gone::<GroupEligibility>("second").await;
    assert!(rows(&bed, Kind::Eligibility, "alice").is_empty());
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_only_observes_inherits_nothing() {
    let bed = bed("observing_heir", |_| {}).await;
    let operator = start(&bed).await;
    eligible("first").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("first", "Provisioned")
        .await;
    eligible("watcher")
        .with("managementPolicy", "Observe")
        .apply(&bed)
        .await;
    until_stalled::<GroupEligibility>(&bed, "watcher", "Conflict").await;
    bed.delete::<GroupEligibility>("first").await.unwrap();
    bed.until_gone::<GroupEligibility>("first").await;
    assert!(rows(&bed, Kind::Eligibility, "alice").is_empty());
    bed.until_reason::<GroupEligibility>("watcher", "Drifted")
        .await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retained_grant_stays() {
    let bed = bed("retain", |_| {}).await;
    let operator = start(&bed).await;
    eligible("alice")
        .with("deletionPolicy", "Retain")
        .apply(&bed)
        .await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    bed.until_gone::<GroupEligibility>("alice").await;
    row(&bed, Kind::Eligibility, "alice");
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_object_holds_its_change_and_its_deletion() {
    let bed = bed("suspend", |_| {}).await;
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    let suspended = eligible("alice").lasting("P10D").with("suspend", true);
    suspended.apply(&bed).await;
    let alice: GroupEligibility = bed.until_reason("alice", "Suspended").await;
    assert!(
        message(&alice).contains("nothing is written while `suspend` is true"),
        "{}",
        message(&alice)
    );
    assert!(!holds(&alice, "Ready") && !holds(&alice, "InSync"));
    assert_eq!(sent(&bed), ["adminAssign"]);
    suspended.with("suspend", false).apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert_eq!(sent(&bed), ["adminAssign", "adminUpdate"]);

    let suspended = eligible("alice").lasting("P10D").with("suspend", true);
    suspended.apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Suspended")
        .await;
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    let alice: GroupEligibility = bed.until_reason("alice", "Suspended").await;
    assert!(
        message(&alice).contains("deletion waits"),
        "{}",
        message(&alice)
    );
    assert_eq!(sent(&bed).len(), 2);
    suspended.with("suspend", false).apply(&bed).await;
    bed.until_gone::<GroupEligibility>("alice").await;
    assert_eq!(sent(&bed), ["adminAssign", "adminUpdate", "adminRemove"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_abandon_annotation_lets_go_while_graph_is_out_of_order() {
    let bed = bed("abandon", |_| {}).await;
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    let alice: GroupEligibility = bed.until_reason("alice", "Provisioned").await;
    bed.advance(TimeDelta::minutes(2));
    let outage = refusal(503, "ServiceUnavailable", "");
    bed.simulator.faults().add(list_fault(outage).always());
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    bed.until_reason::<GroupEligibility>("alice", "GraphUnavailable")
        .await;
    let uid = alice.metadata.uid.unwrap();
    annotate::<GroupEligibility>(&bed, "alice", "entrapim.dev/abandon", &uid).await;
    bed.until_gone::<GroupEligibility>("alice").await;
    row(&bed, Kind::Eligibility, "alice");
    assert!(
        events(&bed, "alice")
            .await
            .contains(&("Warning".to_owned(), "RetainedOnDelete".to_owned()))
    );
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_deleted_before_entra_lists_its_grant_takes_the_grant_with_it() {
    let bed = bed("deleted_unlisted", |behaviour| {
        behaviour.schedule_list_lag = std::time::Duration::from_mins(1);
    })
    .await;
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    until_sent(&bed, 1).await;
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    bed.until::<GroupEligibility>("alice", "the deletion's own state", |status| {
        status.observed_generation == Some(2)
    })
    .await;
    bed.advance(TimeDelta::minutes(2));
    bed.until_gone::<GroupEligibility>("alice").await;
    assert_eq!(sent(&bed), ["adminAssign", "adminRemove"]);
    assert!(rows(&bed, Kind::Eligibility, "alice").is_empty());
    operator.stop().await;
}
