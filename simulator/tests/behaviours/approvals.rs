//! Approvals of activations: asked by one person, decided by another, closed to applications.

use pim_simulator::{Access, DelegatedToken, PolicyPatch, Window};
use reqwest::Method;
use serde_json::{Value, json};

use crate::bed::*;

const APPROVALS: &str = "/v1.0/identityGovernance/privilegedAccess/group/assignmentApprovals";
const GRACE: &str = "grace@contoso.com";

/// Alice is eligible, activation takes an approval by Bob or by a member of payments-approvers.
async fn asked() -> (Bed, Bed, String) {
    let bed = Bed::new().await;
    let admin = bed.simulator.admin();
    let patch = json!({"activation": {
        "approvalRequired": true, "approvers": ["bob@contoso.com", "payments-approvers"],
    }});
    let patch: PolicyPatch = serde_json::from_value(patch).unwrap();
    admin.set_policy(OPS, Access::Member, patch).unwrap();
    admin
        .assign(ELIGIBLE, OPS, ALICE, Access::Member, Window::days(30))
        .unwrap();
    let alice = bed.person(&DelegatedToken::of("alice@contoso.com"));
    let reply = alice
        .admin(
            ACTIVE,
            "selfActivate",
            json!({"scheduleInfo": lasting("PT1H")}),
        )
        .await;
    reply.is("PendingApproval");
    assert_eq!(reply.body["approvalId"], reply.body["id"]);
    let id = reply.text("id").to_owned();
    (bed, alice, id)
}

fn person(bed: &Bed, user: &str) -> Bed {
    bed.person(&DelegatedToken::of(user))
}

async fn decide(approver: &Bed, id: &str, result: &str) -> Reply {
    let path = format!("{APPROVALS}/{id}/stages/{id}");
    let body = json!({"reviewResult": result, "justification": "on the rota"});
    approver.send(Method::PATCH, &path, Some(body)).await
}

#[tokio::test]
async fn an_approver_named_or_in_a_group_decides_and_the_activation_begins() {
    for approver in ["bob@contoso.com", GRACE] {
        let (bed, alice, id) = asked().await;
        bed.advance(600);
        let reply = decide(&person(&bed, approver), &id, "Approve").await;
        assert_eq!(reply.status, 204);
        assert_eq!(bed.pim_rows(ACTIVE, "ScheduleInstances").await.len(), 1);
        let stage = alice
            .get(&format!("{APPROVALS}/{id}/stages/{id}"))
            .await
            .body;
        assert_eq!(
            (&stage["reviewResult"], &stage["status"]),
            (&json!("Approve"), &json!("Completed"))
        );
        assert_eq!(stage["justification"], "on the rota");
        assert!(stage["reviewedBy"]["displayName"].is_string());
        assert!(stage["reviewedDateTime"].is_string());
    }
}

#[tokio::test]
async fn a_denied_activation_comes_to_nothing() {
    let (bed, alice, id) = asked().await;
    assert_eq!(decide(&person(&bed, GRACE), &id, "Deny").await.status, 204);
    assert!(bed.pim_rows(ACTIVE, "Schedules").await.is_empty());
    assert_eq!(bed.simulator.requests().pop().unwrap().status, "Denied");
    let approval = alice.get(&format!("{APPROVALS}/{id}")).await;
    assert_eq!(approval.body["stages"][0]["reviewResult"], "Deny");
}

#[tokio::test]
async fn a_second_decision_is_409() {
    let (bed, _alice, id) = asked().await;
    assert_eq!(decide(&person(&bed, GRACE), &id, "Deny").await.status, 204);
    decide(&person(&bed, "bob@contoso.com"), &id, "Approve")
        .await
        .refused(409, "Conflict");
}

#[tokio::test]
async fn an_expired_request_cannot_be_decided() {
    let (bed, _alice, id) = asked().await;
    let token = DelegatedToken::of(GRACE);
    bed.advance(24 * 3600);
    decide(&bed.person(&token), &id, "Approve")
        .await
        .refused(409, "Conflict");
    let seen = bed.person(&token).get(&format!("{APPROVALS}/{id}")).await;
    assert_eq!(seen.body["stages"][0]["status"], "Expired");
}

#[tokio::test]
async fn only_approvers_decide_and_never_an_own_request() {
    let (bed, alice, id) = asked().await;
    let carol = person(&bed, "carol@contoso.com");
    decide(&carol, &id, "Approve")
        .await
        .refused(403, "UnauthorizedAccessException");
    carol
        .get(&format!("{APPROVALS}/{id}"))
        .await
        .refused(403, "UnauthorizedAccessException");
    bed.simulator
        .admin()
        .add_member(APPROVERS, ALICE, Access::Member)
        .unwrap();
    decide(&alice, &id, "Approve")
        .await
        .refused(403, "UnauthorizedAccessException");
    decide(&bed, &id, "Approve")
        .await
        .refused(403, "UnknownError");
    for path in [
        format!("{APPROVALS}/{id}"),
        format!("{APPROVALS}/filterByCurrentUser(on='approver')"),
    ] {
        bed.get(&path).await.refused(403, "UnknownError");
    }
    let reader = bed.person(&DelegatedToken {
        scopes: vec!["PrivilegedAssignmentSchedule.Read.AzureADGroup".to_owned()],
        ..DelegatedToken::of(GRACE)
    });
    decide(&reader, &id, "Approve")
        .await
        .refused(403, "UnknownError");
}

#[tokio::test]
async fn an_unknown_approval_or_stage_is_404_and_an_unknown_result_400() {
    let (bed, _alice, id) = asked().await;
    let grace = person(&bed, GRACE);
    decide(&grace, OPS, "Approve")
        .await
        .refused(404, "RoleAssignmentRequestNotFound");
    let stage = format!("{APPROVALS}/{id}/stages/{OPS}");
    let yes = || Some(json!({"reviewResult": "Approve", "justification": "x"}));
    grace
        .send(Method::PATCH, &stage, yes())
        .await
        .refused(404, "RoleAssignmentRequestNotFound");
    decide(&grace, &id, "Maybe")
        .await
        .refused(400, "InvalidRoleAssignmentRequest");
    let path = format!("{APPROVALS}/{id}/stages/{id}");
    let silent = Some(json!({"reviewResult": "Approve"}));
    grace
        .send(Method::PATCH, &path, silent)
        .await
        .refused(400, "BadRequest");
    let beta = format!("{}/{id}/steps/{id}", APPROVALS.replace("v1.0", "beta"));
    assert_eq!(grace.send(Method::PATCH, &beta, yes()).await.status, 204);
}

#[tokio::test]
async fn approvers_find_what_awaits_them() {
    let (bed, alice, id) = asked().await;
    let grace = person(&bed, GRACE);
    let approvals = format!("{APPROVALS}/filterByCurrentUser(on='approver')");
    let requests = format!(
        "{PIM}/assignmentScheduleRequests/filterByCurrentUser(on='approver')?$filter=status eq 'PendingApproval'"
    );
    let found = grace.get(&approvals).await;
    assert_eq!(found.items()[0]["id"], id);
    assert_eq!(found.items()[0]["stages"][0]["assignedToMe"], true);
    assert_eq!(grace.get(&requests).await.items()[0]["id"], id);
    for other in [
        &alice,
        &person(&bed, "carol@contoso.com"),
        &person(&bed, "lead@contoso.com"),
    ] {
        assert!(other.get(&approvals).await.items().is_empty());
        assert!(other.get(&requests).await.items().is_empty());
    }
    decide(&grace, &id, "Deny").await;
    assert!(grace.get(&requests).await.items().is_empty());
    let found = grace.get(&approvals).await;
    assert_eq!(found.items()[0]["stages"][0]["assignedToMe"], false);
    let none = alice.get(&format!("{APPROVALS}/{id}/stages")).await;
    assert_eq!(none.items()[0]["reviewResult"], Value::from("Deny"));
}
