//! Longer, without an end, without papers, and more than the boundary gives.

use chrono::TimeDelta;
use futures::future::join_all;
use kube::api::ListParams;
use pim_operator::api::group_grant::{GroupAssignment, GroupEligibility};
use pim_simulator::Kind;
use serde_json::json;

use crate::{
    denied, fenced, fenced_by,
    support::{active, eligible, near, row, sent, start},
    until_denied,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_without_an_end() {
    let (bed, operator) = fenced("permanent").await;
    eligible("alice").permanent().apply(&bed).await;
    denied::<GroupEligibility>(&bed, "alice", "`limits.permanent` forbids").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minute_more_than_the_longest_window() {
    let (bed, operator) = fenced("a_minute_more").await;
    eligible("alice").lasting("P180DT1M").apply(&bed).await;
    denied::<GroupEligibility>(&bed, "alice", "is P180D, and the window is P180DT1M long").await;
    eligible("bob")
        .user("bob@contoso.com")
        .lasting("P180D")
        .apply(&bed)
        .await;
    bed.until_reason::<GroupEligibility>("bob", "Provisioned")
        .await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_length_of_an_eligibility_for_active_access() {
    let (bed, operator) = fenced("active_long").await;
    active("alice").lasting("P90D").apply(&bed).await;
    denied::<GroupAssignment>(&bed, "alice", "its `limits.maxAssignmentDuration` is PT8H").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_date_far_away_in_place_of_a_duration() {
    let (bed, operator) = fenced("far_date").await;
    eligible("alice")
        .until(bed.now() + TimeDelta::days(3_000))
        .apply(&bed)
        .await;
    denied::<GroupEligibility>(&bed, "alice", "its `limits.maxEligibilityDuration`").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_in_the_past_that_makes_the_window_look_spent() {
    let (bed, operator) = fenced("past_start").await;
    let start = bed.now() - TimeDelta::days(170);
    eligible("alice").starting(start, "P180D").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    // Allowed, and it gives no more than the boundary does: the duration counts from the start that Entra takes.
    let end = row(&bed, Kind::Eligibility, "alice").end.unwrap();
    assert!(
        end <= bed.now() + TimeDelta::days(180) + TimeDelta::minutes(1),
        "{end}"
    );
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_in_the_future_with_a_long_window() {
    let (bed, operator) = fenced("future").await;
    let start = bed.now() + TimeDelta::days(30);
    eligible("alice").starting(start, "P365D").apply(&bed).await;
    denied::<GroupEligibility>(&bed, "alice", "its `limits.maxEligibilityDuration`").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_longer_than_the_longest_window() {
    let (bed, operator) = fenced("lease").await;
    let lease = json!({
        "expiration": {"type": "afterDuration", "duration": "P365D"}, "onExpiry": "Renew", "renewBefore": "P14D",
    });
    eligible("alice")
        .with("scheduleInfo", lease)
        .apply(&bed)
        .await;
    denied::<GroupEligibility>(&bed, "alice", "its `limits.maxEligibilityDuration`").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_made_longer_after_it_was_granted() {
    let (bed, operator) = fenced("lengthened").await;
    eligible("alice").lasting("P30D").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    let end = row(&bed, Kind::Eligibility, "alice").end.unwrap();
    eligible("alice").lasting("P365D").apply(&bed).await;
    let said = until_denied::<GroupEligibility>(&bed, "alice").await;
    assert!(said.contains("maxEligibilityDuration"), "{said}");
    // Frozen: what was granted stays as it was.
    assert!(near(row(&bed, Kind::Eligibility, "alice").end, end));
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_without_the_ticket_that_is_required() {
    let (bed, operator) = fenced_by("ticket", |spec| {
        spec["requirements"] = json!({"ticket": "Required"});
    })
    .await;
    eligible("alice").apply(&bed).await;
    denied::<GroupEligibility>(&bed, "alice", "set `ticketInfo`").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_without_the_justification_that_is_required() {
    let (bed, operator) = fenced_by("justification", |spec| {
        spec["requirements"] = json!({"justification": "Required"});
    })
    .await;
    eligible("alice").without("justification").apply(&bed).await;
    denied::<GroupEligibility>(&bed, "alice", "set `justification`").await;
    let blank = bed
        .apply(&eligible("bob").with("justification", "  ").to_string())
        .await;
    assert!(blank.unwrap_err().to_string().contains("may not be empty"));
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_quota_made_at_the_same_time() {
    let (bed, operator) = fenced_by("quota", |spec| {
        spec["limits"]["maxGrantsPerNamespace"] = json!(200);
    })
    .await;
    for number in 0..201 {
        bed.simulator
            .admin()
            .add_user(&format!("user-{number}@contoso.com"))
            .unwrap();
    }
    let manifests = (0..201).map(|number| {
        eligible(&format!("user-{number}")).user(&format!("user-{number}@contoso.com"))
    });
    join_all(manifests.map(|manifest| {
        let bed = &bed;
        async move { manifest.apply(bed).await }
    }))
    .await;
    let settled = |reason: &'static str| {
        let bed = &bed;
        async move {
            let all = bed
                .api::<GroupEligibility>()
                .list(&ListParams::default())
                .await
                .unwrap();
            let count = all.items.iter().filter(|one| {
                one.status
                    .as_ref()
                    .and_then(pim_harness::bed::ready)
                    .is_some_and(|(_, actual, _)| actual == reason)
            });
            count.count()
        }
    };
    bed.eventually("two hundred grants and one denial", || async {
        settled("Provisioned").await == 200 && settled("BoundaryDenied").await == 1
    })
    .await;
    assert_eq!(sent(&bed).len(), 200);
    assert_eq!(bed.simulator.schedules(Kind::Eligibility).len(), 200);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_split_over_two_kinds() {
    let (bed, operator) = fenced_by("quota_kinds", |spec| {
        spec["limits"]["maxGrantsPerNamespace"] = json!(1);
    })
    .await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    active("bob")
        .user("bob@contoso.com")
        .lasting("PT4H")
        .apply(&bed)
        .await;
    let said = until_denied::<GroupAssignment>(&bed, "bob").await;
    assert!(said.contains("maxGrantsPerNamespace` is 1"), "{said}");
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_forgotten_in_a_restart() {
    let (bed, operator) = fenced_by("quota_restart", |spec| {
        spec["limits"]["maxGrantsPerNamespace"] = json!(1);
    })
    .await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    operator.stop().await;
    eligible("aaron").user("bob@contoso.com").apply(&bed).await;
    let operator = start(&bed).await;
    let said = until_denied::<GroupEligibility>(&bed, "aaron").await;
    assert!(said.contains("maxGrantsPerNamespace` is 1"), "{said}");
    // A place that is given back is taken by whoever waits.
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    bed.until_gone::<GroupEligibility>("alice").await;
    bed.until_reason::<GroupEligibility>("aaron", "Provisioned")
        .await;
    assert_eq!(sent(&bed), ["adminAssign", "adminRemove", "adminAssign"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_of_nothing() {
    let (bed, operator) = fenced_by("quota_zero", |spec| {
        spec["limits"]["maxGrantsPerNamespace"] = json!(0);
    })
    .await;
    eligible("alice").apply(&bed).await;
    denied::<GroupEligibility>(&bed, "alice", "maxGrantsPerNamespace` is 0").await;
    operator.stop().await;
}
