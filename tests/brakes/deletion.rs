//! What deletion leaves behind, and how an object gets away that cannot be revoked.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams},
};
use pim_harness::{Bed, BedOptions, load::Load};
use pim_operator::api::{group_grant::GroupEligibility, tenant::EntraTenant};
use pim_simulator::Kind;
use pim_testbed::{ControlPlane, ControlPlaneOptions};
use serde_json::json;

use crate::{
    estate::{granted, held, notes, revocations},
    support::{annotate, bed, eligible, message, row, sent, start},
};

const CRD: &str = "groupeligibilities.entrapim.dev";

/// A bed on a control plane that nobody else uses.
async fn bed_apart(options: BedOptions) -> Bed {
    let control_plane = ControlPlane::start(ControlPlaneOptions::default())
        .await
        .unwrap();
    // Beds are for ever, as far as their types go; the process ends soon enough.
    let control_plane = Box::leak(Box::new(control_plane));
    Bed::on(control_plane, options).await.unwrap()
}

async fn until_noted(bed: &Bed, name: &str, reason: &str, part: &str) {
    bed.eventually(&format!("{reason}: {part}"), || async {
        let notes = notes(bed, name).await;
        notes
            .iter()
            .any(|(noted, note)| noted == reason && note.contains(part))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_whose_tenant_is_gone_says_what_is_left_and_can_be_abandoned() {
    let bed = bed("tenant_gone", |_| {}).await;
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    let alice: GroupEligibility = bed.until_reason("alice", "Provisioned").await;
    let tenants: Api<EntraTenant> = Api::all(bed.client.clone());
    tenants
        .delete(&bed.tenant, &DeleteParams::default())
        .await
        .unwrap();
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    let left = "eligible as member of payments-ops until";
    let held: GroupEligibility = bed.until_reason("alice", "TenantNotReady").await;
    bed.until::<GroupEligibility>("alice", "the way out", |status| {
        let ready = pim_harness::bed::ready(status);
        ready.is_some_and(|(_, _, message)| {
            message.contains("entrapim.dev/abandon=") && message.contains(left)
        })
    })
    .await;
    drop(held);
    let uid = alice.metadata.uid.unwrap();
    annotate::<GroupEligibility>(&bed, "alice", "entrapim.dev/abandon", &uid).await;
    bed.until_gone::<GroupEligibility>("alice").await;
    row(&bed, Kind::Eligibility, "alice");
    until_noted(&bed, "alice", "RetainedOnDelete", left).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandon_annotation_with_another_value_abandons_nothing() {
    let bed = bed("wrong_uid", |_| {}).await;
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    annotate::<GroupEligibility>(&bed, "alice", "entrapim.dev/abandon", "true").await;
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    bed.until_gone::<GroupEligibility>("alice").await;
    assert_eq!(sent(&bed), ["adminAssign", "adminRemove"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retained_grant_is_named_in_the_event() {
    let bed = bed("retain_noted", |_| {}).await;
    let operator = start(&bed).await;
    eligible("alice")
        .with("deletionPolicy", "Retain")
        .apply(&bed)
        .await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    bed.until_gone::<GroupEligibility>("alice").await;
    let left = "is eligible as member of payments-ops until";
    until_noted(&bed, "alice", "RetainedOnDelete", left).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_cannot_be_read_is_let_go_by_the_abandon_annotation_only() {
    let bed = bed_apart(BedOptions::story("unreadable_deleted").unwrap()).await;
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    let alice: GroupEligibility = bed.until_reason("alice", "Provisioned").await;
    let crds: Api<CustomResourceDefinition> = Api::all(bed.client.clone());
    let mut crd = serde_json::to_value(crds.get(CRD).await.unwrap()).unwrap();
    let policies = crd
        .pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/deletionPolicy/enum")
        .and_then(serde_json::Value::as_array_mut)
        .unwrap();
    policies.push(json!("Archive"));
    crd["metadata"] = json!({"name": CRD});
    let newer = PatchParams::apply("newer").force();
    crds.patch(CRD, &newer, &Patch::Apply(crd)).await.unwrap();
    let newer = eligible("alice").with("deletionPolicy", "Archive");
    bed.eventually("the wider schema", || async {
        bed.apply(&newer.to_string()).await.is_ok()
    })
    .await;

    let resource = ApiResource::erase::<GroupEligibility>(&());
    let api: Api<DynamicObject> =
        Api::namespaced_with(bed.client.clone(), &bed.namespace, &resource);
    api.delete("alice", &DeleteParams::default()).await.unwrap();
    let uid = alice.metadata.uid.unwrap();
    let way_out = format!("entrapim.dev/abandon={uid}");
    until_noted(&bed, "alice", "InvalidSpec", &way_out).await;
    assert!(api.get_opt("alice").await.unwrap().is_some());
    let patch = json!({"metadata": {"annotations": {"entrapim.dev/abandon": uid}}});
    api.patch("alice", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
    bed.eventually("the object to be gone", || async {
        api.get_opt("alice")
            .await
            .is_ok_and(|found| found.is_none())
    })
    .await;
    let left = "eligible as member of payments-ops until";
    until_noted(&bed, "alice", "RetainedOnDelete", left).await;
    row(&bed, Kind::Eligibility, "alice");
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_types_strip_nobody_however_many_grants_there_are() {
    const LOAD: Load = Load {
        groups: 2,
        of_each_kind: 5,
    };
    let mut options = LOAD.options("deleted_types");
    options.simulator.keep_traffic = true;
    let bed = bed_apart(options).await;
    let operator = granted(&bed, LOAD).await;
    let crds: Api<CustomResourceDefinition> = Api::all(bed.client.clone());
    for name in [CRD, "groupassignments.entrapim.dev"] {
        crds.delete(name, &DeleteParams::default()).await.unwrap();
        bed.eventually("the type to be gone", || async {
            crds.get_opt(name).await.is_ok_and(|found| found.is_none())
        })
        .await;
    }
    assert_eq!((held(&bed), revocations(&bed)), (20, 0));
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_finalizer_comes_with_the_first_write_and_not_before() {
    let bed = bed("finalizer", |_| {}).await;
    let operator = start(&bed).await;
    eligible("nobody")
        .user("nobody@contoso.com")
        .apply(&bed)
        .await;
    let nobody: GroupEligibility = bed.until_reason("nobody", "PrincipalNotFound").await;
    assert_eq!(nobody.metadata.finalizers, None);
    assert!(!message(&nobody).is_empty());
    eligible("alice").apply(&bed).await;
    let alice: GroupEligibility = bed.until_reason("alice", "Provisioned").await;
    let finalizers = alice.metadata.finalizers.unwrap_or_default();
    assert_eq!(finalizers, ["entrapim.dev/revoke"]);
    operator.stop().await;
}
