//! Windows: starts ahead, edits, leases, ends, and the sixty days after which Entra has forgotten every request.

use chrono::TimeDelta;
use pim_harness::bed::assert_same;
use pim_operator::api::group_grant::{GroupAssignment, GroupEligibility};
use pim_simulator::Kind;
use serde_json::json;

use crate::support::{
    active, bed, eligible, holds, message, near, row, rows, sent, set_policy, status, text,
    until_sent,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_of_the_future_is_scheduled_and_then_seen_in_force() {
    let bed = bed("future_start", |_| {}).await;
    let operator = bed.start_operator();
    let start = bed.now() + TimeDelta::hours(3);
    active("alice").starting(start, "P30D").apply(&bed).await;
    let alice: GroupAssignment = bed.until_reason("alice", "Scheduled").await;
    assert!(
        message(&alice).contains(&text(start)),
        "{}",
        message(&alice)
    );
    assert!(holds(&alice, "Ready") && holds(&alice, "InSync"));
    bed.advance(TimeDelta::hours(3));
    // Entra starts it some forty seconds late.
    bed.until_reason::<GroupAssignment>("alice", "PendingProvisioning")
        .await;
    bed.advance(TimeDelta::seconds(50));
    let alice: GroupAssignment = bed.until_reason("alice", "Provisioned").await;
    assert!(status(&alice).instance.as_ref().unwrap().present);
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_grant_of_the_future_is_cancelled_and_granted_anew() {
    let bed = bed("future_edit", |_| {}).await;
    let operator = bed.start_operator();
    let start = bed.now() + TimeDelta::hours(3);
    active("alice").starting(start, "P30D").apply(&bed).await;
    bed.until_reason::<GroupAssignment>("alice", "Scheduled")
        .await;
    let later = start + TimeDelta::hours(2);
    active("alice").starting(later, "P10D").apply(&bed).await;
    bed.until_reason::<GroupAssignment>("alice", "Scheduled")
        .await;
    assert_eq!(sent(&bed), ["adminAssign", "cancel", "adminAssign"]);
    let row = row(&bed, Kind::Assignment, "alice");
    assert!(near(row.start, later));
    assert!(!row.in_force);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_grant_of_the_future_is_cancelled() {
    let bed = bed("future_deletion", |_| {}).await;
    let operator = bed.start_operator();
    let start = bed.now() + TimeDelta::hours(3);
    active("alice").starting(start, "P30D").apply(&bed).await;
    bed.until_reason::<GroupAssignment>("alice", "Scheduled")
        .await;
    bed.delete::<GroupAssignment>("alice").await.unwrap();
    bed.until_gone::<GroupAssignment>("alice").await;
    assert_eq!(sent(&bed), ["adminAssign", "cancel"]);
    assert!(rows(&bed, Kind::Assignment, "alice").is_empty());
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_shortens_and_lengthens_the_same_grant() {
    let bed = bed("edits", |_| {}).await;
    let operator = bed.start_operator();
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    for (count, days) in [(2, 10), (3, 200)] {
        let end = bed.now() + TimeDelta::days(days);
        eligible("alice").until(end).apply(&bed).await;
        until_sent(&bed, count).await;
        bed.until_reason::<GroupEligibility>("alice", "Provisioned")
            .await;
        assert!(near(row(&bed, Kind::Eligibility, "alice").end, end));
    }
    assert_eq!(sent(&bed), ["adminAssign", "adminUpdate", "adminUpdate"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_to_an_end_that_has_passed_revokes() {
    let bed = bed("edit_to_the_past", |_| {}).await;
    let operator = bed.start_operator();
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    let past = bed.now() - TimeDelta::hours(1);
    eligible("alice").until(past).apply(&bed).await;
    let alice: GroupEligibility = bed.until_reason("alice", "Expired").await;
    assert!(holds(&alice, "Ready"));
    assert_eq!(sent(&bed), ["adminAssign", "adminRemove"]);
    assert!(rows(&bed, Kind::Eligibility, "alice").is_empty());
    operator.stop().await;
}

fn lease() -> serde_json::Value {
    json!({
        "expiration": {"type": "afterDuration", "duration": "P30D"},
        "onExpiry": "Renew", "renewBefore": "P7D",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_extended_before_its_end_and_not_earlier() {
    let bed = bed("lease", |_| {}).await;
    let operator = bed.start_operator();
    eligible("alice")
        .with("scheduleInfo", lease())
        .apply(&bed)
        .await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    bed.advance(TimeDelta::days(22));
    // A newcomer's grant shows that the operator has noticed the time.
    eligible("bob").user("bob@contoso.com").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("bob", "Provisioned")
        .await;
    assert_eq!(sent(&bed), ["adminAssign", "adminAssign"]);
    bed.advance(TimeDelta::days(1) + TimeDelta::hours(1));
    until_sent(&bed, 3).await;
    assert_eq!(sent(&bed)[2], "adminExtend");
    bed.until::<GroupEligibility>("alice", "the extended lease", |status| {
        status.schedule.as_ref().is_some_and(|schedule| {
            schedule.status.is_some()
                && near(schedule.end_date_time, bed.now() + TimeDelta::days(30))
        })
    })
    .await;
    assert!(near(
        row(&bed, Kind::Eligibility, "alice").end,
        bed.now() + TimeDelta::days(30)
    ));
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_lapsed_while_the_operator_was_down_is_granted_anew() {
    let bed = bed("lapsed_lease", |_| {}).await;
    let operator = bed.start_operator();
    eligible("alice")
        .with("scheduleInfo", lease())
        .apply(&bed)
        .await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    operator.stop().await;
    bed.advance(TimeDelta::days(40));
    assert!(rows(&bed, Kind::Eligibility, "alice").is_empty());
    let operator = bed.start_operator();
    until_sent(&bed, 2).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert_eq!(sent(&bed), ["adminAssign", "adminAssign"]);
    assert!(near(
        row(&bed, Kind::Eligibility, "alice").end,
        bed.now() + TimeDelta::days(30)
    ));
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_days_after_which_entra_has_forgotten_every_request_change_nothing() {
    let bed = bed("sixty_days", |_| {}).await;
    set_policy(
        &bed,
        &json!({"eligibility": {"permanentAllowed": true}, "assignment": {"permanentAllowed": true}}),
    );
    let operator = bed.start_operator();
    let eligible_ones = ["alice", "bob"];
    let active_ones = ["carol", "dave"];
    for (index, name) in eligible_ones.iter().enumerate() {
        let manifest = eligible(name).user(&format!("{name}@contoso.com"));
        let manifest = if index == 0 {
            manifest.permanent()
        } else {
            manifest.lasting("P300D")
        };
        manifest.apply(&bed).await;
    }
    for (index, name) in active_ones.iter().enumerate() {
        let manifest = active(name).user(&format!("{name}@contoso.com"));
        let manifest = if index == 0 {
            manifest.permanent()
        } else {
            manifest.lasting("P170D")
        };
        manifest.apply(&bed).await;
    }
    let mut before = Vec::new();
    for name in eligible_ones {
        let object: GroupEligibility = bed.until_reason(name, "Provisioned").await;
        before.push(status(&object).clone());
    }
    for name in active_ones {
        let object: GroupAssignment = bed.until_reason(name, "Provisioned").await;
        before.push(status(&object).clone());
    }
    let mark = bed.simulator.traffic().mark();
    let resyncs = |at_least: u64| {
        let (bed, mark) = (&bed, &mark);
        async move {
            bed.eventually("a resync", || async {
                bed.simulator.traffic().counts_since(mark).graph_gets >= at_least
            })
            .await;
        }
    };
    for day in 0..6 {
        bed.advance(TimeDelta::days(10));
        resyncs(2 * (day + 1)).await;
    }
    // So does a restart, with nothing but the status to go by.
    operator.stop().await;
    let operator = bed.start_operator();
    resyncs(14).await;
    assert_eq!(bed.simulator.traffic().counts_since(&mark).graph_posts, 0);
    let mut after = Vec::new();
    for name in eligible_ones {
        after.push(status(&bed.api::<GroupEligibility>().get(name).await.unwrap()).clone());
    }
    for name in active_ones {
        after.push(status(&bed.api::<GroupAssignment>().get(name).await.unwrap()).clone());
    }
    assert_same(&before, &after, "sixty days");
    // And the grants can still be ended.
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    bed.until_gone::<GroupEligibility>("alice").await;
    assert!(rows(&bed, Kind::Eligibility, "alice").is_empty());
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn owner_and_member_of_the_same_group_are_independent() {
    let bed = bed("owner_and_member", |_| {}).await;
    let operator = bed.start_operator();
    eligible("member").apply(&bed).await;
    eligible("owner")
        .with("accessId", "owner")
        .lasting("P30D")
        .apply(&bed)
        .await;
    bed.until_reason::<GroupEligibility>("member", "Provisioned")
        .await;
    bed.until_reason::<GroupEligibility>("owner", "Provisioned")
        .await;
    assert_eq!(rows(&bed, Kind::Eligibility, "alice").len(), 2);
    bed.delete::<GroupEligibility>("owner").await.unwrap();
    bed.until_gone::<GroupEligibility>("owner").await;
    let left = row(&bed, Kind::Eligibility, "alice");
    assert_eq!(left.access_id, pim_simulator::Access::Member);
    assert_eq!(sent(&bed), ["adminAssign", "adminAssign", "adminRemove"]);
    operator.stop().await;
}
