//! `operator-only.entrapim.dev`: `status` and the finalizer are the operator's; `operator-limits.entrapim.dev`: nothing else is.

use serde_json::{Value, json};

use crate::bed::{Bed, EDITOR, OPERATOR, OVERRIDER, expect_refusal, grant};

const POLICY: &str = "operator-only.entrapim.dev";

fn forged_status() -> Value {
    json!({
        "observedGeneration": 1,
        "authorizedBy": {"name": "payments", "uid": "x", "generation": 1},
    })
}

#[tokio::test]
async fn only_the_operator_writes_status() {
    let bed = Bed::shared().await;
    let mut stored = bed.store(&grant("payments", "status")).await;
    stored["status"] = forged_status();
    for user in [
        EDITOR,
        OVERRIDER,
        "system:serviceaccount:payments:pim-operator",
    ] {
        // The last has no rights at all, and is stopped before.
        let verdict = bed.update_status(user, &stored).await;
        if user.starts_with("system:") {
            verdict.unwrap_err();
            continue;
        }
        expect_refusal(
            &verdict,
            POLICY,
            &format!(
                "only the operator may write `status`, and {user} is not its service account: change `spec` instead"
            ),
        );
    }
    let written = bed.update_status(OPERATOR, &stored).await.unwrap();
    assert_eq!(written["status"]["authorizedBy"]["name"], "payments");
}

#[tokio::test]
async fn a_status_in_a_manifest_or_an_edit_is_passed_over() {
    let bed = Bed::shared().await;
    let mut forged = grant("payments", "forged");
    forged["status"] = forged_status();
    let created = bed.create(EDITOR, &forged).await.unwrap();
    assert_eq!(created["status"], json!({"observedGeneration": -1}));

    let mut stored = bed.store(&forged).await;
    stored["status"] = forged_status();
    let edited = bed.update(EDITOR, &stored).await.unwrap();
    assert_eq!(edited["status"], json!({"observedGeneration": -1}));
}

#[tokio::test]
async fn the_status_of_a_tenant_is_the_operators_too() {
    let bed = Bed::shared().await;
    let tenant = json!({
        "apiVersion": "entrapim.dev/v1alpha1",
        "kind": "EntraTenant",
        "metadata": {"name": "status"},
        "spec": {
            "tenantId": "9f0c2c1e-0000-4000-8000-000000000001",
            "credential": {"managedIdentity": {}},
        },
    });
    let mut stored = bed.store(&tenant).await;
    stored["status"] = json!({"observedGeneration": 1});
    expect_refusal(
        &bed.update_status(EDITOR, &stored).await,
        POLICY,
        "only the operator may write `status`, and alice is not its service account: change `spec` instead",
    );
    bed.update_status(OPERATOR, &stored).await.unwrap();
}

#[tokio::test]
async fn only_the_operator_adds_and_removes_its_finalizer() {
    let bed = Bed::shared().await;
    let adding = "only the operator may add the finalizer `entrapim.dev/revoke`: leave it out of `metadata.finalizers`";
    let mut finalized = grant("payments", "finalizer");
    finalized["metadata"]["finalizers"] = json!(["entrapim.dev/revoke"]);
    expect_refusal(&bed.create(EDITOR, &finalized).await, POLICY, adding);
    bed.create(OPERATOR, &finalized).await.unwrap();

    let without = bed.store(&grant("payments", "without-finalizer")).await;
    let mut with = without;
    with["metadata"]["finalizers"] = json!(["entrapim.dev/revoke"]);
    expect_refusal(&bed.update(EDITOR, &with).await, POLICY, adding);
    bed.update(OPERATOR, &with).await.unwrap();

    let stored = bed.store(&finalized).await;
    let mut removed = stored.clone();
    removed["metadata"]["finalizers"] = json!([]);
    expect_refusal(
        &bed.update(OVERRIDER, &removed).await,
        POLICY,
        "only the operator may remove the finalizer `entrapim.dev/revoke`: it does so when the access is revoked. To let the object go and leave its access in Entra, set `deletionPolicy: Retain`, or have the annotation `entrapim.dev/abandon` set to the object's uid by somebody who may `override`",
    );
    bed.update(OPERATOR, &removed).await.unwrap();
    // Finalizers of others are theirs, and what is there may stay.
    let mut another = stored;
    another["metadata"]["finalizers"] = json!(["entrapim.dev/revoke", "example.com/theirs"]);
    another["metadata"]["labels"] = json!({"team": "payments"});
    bed.update(EDITOR, &another).await.unwrap();
}

#[tokio::test]
async fn the_operator_changes_nothing_that_is_declared() {
    const LIMITS: &str = "operator-limits.entrapim.dev";
    let refusal = "the operator may change nothing but `metadata.finalizers` and `status`";
    let bed = Bed::shared().await;
    let stored = bed.store(&grant("payments", "declared")).await;
    for (parent, field, value) in [
        ("/spec/scheduleInfo/expiration", "duration", json!("P180D")),
        ("/spec", "suspend", json!(true)),
        ("/metadata", "labels", json!({"team": "payments"})),
        ("/metadata", "annotations", json!({"team": "payments"})),
    ] {
        let mut edited = stored.clone();
        edited.pointer_mut(parent).unwrap()[field] = value;
        expect_refusal(&bed.update(OPERATOR, &edited).await, LIMITS, refusal);
        bed.update(EDITOR, &edited).await.unwrap();
    }
}

#[tokio::test]
async fn the_finalizer_of_a_policy_is_the_operators_too() {
    let bed = Bed::shared().await;
    let mut policy = json!({
        "apiVersion": "entrapim.dev/v1alpha1",
        "kind": "PimPolicy",
        "metadata": {"name": "finalizer", "namespace": "payments"},
        "spec": {
            "target": {"group": {"displayName": "payments-ops", "accessId": "member"}},
            "managementPolicy": "Observe",
        },
    });
    policy["metadata"]["finalizers"] = json!(["entrapim.dev/restore"]);
    expect_refusal(
        &bed.create(EDITOR, &policy).await,
        POLICY,
        "only the operator may add the finalizer `entrapim.dev/restore`: leave it out of `metadata.finalizers`",
    );
    let mut stored = bed.store(&policy).await;
    stored["metadata"]["finalizers"] = json!([]);
    expect_refusal(
        &bed.update(OVERRIDER, &stored).await,
        POLICY,
        "only the operator may remove the finalizer `entrapim.dev/restore`: it does so when the rules are restored. To let the object go and leave the rules in Entra as they are, set `deletionPolicy: Retain`, or have the annotation `entrapim.dev/abandon` set to the object's uid by somebody who may `override`",
    );
    bed.update(OPERATOR, &stored).await.unwrap();
}
