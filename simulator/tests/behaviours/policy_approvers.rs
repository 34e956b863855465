//! Approvers in a policy: their shapes, their names, and what is taken without a look.

use pim_simulator::RoleApprovers;
use reqwest::Method;
use serde_json::{Value, json};

use crate::bed::*;
use crate::policy_bed::*;

#[tokio::test]
async fn an_approval_needs_an_approver() {
    let bed = Bed::unlogged().await;
    let policy = member_policy(&bed).await;
    for change in [
        approval(true, json!([])),
        rule(
            "Approval_EndUser_Assignment",
            json!({"setting": {"isApprovalRequired": true}}),
        ),
        rule(
            "Approval_EndUser_Assignment",
            json!({"setting": {"isApprovalRequired": true, "approvalStages": [{}]}}),
        ),
    ] {
        patch_rule(&bed, &policy, change)
            .await
            .refused(400, "InvalidPolicy");
    }
    for id in [json!(""), Value::Null, json!("alice@contoso.com")] {
        let approver = json!({"@odata.type": "#microsoft.graph.singleUser", "userId": id});
        patch_rule(&bed, &policy, approval(true, json!([approver])))
            .await
            .refused(400, "FormatException");
    }
    let role = policy_id(&bed, &of_role(READER)).await;
    patch_rule(&bed, &role, approval(true, json!([])))
        .await
        .refused(400, "InvalidPolicy");
    bed.simulator
        .set_behaviour(|behaviour| behaviour.role_approvers = RoleApprovers::Optional);
    assert_eq!(
        patch_rule(&bed, &role, approval(true, json!([])))
            .await
            .status,
        204
    );
    patch_rule(&bed, &policy, approval(true, json!([])))
        .await
        .refused(400, "InvalidPolicy");
}

#[tokio::test]
async fn approvers_are_named_by_graph_and_stay_when_approval_is_off() {
    let bed = Bed::new().await;
    let policy = member_policy(&bed).await;
    let group = json!({"@odata.type": "#microsoft.graph.groupMembers", "groupId": APPROVERS});
    let change = approval(true, json!([user(BOB), group]));
    assert_eq!(patch_rule(&bed, &policy, change).await.status, 204);
    let path = |version: &str| {
        format!(
            "/{version}/policies/roleManagementPolicies/{policy}/rules/Approval_EndUser_Assignment"
        )
    };
    let shown =
        |reply: &Reply| reply.body["setting"]["approvalStages"][0]["primaryApprovers"].clone();
    let v1 = shown(&bed.get(&path("v1.0")).await);
    let expected = json!([
        {"@odata.type": "#microsoft.graph.singleUser", "description": "Bob", "userId": BOB},
        {"@odata.type": "#microsoft.graph.groupMembers", "description": "payments-approvers", "groupId": APPROVERS},
    ]);
    assert_eq!(v1, expected);
    let beta = shown(&bed.get(&path("beta")).await);
    assert_eq!(beta[0]["id"], BOB);
    assert!(beta[0]["userId"].is_null());
    // What was read can be sent back.
    assert_eq!(
        patch_rule(&bed, &policy, approval(true, v1)).await.status,
        204
    );

    let off = rule(
        "Approval_EndUser_Assignment",
        json!({"setting": {"isApprovalRequired": false}}),
    );
    assert_eq!(patch_rule(&bed, &policy, off).await.status, 204);
    let kept = shown(&bed.get(&path("v1.0")).await);
    assert_eq!(
        (&kept[0]["userId"], &kept[0]["description"]),
        (&json!(BOB), &json!(""))
    );
    let on = rule(
        "Approval_EndUser_Assignment",
        json!({"setting": {"isApprovalRequired": true}}),
    );
    assert_eq!(patch_rule(&bed, &policy, on).await.status, 204);
    assert_eq!(shown(&bed.get(&path("v1.0")).await), expected);
}

#[tokio::test]
async fn approvers_may_be_nobody_and_come_in_the_shape_of_either_version() {
    let bed = Bed::unlogged().await;
    let policy = member_policy(&bed).await;
    let nobody = "00000000-0000-4000-8000-0000000000ff";
    let documented = json!({
        "@odata.type": "#microsoft.graph.singleUser",
        "isBackup": false, "id": nobody, "description": null,
    });
    let change = approval(true, json!([documented]));
    assert_eq!(patch_rule(&bed, &policy, change.clone()).await.status, 204);
    let rules = rules(&bed, &policy).await;
    let stage = &find(&rules, "Approval_EndUser_Assignment")["setting"]["approvalStages"][0];
    assert_eq!(stage["primaryApprovers"][0]["userId"], nobody);
    let beta = format!("/beta/policies/roleManagementPolicies/{policy}");
    let body = |change: Value| Some(json!({"rules": [change]}));
    assert_eq!(
        bed.send(Method::PATCH, &beta, body(change)).await.status,
        200
    );
    let v1 = approval(true, json!([user(BOB)]));
    bed.send(Method::PATCH, &beta, body(v1))
        .await
        .refused(400, "BadRequest");
}

#[tokio::test]
async fn escalation_approvers_are_taken_and_forgotten() {
    let bed = Bed::new().await;
    let policy = member_policy(&bed).await;
    let mut change = approval(true, json!([user(BOB)]));
    change["setting"]["approvalStages"][0]["escalationApprovers"] = json!([user(ALICE)]);
    assert_eq!(patch_rule(&bed, &policy, change).await.status, 204);
    let rules = rules(&bed, &policy).await;
    let stage = &find(&rules, "Approval_EndUser_Assignment")["setting"]["approvalStages"][0];
    assert_eq!(stage["escalationApprovers"], json!([]));
}
