//! What was there before the operator, what others do, and what it only watches.

use chrono::TimeDelta;
use pim_operator::api::{
    group_grant::{GroupAssignment, GroupEligibility},
    status::CreatedVia,
};
use pim_simulator::{Access, Kind, Window};
use serde_json::json;

use crate::support::{
    active, bed, eligible, holds, message, near, nudge, row, rows, sent, start, status,
};

fn assign(bed: &pim_harness::Bed, kind: Kind, days: u64) {
    bed.simulator
        .admin()
        .assign(
            kind,
            "payments-ops",
            "alice@contoso.com",
            Access::Member,
            Window::days(days),
        )
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_is_there_as_declared_is_adopted_and_from_then_on_revoked_with_its_object() {
    let bed = bed("adopted", |_| {}).await;
    assign(&bed, Kind::Eligibility, 90);
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    let alice: GroupEligibility = bed.until_reason("alice", "Provisioned").await;
    assert_eq!(status(&alice).created_via, Some(CreatedVia::Adopted));
    assert_eq!(sent(&bed).len(), 0);
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    bed.until_gone::<GroupEligibility>("alice").await;
    assert_eq!(sent(&bed), ["adminRemove"]);
    assert!(rows(&bed, Kind::Eligibility, "alice").is_empty());
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_is_there_and_differs_is_updated_and_then_managed() {
    let bed = bed("taken_over", |_| {}).await;
    assign(&bed, Kind::Eligibility, 20);
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    let alice: GroupEligibility = bed.until_reason("alice", "Provisioned").await;
    assert_eq!(status(&alice).created_via, Some(CreatedVia::Operator));
    assert_eq!(sent(&bed), ["adminUpdate"]);
    let end = bed.now() + TimeDelta::days(90);
    assert!(near(row(&bed, Kind::Eligibility, "alice").end, end));
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    bed.until_gone::<GroupEligibility>("alice").await;
    assert!(rows(&bed, Kind::Eligibility, "alice").is_empty());
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observing_object_reports_drift_and_never_writes() {
    let bed = bed("observing", |_| {}).await;
    let operator = start(&bed).await;
    eligible("alice")
        .with("managementPolicy", "Observe")
        .apply(&bed)
        .await;
    let alice: GroupEligibility = bed.until_reason("alice", "Drifted").await;
    assert!(message(&alice).contains("not there yet"));
    assert!(message(&alice).contains("`managementPolicy` is Observe"));
    assign(&bed, Kind::Eligibility, 90);
    bed.advance(TimeDelta::minutes(16));
    let alice: GroupEligibility = bed.until_reason("alice", "Observed").await;
    assert!(holds(&alice, "InSync"));
    bed.simulator
        .admin()
        .update(
            Kind::Eligibility,
            "payments-ops",
            "alice@contoso.com",
            Access::Member,
            Window::days(200),
        )
        .unwrap();
    bed.advance(TimeDelta::minutes(16));
    let alice: GroupEligibility = bed.until_reason("alice", "Drifted").await;
    assert!(!holds(&alice, "InSync"));
    assert_eq!(alice.metadata.finalizers, None);
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    bed.until_gone::<GroupEligibility>("alice").await;
    row(&bed, Kind::Eligibility, "alice");
    assert_eq!(sent(&bed).len(), 0);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activation_is_left_alone_beside_the_eligibility_it_rests_on() {
    let bed = bed("activation", |_| {}).await;
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    bed.simulator
        .admin()
        .activate(
            "alice@contoso.com",
            "payments-ops",
            Access::Member,
            Window::lasting(std::time::Duration::from_hours(4)),
            "night shift",
        )
        .unwrap();
    let before = row(&bed, Kind::Assignment, "alice");
    assert!(before.activated);
    bed.advance(TimeDelta::minutes(32));
    eligible("alice").lasting("P60D").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert_eq!(sent(&bed), ["adminAssign", "adminUpdate"]);
    assert_eq!(row(&bed, Kind::Assignment, "alice").id, before.id);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assignment_waits_for_the_end_of_an_activation_and_never_ends_it() {
    let bed = bed("assignment_beside_activation", |_| {}).await;
    assign(&bed, Kind::Eligibility, 90);
    bed.simulator
        .admin()
        .activate(
            "alice@contoso.com",
            "payments-ops",
            Access::Member,
            Window::lasting(std::time::Duration::from_hours(1)),
            "night shift",
        )
        .unwrap();
    let operator = start(&bed).await;
    active("alice").apply(&bed).await;
    let alice: GroupAssignment = bed.until_reason("alice", "AwaitingReplication").await;
    assert!(
        message(&alice).contains("RoleAssignmentExists"),
        "{}",
        message(&alice)
    );
    assert!(!holds(&alice, "Stalled"));
    assert!(row(&bed, Kind::Assignment, "alice").activated);
    bed.advance(TimeDelta::minutes(61));
    bed.until_reason::<GroupAssignment>("alice", "Provisioned")
        .await;
    assert!(sent(&bed).iter().all(|action| action == "adminAssign"));
    assert!(!row(&bed, Kind::Assignment, "alice").activated);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_membership_is_untouched_by_what_is_declared_beside_it() {
    let bed = bed("plain_membership", |_| {}).await;
    let group = json!({"id": "68e55cce-0000-4000-8000-000000000006"});
    let before = row(&bed, Kind::Assignment, "frank");
    assert_eq!(before.created_using, None);
    let operator = start(&bed).await;
    eligible("frank")
        .with("group", group.clone())
        .user("frank@contoso.com")
        .apply(&bed)
        .await;
    active("alice").with("group", group).apply(&bed).await;
    bed.until_reason::<GroupEligibility>("frank", "Provisioned")
        .await;
    bed.until_reason::<GroupAssignment>("alice", "Provisioned")
        .await;
    bed.advance(TimeDelta::minutes(16));
    bed.delete::<GroupEligibility>("frank").await.unwrap();
    bed.delete::<GroupAssignment>("alice").await.unwrap();
    bed.until_gone::<GroupEligibility>("frank").await;
    bed.until_gone::<GroupAssignment>("alice").await;
    assert_eq!(row(&bed, Kind::Assignment, "frank"), before);
    assert_eq!(sent(&bed).len(), 4);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nudge_by_annotation_notices_drift_at_once() {
    let bed = bed("nudge", |_| {}).await;
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
    nudge::<GroupEligibility>(&bed, "alice").await;
    bed.until_reason::<GroupEligibility>("alice", "Drifted")
        .await;
    assert_eq!(sent(&bed), ["adminAssign"]);
    bed.advance(TimeDelta::seconds(16));
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert_eq!(sent(&bed), ["adminAssign", "adminAssign"]);
    operator.stop().await;
}
