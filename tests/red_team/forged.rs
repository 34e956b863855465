//! Marks that anybody may set who may edit an object: status, annotations, finalizers, owner references.

use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use pim_harness::Bed;
use pim_operator::api::group_grant::{GroupAssignment, GroupEligibility};
use pim_simulator::{Access, Kind, Window};
use serde_json::{Value, json};

use crate::{
    ALICE, APPROVERS, OPS, boundaries, denied, fenced,
    support::{active, annotate, eligible, message, near, nudge, row, rows, sent, start},
    until_denied,
};

async fn write_status(bed: &Bed, name: &str, status: Value) {
    let patch = json!({"status": status});
    bed.api::<GroupEligibility>()
        .patch_status(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
}

async fn patch(bed: &Bed, name: &str, patch: Value) {
    bed.api::<GroupEligibility>()
        .patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
}

/// A status that claims Frank's grant in payments-approvers for an object.
fn claims_franks(bed: &Bed) -> Value {
    json!({
        "observedGeneration": 1,
        "resolved": {
            "tenantId": pim_harness::bed::TENANT_ID, "groupId": APPROVERS, "principalId": "f4a20000-0000-4000-8000-000000000006",
            "targetName": "payments-ops", "principalName": "alice@contoso.com", "principalKind": "User",
        },
        "schedule": {
            "id": "x", "status": "Provisioned", "startDateTime": crate::support::text(bed.now()), "expires": "never",
            "declared": {"expiration": {"type": "noExpiration"}},
        },
        "createdVia": "Operator",
        "authorizedBy": {"name": bed.namespace, "uid": "forged", "generation": 1},
        "conditions": [{
            "type": "Authorized", "status": "True", "reason": "Allowed", "message": "forged",
            "lastTransitionTime": crate::support::text(bed.now()),
        }],
    })
}

fn franks_grant(bed: &Bed) {
    bed.simulator
        .admin()
        .assign(
            Kind::Eligibility,
            APPROVERS,
            "frank@contoso.com",
            Access::Member,
            Window::days(30),
        )
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_claims_somebody_elses_grant_and_a_deletion() {
    let (bed, operator) = fenced("claimed_deletion").await;
    operator.stop().await;
    franks_grant(&bed);
    eligible("alice").permanent().apply(&bed).await;
    write_status(&bed, "alice", claims_franks(&bed)).await;
    patch(
        &bed,
        "alice",
        json!({"metadata": {"finalizers": ["entrapim.dev/revoke"]}}),
    )
    .await;
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    let operator = start(&bed).await;
    let alice: GroupEligibility = bed.until_reason("alice", "BoundaryDenied").await;
    assert!(
        message(&alice).contains("does not carry the operator's seal"),
        "{}",
        message(&alice)
    );
    assert_eq!(rows(&bed, Kind::Eligibility, "frank").len(), 1);
    assert!(sent(&bed).is_empty());
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_names_another_group_than_the_spec() {
    let (bed, operator) = fenced("claimed_group").await;
    operator.stop().await;
    eligible("alice").apply(&bed).await;
    let mut status = claims_franks(&bed);
    status["createdVia"] = Value::Null;
    status["schedule"] = Value::Null;
    write_status(&bed, "alice", status).await;
    let operator = start(&bed).await;
    denied::<GroupEligibility>(&bed, "alice", APPROVERS).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_names_another_group_than_the_id_in_the_spec() {
    let (bed, operator) = fenced("claimed_group_id").await;
    operator.stop().await;
    eligible("alice")
        .with("group", json!({"id": OPS}))
        .with("principal", json!({"id": ALICE}))
        .apply(&bed)
        .await;
    let mut status = claims_franks(&bed);
    status["createdVia"] = Value::Null;
    status["schedule"] = Value::Null;
    write_status(&bed, "alice", status).await;
    let operator = start(&bed).await;
    // What the spec names by id is what counts.
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert_eq!(row(&bed, Kind::Eligibility, "alice").group_id, OPS);
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_says_authorized() {
    let (bed, operator) = fenced("authorized").await;
    eligible("alice")
        .group("payments-approvers")
        .apply(&bed)
        .await;
    until_denied::<GroupEligibility>(&bed, "alice").await;
    let uid = boundaries(&bed)
        .get(&bed.namespace)
        .await
        .unwrap()
        .metadata
        .uid;
    let forged = json!({
        "authorizedBy": {"name": bed.namespace, "uid": uid, "generation": 1},
        "conditions": [{
            "type": "Authorized", "status": "True", "reason": "Allowed", "message": "forged",
            "lastTransitionTime": crate::support::text(bed.now()),
        }],
    });
    write_status(&bed, "alice", forged).await;
    nudge::<GroupEligibility>(&bed, "alice").await;
    denied::<GroupEligibility>(&bed, "alice", "its `groups` lack").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_whose_window_ends_later_than_the_boundary_allows() {
    let (bed, operator) = fenced("window").await;
    eligible("alice").lasting("P90D").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    let end = row(&bed, Kind::Eligibility, "alice").end.unwrap();
    write_status(&bed, "alice", json!({"schedule": {"endDateTime": "2099-01-01T00:00:00Z", "expires": "2099-01-01T00:00:00Z"}})).await;
    nudge::<GroupEligibility>(&bed, "alice").await;
    until_denied::<GroupEligibility>(&bed, "alice").await;
    assert!(near(row(&bed, Kind::Eligibility, "alice").end, end));
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seal_copied_from_another_object() {
    let (bed, operator) = fenced("copied_seal").await;
    eligible("bob").user("bob@contoso.com").apply(&bed).await;
    let bob: GroupEligibility = bed
        .until("bob", "a seal", |status| status.seal.is_some())
        .await;
    operator.stop().await;
    franks_grant(&bed);
    eligible("alice").permanent().apply(&bed).await;
    let mut status = claims_franks(&bed);
    status["seal"] = json!(bob.status.unwrap().seal);
    write_status(&bed, "alice", status).await;
    patch(
        &bed,
        "alice",
        json!({"metadata": {"finalizers": ["entrapim.dev/revoke"]}}),
    )
    .await;
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    let operator = start(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "BoundaryDenied")
        .await;
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finalizer_set_by_hand_on_a_grant_that_never_was() {
    let (bed, operator) = fenced("finalizer").await;
    eligible("alice")
        .group("payments-approvers")
        .apply(&bed)
        .await;
    until_denied::<GroupEligibility>(&bed, "alice").await;
    patch(
        &bed,
        "alice",
        json!({"metadata": {"finalizers": ["entrapim.dev/revoke"]}}),
    )
    .await;
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    bed.until_gone::<GroupEligibility>("alice").await;
    assert!(sent(&bed).is_empty());
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandonment_with_another_value_than_the_uid() {
    let (bed, operator) = fenced("abandon").await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    annotate::<GroupEligibility>(&bed, "alice", "entrapim.dev/abandon", "true").await;
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    bed.until_gone::<GroupEligibility>("alice").await;
    assert!(rows(&bed, Kind::Eligibility, "alice").is_empty());
    assert_eq!(sent(&bed), ["adminAssign", "adminRemove"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconcile_asked_for_again_and_again() {
    let (bed, operator) = fenced("nudges").await;
    eligible("alice")
        .group("payments-approvers")
        .apply(&bed)
        .await;
    until_denied::<GroupEligibility>(&bed, "alice").await;
    for number in 0..5 {
        annotate::<GroupEligibility>(
            &bed,
            "alice",
            "entrapim.dev/requestedAt",
            &number.to_string(),
        )
        .await;
    }
    denied::<GroupEligibility>(&bed, "alice", "its `groups` lack").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_reference_to_the_boundary_itself() {
    let (bed, operator) = fenced("owner_reference").await;
    let boundary = boundaries(&bed).get(&bed.namespace).await.unwrap();
    let manifest: Value = serde_json::from_str(
        &eligible("alice")
            .group("payments-approvers")
            .to_string()
            .replace("{tenant}", &bed.tenant),
    )
    .unwrap();
    let mut object: GroupEligibility = serde_json::from_value(manifest).unwrap();
    object.metadata.owner_references = serde_json::from_value(json!([{
        "apiVersion": "entrapim.dev/v1alpha1", "kind": "GrantBoundary", "name": bed.namespace,
        "uid": boundary.metadata.uid, "controller": true,
    }]))
    .unwrap();
    bed.api::<GroupEligibility>()
        .create(&PostParams::default(), &object)
        .await
        .unwrap();
    denied::<GroupEligibility>(&bed, "alice", "its `groups` lack").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_object_that_was_there_first_claims_nothing() {
    let (bed, operator) = fenced("squatter").await;
    eligible("squatter").permanent().apply(&bed).await;
    until_denied::<GroupEligibility>(&bed, "squatter").await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    operator.stop().await;
    // Nor after a restart.
    let operator = start(&bed).await;
    nudge::<GroupEligibility>(&bed, "alice").await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_object_inherits_nothing() {
    let (bed, operator) = fenced("heir").await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    eligible("heir").permanent().apply(&bed).await;
    until_denied::<GroupEligibility>(&bed, "heir").await;
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    bed.until_gone::<GroupEligibility>("alice").await;
    assert!(rows(&bed, Kind::Eligibility, "alice").is_empty());
    assert_eq!(sent(&bed), ["adminAssign", "adminRemove"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn taking_over_what_an_administrator_gave_in_another_group() {
    let (bed, operator) = fenced("adoption").await;
    franks_grant(&bed);
    eligible("frank")
        .user("frank@contoso.com")
        .group("payments-approvers")
        .lasting("P30D")
        .apply(&bed)
        .await;
    denied::<GroupEligibility>(&bed, "frank", "its `groups` lack").await;
    bed.delete::<GroupEligibility>("frank").await.unwrap();
    bed.until_gone::<GroupEligibility>("frank").await;
    assert_eq!(rows(&bed, Kind::Eligibility, "frank").len(), 1);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_revokes_what_the_boundary_no_longer_covers() {
    let (bed, operator) = fenced("uncovered_deletion").await;
    active("alice").lasting("PT4H").apply(&bed).await;
    bed.until_reason::<GroupAssignment>("alice", "Provisioned")
        .await;
    boundaries(&bed)
        .delete(&bed.namespace, &DeleteParams::default())
        .await
        .unwrap();
    until_denied::<GroupAssignment>(&bed, "alice").await;
    bed.advance(chrono::TimeDelta::minutes(6));
    // Revoking what the operator itself recorded is always allowed.
    bed.delete::<GroupAssignment>("alice").await.unwrap();
    bed.until_gone::<GroupAssignment>("alice").await;
    assert_eq!(sent(&bed), ["adminAssign", "adminRemove"]);
    operator.stop().await;
}
