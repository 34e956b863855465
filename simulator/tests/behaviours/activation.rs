//! What eligible people do.

use pim_simulator::{Access, Behaviour, DelegatedToken, Window};
use serde_json::{Value, json};

use crate::bed::*;

async fn eligible_alice() -> (Bed, Bed) {
    let bed = Bed::new().await;
    bed.simulator
        .admin()
        .assign(ELIGIBLE, OPS, ALICE, Access::Member, Window::days(30))
        .unwrap();
    let alice = bed.person(&DelegatedToken::of("alice@contoso.com"));
    (bed, alice)
}

fn hours(length: &str) -> Value {
    json!({"scheduleInfo": lasting(length)})
}

#[tokio::test]
async fn activation_adds_an_activated_row_and_leaves_the_eligible_one() {
    let (bed, alice) = eligible_alice().await;
    let reply = alice.admin(ACTIVE, "selfActivate", hours("PT2H")).await;
    reply.is("Provisioned");
    assert!(reply.body["approvalId"].is_null());
    let path = format!(
        "{PIM}/assignmentSchedules?$filter=principalId eq '{ALICE}'&$expand=activatedUsing"
    );
    let rows = bed.get(&path).await;
    let row = &rows.items()[0];
    assert_eq!(
        (&row["assignmentType"], &row["memberType"]),
        (&json!("activated"), &json!("direct"))
    );
    let eligible = bed.pim_rows(ELIGIBLE, "Schedules").await;
    assert_eq!(row["activatedUsing"]["id"], eligible[0]["id"]);
    let members = format!("/v1.0/groups/{OPS}/members");
    assert_eq!(bed.get(&members).await.items()[0]["id"], ALICE);
}

#[tokio::test]
async fn activation_again_answers_role_assignment_exists_around_a_directory_error() {
    let (_bed, alice) = eligible_alice().await;
    alice
        .admin(ACTIVE, "selfActivate", hours("PT2H"))
        .await
        .is("Provisioned");
    let again = alice.admin(ACTIVE, "selfActivate", hours("PT2H")).await;
    again.refused(400, "RoleAssignmentExists");
    assert!(
        again
            .message()
            .contains("added object references already exist")
    );
}

#[tokio::test]
async fn activation_without_eligibility_fails_the_eligibility_rule() {
    let bed = Bed::new().await;
    let bob = bed.person(&DelegatedToken::of("bob@contoso.com"));
    let reply = bob
        .admin(
            ACTIVE,
            "selfActivate",
            json!({"principalId": BOB, "scheduleInfo": lasting("PT1H")}),
        )
        .await;
    reply.refused(400, "RoleAssignmentRequestPolicyValidationFailed");
    assert!(reply.message().contains("EligibilityRule"));
}

#[tokio::test]
async fn activation_is_limited_by_the_policy() {
    let (_bed, alice) = eligible_alice().await;
    let reply = alice.admin(ACTIVE, "selfActivate", hours("PT9H")).await;
    reply.refused(400, "RoleAssignmentRequestPolicyValidationFailed");
    assert!(reply.message().contains("ExpirationRule"));
    let silent = json!({"scheduleInfo": lasting("PT1H"), "justification": null});
    let reply = alice.admin(ACTIVE, "selfActivate", silent).await;
    assert!(reply.message().contains("JustificationRule"));
}

#[tokio::test]
async fn an_application_or_another_person_cannot_activate_for_somebody() {
    let (bed, _alice) = eligible_alice().await;
    bed.admin(ACTIVE, "selfActivate", hours("PT1H"))
        .await
        .refused(403, "UnauthorizedAccessException");
    let bob = bed.person(&DelegatedToken::of("bob@contoso.com"));
    bob.admin(ACTIVE, "selfActivate", hours("PT1H"))
        .await
        .refused(403, "UnauthorizedAccessException");
    bob.admin(ELIGIBLE, "adminAssign", none())
        .await
        .refused(403, "UnauthorizedAccessException");
}

#[tokio::test]
async fn deactivation_waits_five_minutes_and_answers_404_the_second_time() {
    let (_bed, alice) = eligible_alice().await;
    alice
        .admin(ACTIVE, "selfActivate", hours("PT1H"))
        .await
        .is("Provisioned");
    alice
        .admin(ACTIVE, "selfDeactivate", none())
        .await
        .refused(400, "ActiveDurationTooShort");
    alice.advance(301);
    alice
        .admin(ACTIVE, "selfDeactivate", none())
        .await
        .is("Revoked");
    alice
        .admin(ACTIVE, "selfDeactivate", none())
        .await
        .refused(404, "RoleAssignmentDoesNotExist");
    alice
        .admin(ACTIVE, "selfActivate", hours("PT1H"))
        .await
        .is("Provisioned");
}

#[tokio::test]
async fn deactivation_again_while_the_list_lags_answers_bad_request() {
    let (bed, alice) = eligible_alice().await;
    bed.simulator
        .set_behaviour(|b: &mut Behaviour| b.removal_lag = std::time::Duration::from_secs(30));
    alice
        .admin(ACTIVE, "selfActivate", hours("PT1H"))
        .await
        .is("Provisioned");
    alice.advance(301);
    alice
        .admin(ACTIVE, "selfDeactivate", none())
        .await
        .is("Revoked");
    alice
        .admin(ACTIVE, "selfDeactivate", none())
        .await
        .refused(400, "BadRequest");
    alice.advance(31);
    alice
        .admin(ACTIVE, "selfDeactivate", none())
        .await
        .refused(404, "RoleAssignmentDoesNotExist");
}

#[tokio::test]
async fn an_admin_removal_with_only_an_activated_row_ends_the_activation() {
    let (bed, alice) = eligible_alice().await;
    alice
        .admin(ACTIVE, "selfActivate", hours("PT1H"))
        .await
        .is("Provisioned");
    bed.admin(ACTIVE, "adminUpdate", none())
        .await
        .refused(400, "RoleAssignmentDoesNotExist");
    bed.admin(ACTIVE, "adminAssign", none())
        .await
        .refused(400, "RoleAssignmentExists");
    bed.advance(301);
    bed.admin(ACTIVE, "adminRemove", none()).await.is("Revoked");
    assert!(bed.pim_rows(ACTIVE, "Schedules").await.is_empty());
}

#[tokio::test]
async fn activation_with_approval_is_pending_and_its_clock_starts_at_the_approval() {
    let (bed, alice) = eligible_alice().await;
    let patch = serde_json::from_value(json!({"activation": {"approvalRequired": true}})).unwrap();
    bed.simulator
        .admin()
        .set_policy(OPS, Access::Member, patch)
        .unwrap();
    let reply = alice.admin(ACTIVE, "selfActivate", hours("PT1H")).await;
    reply.is("PendingApproval");
    assert_eq!(reply.body["approvalId"], reply.body["id"]);
    alice
        .admin(ACTIVE, "selfActivate", hours("PT1H"))
        .await
        .refused(400, "PendingRoleAssignmentRequest");
    let approval = format!("{PIM}/assignmentApprovals/{}", reply.text("id"));
    let seen = alice.get(&approval).await;
    assert_eq!(seen.body["stages"][0]["reviewResult"], "NotReviewed");
    assert_eq!(seen.body["stages"][0]["id"], reply.body["id"]);
    alice.advance(1800);
    bed.simulator.admin().approve(reply.text("id")).unwrap();
    let row = &bed.pim_rows(ACTIVE, "ScheduleInstances").await[0];
    assert!(row["startDateTime"].as_str().unwrap() >= bed.at(0).trim_end_matches('Z'));
    assert_eq!(
        alice.get(&approval).await.body["stages"][0]["reviewResult"],
        "Approve"
    );
}

#[tokio::test]
async fn an_approval_that_nobody_decides_fails_after_24_hours() {
    let (bed, alice) = eligible_alice().await;
    let patch = serde_json::from_value(json!({"activation": {"approvalRequired": true}})).unwrap();
    bed.simulator
        .admin()
        .set_policy(OPS, Access::Member, patch)
        .unwrap();
    alice
        .admin(ACTIVE, "selfActivate", hours("PT1H"))
        .await
        .is("PendingApproval");
    bed.advance(24 * 3600);
    assert_eq!(bed.simulator.requests().pop().unwrap().status, "Failed");
}

#[tokio::test]
async fn approvals_are_closed_to_applications() {
    let (bed, alice) = eligible_alice().await;
    let reply = alice.admin(ACTIVE, "selfActivate", hours("PT1H")).await;
    let path = format!("{PIM}/assignmentApprovals/{}", reply.text("id"));
    bed.get(&path).await.refused(403, "UnknownError");
}

#[tokio::test]
async fn a_missing_authentication_context_is_answered_with_a_claims_challenge() {
    let (bed, alice) = eligible_alice().await;
    let patch = json!({"activation": {"authenticationContext": "c1"}});
    let patch = serde_json::from_value(patch).unwrap();
    bed.simulator
        .admin()
        .set_policy(OPS, Access::Member, patch)
        .unwrap();
    let reply = alice.admin(ACTIVE, "selfActivate", hours("PT1H")).await;
    reply.refused(400, "RoleAssignmentRequestAcrsValidationFailed");
    assert!(reply.message().contains("&claims=%7B"));
    let stepped_up = DelegatedToken {
        acrs: vec!["c1".to_owned()],
        ..DelegatedToken::of("alice@contoso.com")
    };
    bed.person(&stepped_up)
        .admin(ACTIVE, "selfActivate", hours("PT1H"))
        .await
        .is("Provisioned");
}

#[tokio::test]
async fn asking_for_an_extension_waits_for_an_administrator() {
    let (_bed, alice) = eligible_alice().await;
    alice
        .admin(ELIGIBLE, "selfExtend", none())
        .await
        .is("PendingAdminDecision");
}

#[tokio::test]
async fn current_user_lists_own_direct_rows_and_is_closed_to_applications() {
    let (bed, alice) = eligible_alice().await;
    bed.simulator
        .admin()
        .add_member(APPROVERS, ALICE, Access::Member)
        .unwrap();
    bed.simulator
        .admin()
        .assign(ELIGIBLE, OPS, APPROVERS, Access::Member, Window::days(3))
        .unwrap();
    let path = format!("{PIM}/eligibilitySchedules/filterByCurrentUser(on='principal')");
    let reply = alice.get(&path).await;
    assert_eq!(reply.items().len(), 1, "rows through a group are left out");
    let context = reply.text("@odata.context");
    assert!(context.ends_with("$metadata#Collection(privilegedAccessGroupEligibilitySchedule)"));
    bed.get(&path)
        .await
        .refused(403, "UnauthorizedAccessException");
    let approver = format!("{PIM}/eligibilitySchedules/filterByCurrentUser(on='approver')");
    alice.get(&approver).await.refused(400, "BadRequest");
}
