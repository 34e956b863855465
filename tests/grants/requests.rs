//! What becomes of a request: accepted and failed, slow, refused by surprise, or too early.

use std::time::Duration;

use chrono::TimeDelta;
use pim_operator::api::group_grant::{GroupAssignment, GroupEligibility};
use pim_simulator::{Access, FaultKind, GroupSeed, Kind, Window};

use crate::support::{
    active, bed, eligible, holds, list_fault, message, near, row, rows, sent, start, until_sent,
    until_stalled,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_entra_takes_and_fails_again_and_again_stalls_after_half_an_hour() {
    let bed = bed("failed_requests", |behaviour| {
        behaviour.new_group_failed_posts = 100;
    })
    .await;
    let id = "0dd00000-0000-4000-8000-000000000001".parse().unwrap();
    let group = GroupSeed {
        id: Some(id),
        display_name: "ledger-ops".to_owned(),
        ..GroupSeed::default()
    };
    bed.simulator.admin().add_group(group).unwrap();
    bed.allow_group(id).await.unwrap();
    let operator = start(&bed).await;
    eligible("alice").group("ledger-ops").apply(&bed).await;
    let alice: GroupEligibility = bed.until_reason("alice", "RequestFailed").await;
    assert!(
        message(&alice).contains("failed to carry it out"),
        "{}",
        message(&alice)
    );
    assert!(!holds(&alice, "Stalled"));
    bed.advance(TimeDelta::minutes(31));
    until_stalled::<GroupEligibility>(&bed, "alice", "RequestFailed").await;
    assert_eq!(sent(&bed).len(), 2);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_entra_works_on_for_minutes_is_followed_and_not_repeated() {
    let bed = bed("slow_provisioning", |behaviour| {
        behaviour.pending_provisioning_for = Duration::from_mins(5);
        behaviour.schedule_list_lag = Duration::from_mins(2);
    })
    .await;
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    let alice: GroupEligibility = bed.until_reason("alice", "PendingProvisioning").await;
    bed.until::<GroupEligibility>("alice", "Entra's answer", |status| {
        status
            .last_request
            .as_ref()
            .is_some_and(|last| last.status.is_some())
    })
    .await;
    assert!(!holds(&alice, "Stalled"));
    for _ in 0..4 {
        bed.advance(TimeDelta::seconds(11));
    }
    let alice = bed
        .until::<GroupEligibility>("alice", "the state in words", |status| {
            pim_harness::bed::ready(status).is_some_and(|(_, _, message)| {
                message.contains("working on it (PendingProvisioning)")
            })
        })
        .await;
    assert!(holds(&alice, "Reconciling"));
    bed.advance(TimeDelta::seconds(258));
    bed.until_reason::<GroupEligibility>("alice", "AwaitingReplication")
        .await;
    bed.advance(TimeDelta::seconds(121));
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_is_there_against_expectation_is_made_as_declared() {
    let bed = bed("surprise_exists", |_| {}).await;
    bed.simulator
        .admin()
        .assign(
            Kind::Eligibility,
            "payments-ops",
            "alice@contoso.com",
            Access::Member,
            Window::days(30),
        )
        .unwrap();
    // The first look does not show it yet.
    bed.simulator.faults().add(list_fault(FaultKind::StaleRead));
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    let alice: GroupEligibility = bed.until_reason("alice", "AwaitingReplication").await;
    assert!(
        message(&alice).contains("RoleAssignmentExists"),
        "{}",
        message(&alice)
    );
    bed.advance(TimeDelta::seconds(11));
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert_eq!(sent(&bed), ["adminAssign", "adminUpdate"]);
    let row = row(&bed, Kind::Eligibility, "alice");
    assert!(near(row.end, bed.now() + TimeDelta::days(90)));
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_is_gone_against_expectation_is_granted_anew() {
    let bed = bed("surprise_gone", |_| {}).await;
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    bed.simulator
        .admin()
        .remove(
            Kind::Eligibility,
            "payments-ops",
            "alice@contoso.com",
            Access::Member,
        )
        .unwrap();
    eligible("alice").lasting("P30D").apply(&bed).await;
    until_sent(&bed, 2).await;
    bed.until::<GroupEligibility>("alice", "the surprise", |status| {
        status
            .last_request
            .as_ref()
            .is_some_and(|last| last.error.as_deref() == Some("RoleAssignmentDoesNotExist"))
    })
    .await;
    bed.advance(TimeDelta::seconds(11));
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert_eq!(sent(&bed), ["adminAssign", "adminUpdate", "adminAssign"]);
    let row = row(&bed, Kind::Eligibility, "alice");
    assert!(near(row.end, bed.now() + TimeDelta::days(30)));
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_worked_and_is_answered_with_does_not_exist_is_not_repeated() {
    let bed = bed("misreported_removal", |behaviour| {
        behaviour.misreported_removals = 1;
    })
    .await;
    let operator = start(&bed).await;
    active("alice").apply(&bed).await;
    bed.until_reason::<GroupAssignment>("alice", "Provisioned")
        .await;
    bed.advance(TimeDelta::minutes(6));
    bed.delete::<GroupAssignment>("alice").await.unwrap();
    until_sent(&bed, 2).await;
    bed.until::<GroupAssignment>("alice", "the surprise", |status| {
        status
            .last_request
            .as_ref()
            .is_some_and(|last| last.error.as_deref() == Some("RoleAssignmentDoesNotExist"))
    })
    .await;
    bed.advance(TimeDelta::seconds(11));
    bed.until_gone::<GroupAssignment>("alice").await;
    assert_eq!(sent(&bed), ["adminAssign", "adminRemove"]);
    assert!(rows(&bed, Kind::Assignment, "alice").is_empty());
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_a_young_active_grant_waits_for_entras_five_minutes() {
    let bed = bed("young_edit", |_| {}).await;
    let operator = start(&bed).await;
    active("alice").apply(&bed).await;
    bed.until_reason::<GroupAssignment>("alice", "Provisioned")
        .await;
    bed.advance(TimeDelta::seconds(30));
    active("alice").lasting("P30D").apply(&bed).await;
    let alice: GroupAssignment = bed.until_reason("alice", "AwaitingMinimumDuration").await;
    assert!(message(&alice).contains("five minutes"));
    assert_eq!(sent(&bed), ["adminAssign"]);
    bed.advance(TimeDelta::minutes(5));
    bed.until_reason::<GroupAssignment>("alice", "Provisioned")
        .await;
    assert_eq!(sent(&bed), ["adminAssign", "adminUpdate"]);
    let row = row(&bed, Kind::Assignment, "alice");
    assert!(near(row.end, bed.now() + TimeDelta::days(30)));
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_of_a_young_active_grant_waits_for_entras_five_minutes() {
    let bed = bed("young_deletion", |_| {}).await;
    let operator = start(&bed).await;
    active("alice").apply(&bed).await;
    bed.until_reason::<GroupAssignment>("alice", "Provisioned")
        .await;
    bed.advance(TimeDelta::seconds(30));
    bed.delete::<GroupAssignment>("alice").await.unwrap();
    bed.until_reason::<GroupAssignment>("alice", "AwaitingMinimumDuration")
        .await;
    assert_eq!(sent(&bed), ["adminAssign"]);
    bed.advance(TimeDelta::minutes(5));
    bed.until_gone::<GroupAssignment>("alice").await;
    assert_eq!(sent(&bed), ["adminAssign", "adminRemove"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_an_eligibility_beside_a_young_active_grant_is_sent_again_after_five_minutes() {
    let bed = bed("young_neighbour", |_| {}).await;
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    bed.simulator
        .admin()
        .assign(
            Kind::Assignment,
            "payments-ops",
            "alice@contoso.com",
            Access::Member,
            Window::days(1),
        )
        .unwrap();
    eligible("alice").lasting("P30D").apply(&bed).await;
    let alice: GroupEligibility = bed.until_reason("alice", "AwaitingMinimumDuration").await;
    assert!(
        message(&alice).contains("five minutes"),
        "{}",
        message(&alice)
    );
    assert!(!holds(&alice, "Stalled"));
    assert_eq!(sent(&bed), ["adminAssign", "adminUpdate"]);
    bed.advance(TimeDelta::minutes(5));
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert_eq!(sent(&bed), ["adminAssign", "adminUpdate", "adminUpdate"]);
    assert_eq!(rows(&bed, Kind::Assignment, "alice").len(), 1);
    operator.stop().await;
}
