//! An eligible and a permanent active role of one principal delete each other in Entra: neither side is ever written then.

use chrono::TimeDelta;
use pim_operator::api::role_grant::{RoleAssignment, RoleEligibility};
use pim_simulator::{Kind, Window};

use crate::{
    ALICE, HELPDESK, OfRole, SALES_SCOPE, active_role, bed, eligible_role, rows,
    support::{message, sent, start, until_stalled},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_younger_of_two_objects_is_in_conflict_and_nothing_flaps() {
    let bed = bed("rivals", |_| {}).await;
    let operator = start(&bed).await;
    eligible_role("elder").apply(&bed).await;
    bed.until_reason::<RoleEligibility>("elder", "Provisioned")
        .await;
    active_role("younger").permanent().apply(&bed).await;
    let younger: RoleAssignment = until_stalled(&bed, "younger", "Conflict").await;
    for name in ["RoleAssignment", "/younger", "RoleEligibility", "/elder"] {
        assert!(message(&younger).contains(name), "{}", message(&younger));
    }
    bed.advance(TimeDelta::minutes(40));
    eligible_role("other")
        .user("erin@contoso.com")
        .apply(&bed)
        .await;
    bed.until_reason::<RoleEligibility>("other", "Provisioned")
        .await;
    assert_eq!(sent(&bed), ["adminAssign", "adminAssign"]);

    // With the elder gone, the younger has its turn.
    bed.delete::<RoleEligibility>("elder").await.unwrap();
    bed.until_gone::<RoleEligibility>("elder").await;
    bed.until_reason::<RoleAssignment>("younger", "Provisioned")
        .await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_to_permanence_stands_against_the_elder_eligibility() {
    let bed = bed("rivals_edit", |_| {}).await;
    let operator = start(&bed).await;
    eligible_role("elder").apply(&bed).await;
    bed.until_reason::<RoleEligibility>("elder", "Provisioned")
        .await;
    active_role("younger").lasting("P30D").apply(&bed).await;
    bed.until_reason::<RoleAssignment>("younger", "Provisioned")
        .await;
    active_role("younger").permanent().apply(&bed).await;
    until_stalled::<RoleAssignment>(&bed, "younger", "Conflict").await;
    assert_eq!(rows(&bed, Kind::Eligibility, HELPDESK, ALICE).len(), 1);
    // With an end again, they get along.
    active_role("younger").lasting("P30D").apply(&bed).await;
    bed.until_reason::<RoleAssignment>("younger", "Provisioned")
        .await;
    assert_eq!(rows(&bed, Kind::Eligibility, HELPDESK, ALICE).len(), 1);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_leaves_the_conflict_as_it_is() {
    let bed = bed("rivals_restart", |_| {}).await;
    let operator = start(&bed).await;
    active_role("elder").permanent().apply(&bed).await;
    bed.until_reason::<RoleAssignment>("elder", "Provisioned")
        .await;
    eligible_role("younger").apply(&bed).await;
    let before: RoleEligibility = until_stalled(&bed, "younger", "Conflict").await;
    operator.stop().await;
    let operator = start(&bed).await;
    bed.advance(TimeDelta::minutes(16));
    active_role("other")
        .user("erin@contoso.com")
        .apply(&bed)
        .await;
    bed.until_reason::<RoleAssignment>("other", "Provisioned")
        .await;
    let after = bed.api::<RoleEligibility>().get("younger").await.unwrap();
    assert_eq!(
        after.metadata.resource_version,
        before.metadata.resource_version
    );
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_declares_is_not_deleted_behind_its_back() {
    let bed = bed("rivals_unmanaged", |_| {}).await;
    let operator = start(&bed).await;
    let admin = bed.simulator.admin();
    admin
        .assign_role(
            Kind::Assignment,
            HELPDESK,
            "/",
            "alice@contoso.com",
            Window::permanent(),
        )
        .unwrap();
    eligible_role("alice").apply(&bed).await;
    let alice: RoleEligibility = until_stalled(&bed, "alice", "Conflict").await;
    let said = message(&alice);
    assert!(
        said.contains("is active as Helpdesk Administrator") && said.contains("/alice"),
        "{said}"
    );
    admin
        .assign_role(
            Kind::Eligibility,
            HELPDESK,
            "/",
            "bob@contoso.com",
            Window::permanent(),
        )
        .unwrap();
    // What a write rests on is at most a minute old.
    bed.advance(TimeDelta::minutes(2));
    active_role("bob")
        .user("bob@contoso.com")
        .permanent()
        .apply(&bed)
        .await;
    let bob: RoleAssignment = until_stalled(&bed, "bob", "Conflict").await;
    assert!(
        message(&bob).contains("is eligible as"),
        "{}",
        message(&bob)
    );
    assert_eq!(sent(&bed), Vec::<String>::new());

    // At another scope there is no such danger, and once the other is gone neither.
    eligible_role("sales").at(SALES_SCOPE).apply(&bed).await;
    bed.until_reason::<RoleEligibility>("sales", "Provisioned")
        .await;
    bed.advance(TimeDelta::minutes(10));
    admin
        .remove_role(Kind::Assignment, HELPDESK, "/", "alice@contoso.com")
        .unwrap();
    bed.advance(TimeDelta::minutes(20));
    bed.until_reason::<RoleEligibility>("alice", "Provisioned")
        .await;
    operator.stop().await;
}
