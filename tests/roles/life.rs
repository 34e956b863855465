//! The life of a grant of a role: what group grants do, role grants do too.

use chrono::TimeDelta;
use pim_harness::bed::ready;
use pim_operator::api::role_grant::{RoleAssignment, RoleEligibility};
use pim_simulator::Kind;

use crate::{
    ALICE, HELPDESK, OfRole, SALES_SCOPE, active_role, bed, eligible_role, rows,
    support::{message, near, sent, start, status, until_stalled},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_becomes_a_schedule_and_its_deletion_revokes_it() {
    let bed = bed("life", |_| {}).await;
    let operator = start(&bed).await;
    eligible_role("alice").apply(&bed).await;
    let alice: RoleEligibility = bed.until_reason("alice", "Provisioned").await;
    let said = ready(status(&alice)).unwrap();
    assert_eq!(said.0, "True");
    assert!(
        said.2.starts_with(
            "alice@contoso.com is eligible as Helpdesk Administrator in the whole tenant until "
        ),
        "{said:?}"
    );
    let resolved = status(&alice).resolved.clone().unwrap();
    assert_eq!(resolved.role_id.unwrap().as_str(), HELPDESK);
    assert_eq!(resolved.group_id, None);
    assert_eq!(resolved.directory_scope_id.as_deref(), Some("/"));
    let row = rows(&bed, Kind::Eligibility, HELPDESK, ALICE);
    assert_eq!(row.len(), 1, "{row:?}");
    assert!(near(row[0].end, bed.now() + TimeDelta::days(90)));

    bed.delete::<RoleEligibility>("alice").await.unwrap();
    bed.until_gone::<RoleEligibility>("alice").await;
    assert_eq!(rows(&bed, Kind::Eligibility, HELPDESK, ALICE), vec![]);
    assert_eq!(sent(&bed), ["adminAssign", "adminRemove"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_principal_holds_a_role_at_two_scopes_by_two_objects() {
    let bed = bed("two_scopes", |_| {}).await;
    let operator = start(&bed).await;
    eligible_role("everywhere").apply(&bed).await;
    eligible_role("sales").at(SALES_SCOPE).apply(&bed).await;
    bed.until_reason::<RoleEligibility>("everywhere", "Provisioned")
        .await;
    let sales: RoleEligibility = bed.until_reason("sales", "Provisioned").await;
    assert!(
        message(&sales).contains(" in Sales EMEA until "),
        "{}",
        message(&sales)
    );
    bed.delete::<RoleEligibility>("everywhere").await.unwrap();
    bed.until_gone::<RoleEligibility>("everywhere").await;
    let left = rows(&bed, Kind::Eligibility, HELPDESK, ALICE);
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0].directory_scope_id.as_deref(), Some(SALES_SCOPE));
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_grant_comes_back_with_its_old_end_and_lapses_at_it() {
    let bed = bed("drift", |_| {}).await;
    let operator = start(&bed).await;
    active_role("alice").apply(&bed).await;
    let before: RoleAssignment = bed.until_reason("alice", "Provisioned").await;
    let end = status(&before).schedule.as_ref().unwrap().end_date_time;
    bed.advance(TimeDelta::days(3));
    bed.simulator
        .admin()
        .remove_role(Kind::Assignment, HELPDESK, "/", "alice@contoso.com")
        .unwrap();
    bed.advance(TimeDelta::minutes(16));
    bed.until_reason::<RoleAssignment>("alice", "Drifted").await;
    bed.advance(TimeDelta::seconds(20));
    let after: RoleAssignment = bed.until_reason("alice", "Provisioned").await;
    assert_eq!(status(&after).schedule.as_ref().unwrap().end_date_time, end);
    bed.advance(TimeDelta::days(90));
    bed.until_reason::<RoleAssignment>("alice", "Expired").await;
    assert_eq!(rows(&bed, Kind::Assignment, HELPDESK, ALICE), vec![]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_window_moves_the_grant_and_a_future_one_is_scheduled() {
    let bed = bed("windows", |_| {}).await;
    let operator = start(&bed).await;
    eligible_role("alice").apply(&bed).await;
    bed.until_reason::<RoleEligibility>("alice", "Provisioned")
        .await;
    eligible_role("alice").lasting("P30D").apply(&bed).await;
    bed.eventually("the shorter window", || async {
        let rows = rows(&bed, Kind::Eligibility, HELPDESK, ALICE);
        rows.len() == 1 && near(rows[0].end, bed.now() + TimeDelta::days(30))
    })
    .await;

    let start = bed.now() + TimeDelta::days(2);
    active_role("soon")
        .starting(start, "PT8H")
        .apply(&bed)
        .await;
    bed.until_reason::<RoleAssignment>("soon", "Scheduled")
        .await;
    bed.advance(TimeDelta::days(2) + TimeDelta::minutes(1));
    bed.until_reason::<RoleAssignment>("soon", "Provisioned")
        .await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_writes_nothing() {
    let bed = bed("restart", |_| {}).await;
    let operator = start(&bed).await;
    eligible_role("alice").apply(&bed).await;
    active_role("sales")
        .at(SALES_SCOPE)
        .user("carol@contoso.com")
        .apply(&bed)
        .await;
    let alice: RoleEligibility = bed.until_reason("alice", "Provisioned").await;
    let sales: RoleAssignment = bed.until_reason("sales", "Provisioned").await;
    operator.stop().await;
    let posts = sent(&bed).len();

    let operator = start(&bed).await;
    bed.advance(TimeDelta::minutes(16));
    eligible_role("erin")
        .user("erin@contoso.com")
        .apply(&bed)
        .await;
    bed.until_reason::<RoleEligibility>("erin", "Provisioned")
        .await;
    assert_eq!(sent(&bed).len(), posts + 1);
    let version = |object: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta| {
        object.resource_version.clone()
    };
    let again = bed.api::<RoleEligibility>().get("alice").await.unwrap();
    assert_eq!(version(&again.metadata), version(&alice.metadata));
    let again = bed.api::<RoleAssignment>().get("sales").await.unwrap();
    assert_eq!(version(&again.metadata), version(&sales.metadata));
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activation_of_the_role_is_left_alone() {
    let bed = bed("activation", |_| {}).await;
    let operator = start(&bed).await;
    eligible_role("alice").apply(&bed).await;
    bed.until_reason::<RoleEligibility>("alice", "Provisioned")
        .await;
    bed.simulator
        .admin()
        .activate_role(
            "alice@contoso.com",
            HELPDESK,
            "/",
            serde_json::from_value(serde_json::json!({"duration": "PT4H"})).unwrap(),
            "a ticket",
        )
        .unwrap();
    bed.advance(TimeDelta::minutes(16));
    active_role("other")
        .user("erin@contoso.com")
        .apply(&bed)
        .await;
    bed.until_reason::<RoleAssignment>("other", "Provisioned")
        .await;
    let active = rows(&bed, Kind::Assignment, HELPDESK, ALICE);
    assert!(
        active.iter().all(|row| row.activated) && active.len() == 1,
        "{active:?}"
    );
    assert_eq!(sent(&bed), ["adminAssign", "adminAssign"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_objects_for_one_role_and_scope_conflict_however_they_name_them() {
    let bed = bed("same_key", |_| {}).await;
    let operator = start(&bed).await;
    eligible_role("first").at(SALES_SCOPE).apply(&bed).await;
    bed.until_reason::<RoleEligibility>("first", "Provisioned")
        .await;
    eligible_role("second")
        .with("role", serde_json::json!({"id": HELPDESK}))
        .with(
            "administrativeUnit",
            serde_json::json!({"displayName": "Sales EMEA"}),
        )
        .apply(&bed)
        .await;
    let second: RoleEligibility = until_stalled(&bed, "second", "Conflict").await;
    assert!(message(&second).contains("/first"), "{}", message(&second));
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
}
