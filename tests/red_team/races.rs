//! Authority that changes between the look and the write, and while a grant is in force.

use chrono::TimeDelta;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use pim_harness::{
    Bed, Operator,
    detour::{Detour, OF_NOTHING},
};
use pim_operator::api::group_grant::GroupEligibility;
use pim_simulator::{Access, Kind};
use serde_json::json;

use crate::{
    OPS, boundaries, fence, fenced, fenced_by,
    support::{eligible, message, nudge, row, rows, sent, start},
    unfenced, until_denied,
};

/// A client to whom no news of a resource comes.
async fn deaf_client(bed: &Bed, resource: &'static str) -> Client {
    bed.client_by_way_of(move |uri| {
        if !uri.contains(resource) || !uri.contains("watch=true") {
            return Detour::None;
        }
        let (path, query) = uri.split_once('?').unwrap();
        let kept = query
            .split('&')
            .filter(|part| !part.starts_with("fieldSelector=") && *part != "watch=true");
        let query: Vec<_> = kept.chain([OF_NOTHING]).collect();
        Detour::To(format!("{path}?{}", query.join("&")))
    })
    .await
}

async fn until_refused_at_the_last_look(bed: &Bed, name: &str) {
    let object: GroupEligibility = bed.until_reason(name, "PendingProvisioning").await;
    assert!(
        message(&object).contains("has just changed"),
        "{}",
        message(&object)
    );
    assert!(sent(bed).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boundary_edited_between_the_check_and_the_write() {
    let bed = unfenced("edited").await;
    bed.write_boundary(&bed.namespace, &fence(&bed))
        .await
        .unwrap();
    let operator = Operator::start(bed.controller(deaf_client(&bed, "grantboundaries").await));
    bed.until_tenant("Connected").await;
    let mut narrower = fence(&bed);
    narrower["groups"] = json!([]);
    bed.write_boundary(&bed.namespace, &narrower).await.unwrap();
    // The operator has not heard of it.
    eligible("alice").apply(&bed).await;
    until_refused_at_the_last_look(&bed, "alice").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boundary_deleted_between_the_check_and_the_write() {
    let bed = unfenced("deleted").await;
    bed.write_boundary(&bed.namespace, &fence(&bed))
        .await
        .unwrap();
    let operator = Operator::start(bed.controller(deaf_client(&bed, "grantboundaries").await));
    bed.until_tenant("Connected").await;
    boundaries(&bed)
        .delete(&bed.namespace, &DeleteParams::default())
        .await
        .unwrap();
    eligible("alice").apply(&bed).await;
    until_refused_at_the_last_look(&bed, "alice").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boundary_made_anew_under_the_same_name() {
    let bed = unfenced("remade").await;
    bed.write_boundary(&bed.namespace, &fence(&bed))
        .await
        .unwrap();
    let operator = Operator::start(bed.controller(deaf_client(&bed, "grantboundaries").await));
    bed.until_tenant("Connected").await;
    boundaries(&bed)
        .delete(&bed.namespace, &DeleteParams::default())
        .await
        .unwrap();
    let mut narrower = fence(&bed);
    narrower["groups"] = json!([]);
    bed.write_boundary(&bed.namespace, &narrower).await.unwrap();
    eligible("alice").apply(&bed).await;
    until_refused_at_the_last_look(&bed, "alice").await;
    operator.stop().await;
}

async fn label(bed: &Bed, value: Option<&str>) {
    let patch = json!({"metadata": {"labels": {"red-team": value}}});
    Api::<Namespace>::all(bed.client.clone())
        .patch(
            &bed.namespace,
            &PatchParams::default(),
            &Patch::Merge(patch),
        )
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_taken_away_between_the_check_and_the_write() {
    let bed = unfenced("label").await;
    let mut spec = fence(&bed);
    spec["namespaces"] = json!([]);
    spec["namespaceSelector"] = json!({"matchLabels": {"red-team": bed.namespace}});
    bed.write_boundary(&bed.namespace, &spec).await.unwrap();
    label(&bed, Some(&bed.namespace)).await;
    let operator = Operator::start(bed.controller(deaf_client(&bed, "/namespaces?").await));
    bed.until_tenant("Connected").await;
    label(&bed, None).await;
    eligible("alice").apply(&bed).await;
    until_refused_at_the_last_look(&bed, "alice").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_no_boundary_selects() {
    let bed = unfenced("other_label").await;
    let mut spec = fence(&bed);
    spec["namespaces"] = json!([]);
    spec["namespaceSelector"] = json!({"matchLabels": {"red-team": bed.namespace}});
    bed.write_boundary(&bed.namespace, &spec).await.unwrap();
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    until_denied::<GroupEligibility>(&bed, "alice").await;
    assert!(sent(&bed).is_empty());
    label(&bed, Some(&bed.namespace)).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn authority_that_is_lost_later_freezes_the_grant() {
    let (bed, operator) = fenced("freeze").await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    let mut narrower = fence(&bed);
    narrower["groups"] = json!([]);
    bed.write_boundary(&bed.namespace, &narrower).await.unwrap();
    until_denied::<GroupEligibility>(&bed, "alice").await;
    // Not even drift is corrected.
    bed.simulator
        .admin()
        .remove(Kind::Eligibility, OPS, "alice@contoso.com", Access::Member)
        .unwrap();
    bed.advance(TimeDelta::minutes(31));
    nudge::<GroupEligibility>(&bed, "alice").await;
    until_denied::<GroupEligibility>(&bed, "alice").await;
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn authority_that_is_lost_later_revokes_the_grant_where_the_boundary_says_so() {
    let (bed, operator) = fenced_by("revoke", |spec| {
        spec["onAuthorityLost"] = json!("Revoke");
    })
    .await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    let end = row(&bed, Kind::Eligibility, "alice").end;
    let mut narrower = fence(&bed);
    narrower["onAuthorityLost"] = json!("Revoke");
    narrower["groups"] = json!([]);
    bed.write_boundary(&bed.namespace, &narrower).await.unwrap();
    bed.until_reason::<GroupEligibility>("alice", "AuthorityLost")
        .await;
    assert!(rows(&bed, Kind::Eligibility, "alice").is_empty());
    assert_eq!(sent(&bed), ["adminAssign", "adminRemove"]);
    // Given back, it is the old window, not a longer one.
    bed.write_boundary(&bed.namespace, &fence(&bed))
        .await
        .unwrap();
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert_eq!(row(&bed, Kind::Eligibility, "alice").end, end);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_object_declares_and_is_allowed_is_not_revoked_with_lost_authority() {
    let (bed, operator) = fenced_by("revoke_inherited", |spec| {
        spec["onAuthorityLost"] = json!("Revoke");
    })
    .await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    // The same grant for a shorter time, which the narrower boundary still allows.
    eligible("heir")
        .user("alice@contoso.com")
        .lasting("P5D")
        .apply(&bed)
        .await;
    bed.until_reason::<GroupEligibility>("heir", "Conflict")
        .await;
    let mut narrower = fence(&bed);
    narrower["onAuthorityLost"] = json!("Revoke");
    narrower["limits"]["maxEligibilityDuration"] = json!("P6D");
    bed.write_boundary(&bed.namespace, &narrower).await.unwrap();
    bed.until_reason::<GroupEligibility>("heir", "Provisioned")
        .await;
    let said = until_denied::<GroupEligibility>(&bed, "alice").await;
    assert!(said.contains("P6D"), "{said}");
    assert!(
        !sent(&bed).contains(&"adminRemove".to_owned()),
        "{:?}",
        sent(&bed)
    );
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_membership_that_ended_before_the_next_write() {
    let (bed, operator) = fenced_by("membership_ended", |spec| {
        spec["principals"]["memberOfGroupIds"] = json!([crate::ON_CALL]);
    })
    .await;
    eligible("frank")
        .user("frank@contoso.com")
        .lasting("P30D")
        .apply(&bed)
        .await;
    bed.until_reason::<GroupEligibility>("frank", "Provisioned")
        .await;
    bed.simulator
        .admin()
        .remove_member(crate::ON_CALL, "frank@contoso.com", Access::Member)
        .unwrap();
    bed.advance(TimeDelta::minutes(2));
    eligible("frank")
        .user("frank@contoso.com")
        .lasting("P60D")
        .apply(&bed)
        .await;
    until_denied::<GroupEligibility>(&bed, "frank").await;
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_another_namespace() {
    let bed = unfenced("secret").await;
    let elsewhere = Api::<Secret>::namespaced(bed.client.clone(), "default");
    let secret = json!({
        "metadata": {"name": bed.namespace}, "stringData": {"client-secret": "simulated-secret"},
    });
    elsewhere
        .create(
            &PostParams::default(),
            &serde_json::from_value(secret).unwrap(),
        )
        .await
        .unwrap();
    let reference = json!({"name": bed.namespace, "key": "client-secret"});
    let credential =
        json!({"clientSecret": {"clientId": pim_harness::bed::CLIENT_ID, "secretRef": reference}});
    bed.create_tenant(json!({"credential": credential}))
        .await
        .unwrap();
    bed.write_boundary(&bed.namespace, &fence(&bed))
        .await
        .unwrap();
    let operator = bed.start_operator();
    bed.until_tenant("CredentialUnavailable").await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "TenantNotReady")
        .await;
    assert_eq!(bed.simulator.traffic().counts().token_requests, 0);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_named_for_a_secret() {
    let bed = unfenced("secret_namespace").await;
    let reference = json!({"name": "entra", "namespace": "default", "key": "client-secret"});
    let credential =
        json!({"clientSecret": {"clientId": pim_harness::bed::CLIENT_ID, "secretRef": reference}});
    let refused = bed.create_tenant(json!({"credential": credential})).await;
    assert!(refused.unwrap_err().to_string().contains("namespace"));
}
