//! What Entra refuses of roles, or accepts and never does.

use chrono::TimeDelta;
use pim_operator::{
    api::role_grant::{RoleAssignment, RoleEligibility},
    pim::boundary::Lift,
};
use pim_simulator::{Fault, Kind, Window};
use serde_json::json;

use crate::{
    ALICE, GLOBAL_ADMINISTRATOR, HELPDESK, OfRole, active_role, bed, eligible_role, rows,
    support::{message, nudge, refusal, sent, start, until_sent, until_stalled, write_fault},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_last_global_administrator_stays_and_the_object_says_why() {
    let bed = bed("last_admin", |_| {}).await;
    let mut operator = bed.controller(bed.client.clone());
    let lift: Lift = format!("role:{GLOBAL_ADMINISTRATOR}").parse().unwrap();
    operator.lifted = vec![lift];
    let operator = pim_harness::Operator::start(operator);
    bed.until_tenant("Connected").await;
    active_role("alice")
        .with("role", json!({"id": GLOBAL_ADMINISTRATOR}))
        .permanent()
        .apply(&bed)
        .await;
    bed.until_reason::<RoleAssignment>("alice", "Provisioned")
        .await;
    bed.advance(TimeDelta::minutes(10));
    // Nobody else is left: the story's other administrators go.
    let admin = bed.simulator.admin();
    for other in ["lead@contoso.com", "break-glass@contoso.com"] {
        admin
            .remove_role(Kind::Assignment, GLOBAL_ADMINISTRATOR, "/", other)
            .unwrap();
    }
    bed.delete::<RoleAssignment>("alice").await.unwrap();
    let alice: RoleAssignment = until_stalled(&bed, "alice", "RequestFailed").await;
    assert!(
        message(&alice).contains("which nobody else holds: give it to somebody else first"),
        "{}",
        message(&alice)
    );
    let posts = sent(&bed).len();
    bed.advance(TimeDelta::minutes(30));
    nudge_other(&bed).await;
    assert_eq!(
        sent(&bed).len(),
        posts + 1,
        "no removal is tried for an hour"
    );
    // With another one, it goes.
    admin
        .assign_role(
            Kind::Assignment,
            GLOBAL_ADMINISTRATOR,
            "/",
            "lead@contoso.com",
            Window::permanent(),
        )
        .unwrap();
    nudge::<RoleAssignment>(&bed, "alice").await;
    bed.until_gone::<RoleAssignment>("alice").await;
    assert_eq!(
        rows(&bed, Kind::Assignment, GLOBAL_ADMINISTRATOR, ALICE),
        vec![]
    );
    operator.stop().await;
}

/// Something else that the operator does, so that it is known to have looked.
async fn nudge_other(bed: &pim_harness::Bed) {
    eligible_role("other")
        .user("erin@contoso.com")
        .apply(bed)
        .await;
    bed.until_reason::<RoleEligibility>("other", "Provisioned")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_entra_takes_and_never_carries_out_is_asked_for_once_and_withdrawn_with_its_object()
 {
    let bed = bed("stuck", |_| {}).await;
    let operator = start(&bed).await;
    bed.simulator.faults().add(
        Fault::new(pim_simulator::FaultKind::Status {
            status: 201,
            body: Some(json!({
                "id": "0000aaaa-0000-4000-8000-000000000001", "status": "Granted", "action": "adminAssign",
                "principalId": ALICE, "roleDefinitionId": HELPDESK, "directoryScopeId": "/",
                "targetScheduleId": "0000aaaa-0000-4000-8000-000000000001",
            })),
            retry_after_seconds: None,
        })
        .method("POST")
        .path("roleEligibilityScheduleRequests")
        .times(1),
    );
    eligible_role("alice").apply(&bed).await;
    until_sent(&bed, 1).await;
    for _ in 0..8 {
        bed.advance(TimeDelta::minutes(1));
        tokio::task::yield_now().await;
    }
    let alice: RoleEligibility = until_stalled(&bed, "alice", "PendingProvisioning").await;
    assert!(
        message(&alice).contains("does not carry it out (Granted)"),
        "{}",
        message(&alice)
    );
    bed.advance(TimeDelta::minutes(50));
    nudge_other(&bed).await;
    assert_eq!(
        sent(&bed),
        ["adminAssign", "adminAssign"],
        "asked for once, and the other"
    );

    bed.delete::<RoleEligibility>("alice").await.unwrap();
    until_sent(&bed, 3).await;
    assert_eq!(sent(&bed).last().unwrap(), "cancel");
    // The simulator does not know the request, and refuses: then it is gone all the same.
    for _ in 0..20 {
        bed.advance(TimeDelta::seconds(20));
        tokio::task::yield_now().await;
    }
    bed.until_gone::<RoleEligibility>("alice").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_only_comes_through_others_is_told_apart() {
    let bed = bed("inherited", |_| {}).await;
    let operator = start(&bed).await;
    let exists = refusal(
        400,
        "RoleAssignmentExists",
        "The Role assignment already exists.",
    );
    bed.simulator.faults().add(write_fault(exists).times(1));
    active_role("alice").apply(&bed).await;
    until_sent(&bed, 1).await;
    let alice: RoleAssignment = bed.until_reason("alice", "AwaitingReplication").await;
    assert!(
        message(&alice).contains("it comes through a group or from outside PIM"),
        "{}",
        message(&alice)
    );
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_held_through_a_group_is_neither_adopted_nor_removed() {
    let bed = bed("through_a_group", |_| {}).await;
    let operator = start(&bed).await;
    // Judy is in helpdesk-emea, which holds the role in Sales EMEA.
    let judy = "10d10000-0000-4000-8000-00000000000c";
    active_role("judy")
        .at(crate::SALES_SCOPE)
        .user("judy@contoso.com")
        .apply(&bed)
        .await;
    bed.until_reason::<RoleAssignment>("judy", "Provisioned")
        .await;
    assert_eq!(sent(&bed), ["adminAssign"]);
    bed.advance(TimeDelta::minutes(6));
    bed.delete::<RoleAssignment>("judy").await.unwrap();
    bed.until_gone::<RoleAssignment>("judy").await;
    assert_eq!(rows(&bed, Kind::Assignment, HELPDESK, judy), vec![]);
    let group = bed.simulator.role_schedules(Kind::Assignment);
    assert!(
        group.iter().any(|row| row.role_definition_id == HELPDESK),
        "{group:?}"
    );
    operator.stop().await;
}
