//! Tenants that are missing, cannot be signed in to, or change under the grants.

use chrono::TimeDelta;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, api::DeleteParams};
use pim_harness::{Bed, bed::CLIENT_ID};
use pim_operator::api::{group_grant::GroupEligibility, tenant::EntraTenant};
use pim_simulator::{Kind, Operation};
use serde_json::json;

use crate::support::{annotate, bed, eligible, events, holds, message, rows, sent};

async fn delete_tenant(bed: &Bed) {
    Api::<EntraTenant>::all(bed.client.clone())
        .delete(&bed.tenant, &DeleteParams::default())
        .await
        .unwrap();
}

/// The message of the tenant's `Ready`.
fn said(tenant: &EntraTenant) -> String {
    let conditions = &tenant.status.as_ref().unwrap().conditions;
    let ready = conditions
        .iter()
        .find(|condition| condition.type_ == "Ready");
    ready.unwrap().message.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_waits_for_its_tenant_to_be_created() {
    let bed = bed("missing_tenant", |_| {}).await;
    delete_tenant(&bed).await;
    let operator = bed.start_operator();
    eligible("alice").apply(&bed).await;
    let alice: GroupEligibility = bed.until_reason("alice", "TenantNotReady").await;
    let expected = format!("there is no EntraTenant named {}", bed.tenant);
    assert_eq!(message(&alice), expected);
    assert!(!holds(&alice, "Stalled"));
    bed.create_tenant(json!({})).await.unwrap();
    bed.until_tenant("Connected").await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_waits_for_its_secret_and_takes_a_rotated_one_without_a_restart() {
    let bed = bed("secrets", |_| {}).await;
    let secrets: Api<Secret> = Api::namespaced(bed.client.clone(), &bed.namespace);
    secrets
        .delete("entra", &DeleteParams::default())
        .await
        .unwrap();
    let operator = bed.start_operator();
    let tenant = bed.until_tenant("CredentialUnavailable").await;
    assert!(
        said(&tenant).contains("there is no Secret entra"),
        "{}",
        said(&tenant)
    );
    eligible("alice").apply(&bed).await;
    let alice: GroupEligibility = bed.until_reason("alice", "TenantNotReady").await;
    assert!(message(&alice).contains("there is no Secret entra"));
    bed.write_secret("simulated-secret").await.unwrap();
    bed.until_tenant("Connected").await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    // Rotation: the new one is in the Secret before the old one ends.
    bed.simulator
        .admin()
        .rotate_secret(CLIENT_ID, "second-secret")
        .unwrap();
    let before = bed.simulator.traffic().counts().token_requests;
    bed.write_secret("second-secret").await.unwrap();
    bed.eventually("a sign-in with the new secret", || async {
        bed.simulator.traffic().counts().token_requests > before
    })
    .await;
    bed.advance(TimeDelta::hours(2));
    eligible("bob").user("bob@contoso.com").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("bob", "Provisioned")
        .await;
    bed.until_tenant("Connected").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_reported_with_entras_code_until_it_is_right() {
    let bed = bed("wrong_secret", |_| {}).await;
    bed.write_secret("not-the-secret").await.unwrap();
    let operator = bed.start_operator();
    let tenant = bed.until_tenant("CredentialUnavailable").await;
    assert!(said(&tenant).contains("AADSTS7000215"), "{}", said(&tenant));
    assert!(!said(&tenant).contains("not-the-secret"));
    eligible("alice").apply(&bed).await;
    let alice: GroupEligibility = bed.until_reason("alice", "TenantNotReady").await;
    assert!(message(&alice).contains("AADSTS7000215"));
    bed.write_secret("simulated-secret").await.unwrap();
    bed.until_tenant("Connected").await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_ends_while_the_operator_runs_turns_the_tenant_unready() {
    let bed = bed("ended_secret", |_| {}).await;
    let operator = bed.start_operator();
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    bed.simulator
        .admin()
        .apply(Operation::ExpireSecrets {
            client_id: CLIENT_ID.to_owned(),
            at: None,
        })
        .unwrap();
    bed.advance(TimeDelta::hours(2));
    let tenant = bed.until_tenant("CredentialUnavailable").await;
    assert!(said(&tenant).contains("AADSTS7000222"), "{}", said(&tenant));
    let alice: GroupEligibility = bed.until_reason("alice", "TenantNotReady").await;
    assert!(message(&alice).contains("AADSTS7000222"));
    bed.simulator
        .admin()
        .rotate_secret(CLIENT_ID, "second-secret")
        .unwrap();
    bed.write_secret("second-secret").await.unwrap();
    bed.until_tenant("Connected").await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_tenant_id_is_reported_with_entras_code() {
    let bed = bed("wrong_tenant", |_| {}).await;
    delete_tenant(&bed).await;
    bed.create_tenant(json!({"tenantId": "00000000-0000-4000-8000-00000000dead"}))
        .await
        .unwrap();
    let operator = bed.start_operator();
    let tenant = bed.until_tenant("CredentialUnavailable").await;
    assert!(said(&tenant).contains("AADSTS90002"), "{}", said(&tenant));
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_without_its_tenant_waits_and_says_how_to_abandon_the_grant() {
    let bed = bed("deletion_without_tenant", |_| {}).await;
    let operator = bed.start_operator();
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    delete_tenant(&bed).await;
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    let alice: GroupEligibility = bed.until_reason("alice", "TenantNotReady").await;
    let uid = alice.metadata.uid.clone().unwrap();
    let advice = format!("annotate it with entrapim.dev/abandon={uid}");
    assert!(message(&alice).contains(&advice), "{}", message(&alice));
    assert!(holds(&alice, "Stalled"));
    // Any other value is no consent.
    annotate::<GroupEligibility>(&bed, "alice", "entrapim.dev/abandon", "yes").await;
    annotate::<GroupEligibility>(&bed, "alice", "entrapim.dev/abandon", &uid).await;
    bed.until_gone::<GroupEligibility>("alice").await;
    assert_eq!(rows(&bed, Kind::Eligibility, "alice").len(), 1);
    assert!(
        events(&bed, "alice")
            .await
            .contains(&("Warning".to_owned(), "RetainedOnDelete".to_owned()))
    );
    operator.stop().await;
}
