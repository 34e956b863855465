//! What deleting a `PimPolicy` does: nothing, or what was found comes back.

use pim_operator::api::RESTORE_FINALIZER;
use serde_json::{Value, json};

use crate::support::{
    PAYMENTS_OPS, api, apply, bed, bound, delete, patches, rule, sabotage, start, status, until,
    until_gone, until_notes, until_reason,
};

fn restoring(further: &Value) -> Value {
    let mut spec = json!({
        "deletionPolicy": "Restore",
        "activation": {
            "maximumDuration": "PT2H",
            "require": ["MultiFactorAuthentication"],
            "approval": {"approvers": [{"userPrincipalName": "lead@contoso.com"}]},
        },
    });
    let spec_fields = spec.as_object_mut().unwrap();
    spec_fields.extend(further.as_object().unwrap().clone());
    spec
}

#[tokio::test(flavor = "multi_thread")]
async fn retained_rules_stay_and_no_finalizer_is_needed() {
    let bed = bed("retain", |_| {}).await;
    let operator = start(&bed).await;
    apply(
        &bed,
        "policy",
        json!({"activation": {"maximumDuration": "PT2H"}}),
    )
    .await;
    let object = until_reason(&bed, "policy", "Applied").await;
    assert_eq!(object.metadata.finalizers, None);
    delete(&bed, "policy").await;
    until_gone(&bed, "policy").await;
    assert_eq!(
        rule(&bed, "Expiration_EndUser_Assignment")["maximumDuration"],
        "PT2H"
    );
    assert_eq!(patches(&bed).len(), 1);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restored_rules_are_those_that_were_found_when_the_object_first_managed_them() {
    let bed = bed("restore", |_| {}).await;
    sabotage(
        &bed,
        &[json!({"id": "Expiration_EndUser_Assignment", "maximumDuration": "PT5H"})],
    );
    let operator = start(&bed).await;
    apply(&bed, "policy", restoring(&json!({}))).await;
    let object = until_reason(&bed, "policy", "Applied").await;
    assert_eq!(
        object.metadata.finalizers,
        Some(vec![RESTORE_FINALIZER.to_owned()])
    );
    let found = status(&object)
        .baseline
        .clone()
        .unwrap()
        .activation
        .unwrap();
    assert_eq!(found.maximum_duration.as_deref(), Some("PT5H"));
    // What is stated later is found later; what was found before stays.
    let more =
        json!({"notifications": {"activation": {"admin": {"notificationLevel": "Critical"}}}});
    apply(&bed, "policy", restoring(&more)).await;
    let object = until_reason(&bed, "policy", "Applied").await;
    let kept = status(&object).baseline.clone().unwrap();
    assert_eq!(kept.activation, Some(found));
    assert!(kept.notifications.is_some());
    delete(&bed, "policy").await;
    until_gone(&bed, "policy").await;
    assert_eq!(
        rule(&bed, "Expiration_EndUser_Assignment")["maximumDuration"],
        "PT5H"
    );
    assert_eq!(
        rule(&bed, "Enablement_EndUser_Assignment")["enabledRules"],
        json!(["Justification"])
    );
    assert_eq!(
        rule(&bed, "Approval_EndUser_Assignment")["setting"]["isApprovalRequired"],
        false
    );
    assert_eq!(
        rule(&bed, "Notification_Admin_EndUser_Assignment")["notificationLevel"],
        "All"
    );
    until_notes(&bed, "policy", "Restored", 1).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_below_the_floor_does_not_come_back() {
    let bed = bed("restore_floor", |_| {}).await;
    bound(
        &bed,
        json!({"policyFloor": {"maximumActivationDuration": "PT4H"}}),
    )
    .await;
    let operator = start(&bed).await;
    apply(&bed, "policy", restoring(&json!({}))).await;
    until_reason(&bed, "policy", "Applied").await;
    let sent = patches(&bed).len();
    delete(&bed, "policy").await;
    until_gone(&bed, "policy").await;
    let notes = until_notes(&bed, "policy", "RetainedOnDelete", 1).await;
    assert!(notes[0].contains("maximumActivationDuration"), "{notes:?}");
    assert_eq!(
        rule(&bed, "Expiration_EndUser_Assignment")["maximumDuration"],
        "PT2H"
    );
    assert_eq!(patches(&bed).len(), sent);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restoration_waits_while_the_object_is_suspended_and_can_be_abandoned() {
    use kube::api::{Patch, PatchParams};
    let bed = bed("restore_suspended", |_| {}).await;
    let operator = start(&bed).await;
    apply(&bed, "policy", restoring(&json!({}))).await;
    until_reason(&bed, "policy", "Applied").await;
    apply(&bed, "policy", restoring(&json!({"suspend": true}))).await;
    let object = until_reason(&bed, "policy", "Suspended").await;
    delete(&bed, "policy").await;
    until_reason(&bed, "policy", "Suspended").await;
    let uid = object.metadata.uid.unwrap();
    let patch = json!({"metadata": {"annotations": {"entrapim.dev/abandon": uid}}});
    let params = PatchParams::default();
    let abandoned = crate::support::api(&bed)
        .patch("policy", &params, &Patch::Merge(patch))
        .await;
    abandoned.unwrap();
    until_gone(&bed, "policy").await;
    assert_eq!(
        rule(&bed, "Expiration_EndUser_Assignment")["maximumDuration"],
        "PT2H"
    );
    let id = PAYMENTS_OPS;
    assert!(
        bed.simulator
            .group_policy(id, pim_simulator::Access::Member)
            .is_ok()
    );
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_somebody_else_wrote_neither_names_approvers_nor_comes_back() {
    use kube::api::{Patch, PatchParams};
    let bed = bed("forged", |_| {}).await;
    let operator = start(&bed).await;
    apply(&bed, "policy", restoring(&json!({}))).await;
    let object = until_reason(&bed, "policy", "Applied").await;
    operator.stop().await;
    let mallory = "0a110000-0000-4000-8000-00000000000b";
    let mut resolved = serde_json::to_value(&status(&object).resolved).unwrap();
    resolved["approvers"][0]["id"] = json!(mallory);
    let forged = json!({"status": {
        "resolved": resolved,
        "baseline": {"activation": {"maximumDuration": "P30D", "require": []}},
    }});
    let params = PatchParams::default();
    let written = api(&bed)
        .patch_status("policy", &params, &Patch::Merge(forged))
        .await;
    written.unwrap();
    let operator = start(&bed).await;
    // The name is looked up again, and what is in force now is what will come back.
    let object = until(&bed, "policy", "the approver by name", |object| {
        let resolved = object
            .status
            .as_ref()
            .and_then(|status| status.resolved.as_ref());
        resolved.is_some_and(|resolved| resolved.approvers[0].id.as_str() != mallory)
    })
    .await;
    let kept = status(&object)
        .baseline
        .clone()
        .unwrap()
        .activation
        .unwrap();
    assert_eq!(kept.maximum_duration.as_deref(), Some("PT2H"));
    let approval = rule(&bed, "Approval_EndUser_Assignment").to_string();
    assert!(!approval.contains(mallory), "{approval}");
    assert_eq!(patches(&bed).len(), 1);
    operator.stop().await;
}
