//! How manifests name roles, scopes and principals.

use pim_operator::api::role_grant::{RoleAssignment, RoleEligibility};
use pim_simulator::{GroupSeed, Kind};
use serde_json::json;

use crate::{
    ALICE, AUDITOR, DIRECTORY_READERS, HELPDESK, OfRole, SALES_SCOPE, active_role, bed,
    eligible_role, rows,
    support::{message, nudge, sent, start, status, until_stalled},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_named_by_id_or_by_a_name_in_any_case() {
    let bed = bed("names", |_| {}).await;
    let operator = start(&bed).await;
    eligible_role("by-id")
        .with("role", json!({"id": HELPDESK}))
        .apply(&bed)
        .await;
    eligible_role("by-name")
        .role("helpdesk administrator")
        .user("bob@contoso.com")
        .apply(&bed)
        .await;
    eligible_role("custom")
        .role("Group Membership Auditor")
        .user("erin@contoso.com")
        .apply(&bed)
        .await;
    let by_id: RoleEligibility = bed.until_reason("by-id", "Provisioned").await;
    assert!(message(&by_id).contains("Helpdesk Administrator"));
    bed.until_reason::<RoleEligibility>("by-name", "Provisioned")
        .await;
    let custom: RoleEligibility = bed.until_reason("custom", "Provisioned").await;
    let resolved = status(&custom).resolved.as_ref().unwrap();
    assert_eq!(resolved.role_id.as_ref().unwrap().as_str(), AUDITOR);

    eligible_role("unknown").role("Helpdesk").apply(&bed).await;
    let unknown: RoleEligibility = bed.until_reason("unknown", "TargetNotFound").await;
    assert_eq!(
        message(&unknown),
        "there is no role named \"Helpdesk\" in the tenant"
    );
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_moves_no_grant() {
    let bed = bed("rename", |_| {}).await;
    let operator = start(&bed).await;
    eligible_role("alice").apply(&bed).await;
    bed.until_reason::<RoleEligibility>("alice", "Provisioned")
        .await;
    let admin = bed.simulator.admin();
    admin
        .rename_role(HELPDESK, "Support Administrator")
        .unwrap();
    admin
        .rename_role(DIRECTORY_READERS, "Helpdesk Administrator")
        .unwrap();
    operator.stop().await;

    let operator = start(&bed).await;
    nudge::<RoleEligibility>(&bed, "alice").await;
    eligible_role("alice").lasting("P10D").apply(&bed).await;
    bed.eventually("the edit", || async { sent(&bed).len() == 2 })
        .await;
    bed.until_reason::<RoleEligibility>("alice", "Provisioned")
        .await;
    assert_eq!(rows(&bed, Kind::Eligibility, HELPDESK, ALICE).len(), 1);
    assert_eq!(
        rows(&bed, Kind::Eligibility, DIRECTORY_READERS, ALICE),
        vec![]
    );
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrative_unit_is_named_by_id_by_name_or_by_its_scope() {
    let bed = bed("units", |_| {}).await;
    let operator = start(&bed).await;
    let name = json!({"displayName": "Sales EMEA"});
    eligible_role("by-name")
        .with("administrativeUnit", name)
        .apply(&bed)
        .await;
    let id = json!({"id": crate::SALES});
    eligible_role("by-id")
        .with("administrativeUnit", id)
        .user("bob@contoso.com")
        .apply(&bed)
        .await;
    eligible_role("by-scope")
        .at(SALES_SCOPE)
        .user("erin@contoso.com")
        .apply(&bed)
        .await;
    for name in ["by-name", "by-id", "by-scope"] {
        let object: RoleEligibility = bed.until_reason(name, "Provisioned").await;
        let resolved = status(&object).resolved.as_ref().unwrap();
        assert_eq!(resolved.directory_scope_id.as_deref(), Some(SALES_SCOPE));
        assert_eq!(resolved.scope_name.as_deref(), Some("Sales EMEA"));
    }
    eligible_role("nowhere")
        .with("administrativeUnit", json!({"displayName": "Sales"}))
        .apply(&bed)
        .await;
    let nowhere: RoleEligibility = bed.until_reason("nowhere", "TargetNotFound").await;
    assert_eq!(
        message(&nowhere),
        "there is no administrative unit named \"Sales\" in the tenant"
    );
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_principal_gets_active_roles_and_no_eligible_ones() {
    let bed = bed("service_principal", |_| {}).await;
    let operator = start(&bed).await;
    let by_application = json!({"servicePrincipalAppId": "5e4f1ce0-0000-4000-8000-00000000a001"});
    active_role("deployer")
        .with("role", json!({"id": DIRECTORY_READERS}))
        .with("principal", by_application.clone())
        .apply(&bed)
        .await;
    bed.until_reason::<RoleAssignment>("deployer", "Provisioned")
        .await;
    let refused = bed
        .apply(
            &eligible_role("by-application")
                .with("principal", by_application)
                .to_string(),
        )
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("Write a RoleAssignment"),
        "{refused}"
    );
    // What the API server cannot see, the condition says.
    eligible_role("by-id")
        .with(
            "principal",
            json!({"id": "5e4f1ce0-0000-4000-8000-000000000002"}),
        )
        .apply(&bed)
        .await;
    let by_id: RoleEligibility = until_stalled(&bed, "by-id", "InvalidSpec").await;
    assert!(
        message(&by_id).contains("write a RoleAssignment"),
        "{}",
        message(&by_id)
    );
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_gets_a_role_only_if_it_may_hold_roles() {
    let bed = bed("group", |_| {}).await;
    let operator = start(&bed).await;
    let principal = |name: &str| json!({"groupDisplayName": name});
    eligible_role("assignable")
        .with("principal", principal("helpdesk-emea"))
        .apply(&bed)
        .await;
    bed.until_reason::<RoleEligibility>("assignable", "Provisioned")
        .await;
    eligible_role("plain")
        .with("principal", principal("payments-approvers"))
        .apply(&bed)
        .await;
    let plain: RoleEligibility = until_stalled(&bed, "plain", "InvalidSpec").await;
    assert!(
        message(&plain).contains("isAssignableToRole"),
        "{}",
        message(&plain)
    );
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_principal_that_is_deleted_lets_its_objects_go() {
    let bed = bed("deleted_principal", |_| {}).await;
    let operator = start(&bed).await;
    let group = GroupSeed {
        display_name: "short-lived".to_owned(),
        is_assignable_to_role: true,
        ..GroupSeed::default()
    };
    bed.simulator.admin().add_group(group).unwrap();
    bed.advance(chrono::TimeDelta::minutes(10));
    eligible_role("short-lived")
        .with("principal", json!({"groupDisplayName": "short-lived"}))
        .apply(&bed)
        .await;
    bed.until_reason::<RoleEligibility>("short-lived", "Provisioned")
        .await;
    bed.simulator.admin().remove_group("short-lived").unwrap();
    bed.delete::<RoleEligibility>("short-lived").await.unwrap();
    bed.until_gone::<RoleEligibility>("short-lived").await;
    operator.stop().await;
}
