//! The Git revision, from the records of Flux and Argo CD, and never from a manifest's own word.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
    core::GroupVersionKind,
    runtime::{conditions, wait::await_condition},
};
use pim_harness::{Bed, Operator};
use pim_operator::api::group_grant::GroupEligibility;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{
    audit_log,
    suffix::last_provenance,
    support::{Manifest, bed, eligible},
};

const REVISION: &str = "main@sha1:4f2c6a0d9e8b7a6c5d4e3f2a1b0c9d8e7f6a5b4c";

fn kustomizations() -> ApiResource {
    let gvk = GroupVersionKind::gvk("kustomize.toolkit.fluxcd.io", "v1", "Kustomization");
    ApiResource::from_gvk(&gvk)
}

fn applications() -> ApiResource {
    let gvk = GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Application");
    ApiResource::from_gvk(&gvk)
}

/// The two tools' kinds, as far as a test needs them. They are there for all tests of the process.
async fn install(bed: &Bed) {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    INSTALLED
        .get_or_init(|| async {
            let api: Api<CustomResourceDefinition> = Api::all(bed.client.clone());
            for (kind, with_status) in [(kustomizations(), true), (applications(), false)] {
                let name = format!("{}.{}", kind.plural, kind.group);
                let mut version = json!({
                    "name": kind.version, "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {
                        "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                    }},
                });
                // Argo CD's Application has no status of its own right: whoever may edit it writes it.
                if with_status {
                    version["subresources"] = json!({"status": {}});
                }
                let crd = json!({
                    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                    "metadata": {"name": name},
                    "spec": {
                        "group": kind.group, "scope": "Namespaced",
                        "names": {
                            "kind": kind.kind, "plural": kind.plural,
                            "singular": kind.kind.to_lowercase(),
                        },
                        "versions": [version],
                    },
                });
                let tools = PatchParams::apply("tools").force();
                api.patch(&name, &tools, &Patch::Apply(crd)).await.unwrap();
                await_condition(api.clone(), &name, conditions::is_crd_established())
                    .await
                    .unwrap();
            }
        })
        .await;
}

/// The record of a tool in the bed's namespace.
async fn record(bed: &Bed, kind: &ApiResource, name: &str, status: Value) {
    let api: Api<DynamicObject> = Api::namespaced_with(bed.client.clone(), &bed.namespace, kind);
    let mut object = DynamicObject::new(name, kind);
    if kind.kind == "Application" {
        object.data = json!({"status": status});
    }
    api.create(&kube::api::PostParams::default(), &object)
        .await
        .unwrap();
    if kind.kind == "Kustomization" {
        let patch = Patch::Merge(json!({"status": status}));
        api.patch_status(name, &PatchParams::default(), &patch)
            .await
            .unwrap();
    }
}

fn inventory(bed: &Bed, names: &[&str]) -> Value {
    let entry = |name: &&str| {
        let id = format!("{}_{name}_entrapim.dev_GroupEligibility", bed.namespace);
        json!({"id": id, "v": "v1alpha1"})
    };
    json!({
        "lastAttemptedRevision": REVISION, "lastAppliedRevision": REVISION,
        "inventory": {"entries": names.iter().map(entry).collect::<Vec<_>>()},
    })
}

fn resources(bed: &Bed, names: &[&str]) -> Value {
    let resource = |name: &&str| {
        json!({
            "group": "entrapim.dev", "version": "v1alpha1", "kind": "GroupEligibility",
            "namespace": bed.namespace, "name": name, "status": "Synced",
        })
    };
    json!({
        "sync": {"status": "Synced", "revision": "old"},
        "operationState": {"syncResult": {"revision": "4f2c6a0d9e8b"}},
        "resources": names.iter().map(resource).collect::<Vec<_>>(),
    })
}

/// Applies a manifest with metadata of a tool's.
async fn apply(bed: &Bed, manifest: Manifest, field: &str, value: &[(&str, String)]) {
    let mut object: Value = serde_json::from_str(&manifest.to_string()).unwrap();
    let value: BTreeMap<_, _> = value.iter().cloned().collect();
    object["metadata"][field] = json!(value);
    bed.apply(&object.to_string()).await.unwrap();
}

async fn apply_by_flux(bed: &Bed, manifest: Manifest, kustomization: &str) {
    let labels = [
        ("kustomize.toolkit.fluxcd.io/name", kustomization.to_owned()),
        (
            "kustomize.toolkit.fluxcd.io/namespace",
            bed.namespace.clone(),
        ),
    ];
    apply(bed, manifest, "labels", &labels).await;
}

async fn apply_by_argo(bed: &Bed, manifest: Manifest, app: &str, tracked: &str) {
    let id = format!(
        "{app}:entrapim.dev/GroupEligibility:{}/{tracked}",
        bed.namespace
    );
    let annotations = [("argocd.argoproj.io/tracking-id", id)];
    apply(bed, manifest, "annotations", &annotations).await;
}

/// An operator to which the bed's namespace is Argo CD's own.
async fn start(bed: &Bed) -> Operator {
    let mut controller = bed.controller(bed.client.clone());
    controller.argocd_namespaces = vec![bed.namespace.clone()];
    let operator = Operator::start(controller);
    bed.until_tenant("Connected").await;
    operator
}

/// The revision that the request for a grant carried.
async fn revision(bed: &Bed, name: &str) -> Option<String> {
    let grant: GroupEligibility = bed.until_reason(name, "Provisioned").await;
    let provenance = last_provenance(bed);
    assert_eq!(Some(provenance.uid), grant.uid());
    provenance.revision
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kustomization_that_lists_the_object_names_its_revision() {
    audit_log::log();
    let bed = bed("flux", |_| {}).await;
    install(&bed).await;
    record(&bed, &kustomizations(), "apps", inventory(&bed, &["alice"])).await;
    let operator = start(&bed).await;
    apply_by_flux(&bed, eligible("alice"), "apps").await;
    assert_eq!(revision(&bed, "alice").await.as_deref(), Some(REVISION));
    operator.stop().await;
    let lines = audit_log::lines_of(&bed.namespace);
    assert_eq!(lines[0]["revision"], REVISION);
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_of_a_kustomization_that_does_not_list_the_object_give_no_revision() {
    let bed = bed("flux_forged", |_| {}).await;
    install(&bed).await;
    record(&bed, &kustomizations(), "apps", inventory(&bed, &["alice"])).await;
    let operator = start(&bed).await;
    let bob = eligible("bob").user("bob@contoso.com");
    apply_by_flux(&bed, bob, "apps").await;
    assert_eq!(revision(&bed, "bob").await, None);
    let carol = eligible("carol").user("carol@contoso.com");
    apply_by_flux(&bed, carol, "no-such-kustomization").await;
    assert_eq!(revision(&bed, "carol").await, None);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_lists_the_object_names_its_revision() {
    let bed = bed("argo", |_| {}).await;
    install(&bed).await;
    record(
        &bed,
        &applications(),
        "access",
        resources(&bed, &["alice", "bob"]),
    )
    .await;
    let operator = start(&bed).await;
    apply_by_argo(&bed, eligible("alice"), "access", "alice").await;
    assert_eq!(
        revision(&bed, "alice").await.as_deref(),
        Some("4f2c6a0d9e8b")
    );
    let bob = eligible("bob").user("bob@contoso.com");
    let qualified = format!("{}_access", bed.namespace);
    apply_by_argo(&bed, bob, &qualified, "bob").await;
    assert_eq!(revision(&bed, "bob").await.as_deref(), Some("4f2c6a0d9e8b"));
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tracking_id_of_another_object_or_of_a_strangers_application_gives_no_revision() {
    let bed = bed("argo_forged", |_| {}).await;
    install(&bed).await;
    record(&bed, &applications(), "access", resources(&bed, &["alice"])).await;
    let operator = start(&bed).await;
    // Copied together with the manifest.
    let bob = eligible("bob").user("bob@contoso.com");
    apply_by_argo(&bed, bob, "access", "alice").await;
    assert_eq!(revision(&bed, "bob").await, None);
    // Its own, of an application that does not hold it.
    let carol = eligible("carol").user("carol@contoso.com");
    apply_by_argo(&bed, carol, "access", "carol").await;
    assert_eq!(revision(&bed, "carol").await, None);
    operator.stop().await;
    // An application that lists it, where Argo CD's administrators are not alone.
    let operator = Operator::start(bed.controller(bed.client.clone()));
    let qualified = format!("{}_access", bed.namespace);
    apply_by_argo(&bed, eligible("alice"), &qualified, "alice").await;
    assert_eq!(revision(&bed, "alice").await, None);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_the_cluster_does_not_know_costs_only_the_revision() {
    let bed = bed("helm_unknown", |_| {}).await;
    let operator = start(&bed).await;
    let labels = [
        ("helm.toolkit.fluxcd.io/name", "access".to_owned()),
        ("helm.toolkit.fluxcd.io/namespace", bed.namespace.clone()),
    ];
    apply(&bed, eligible("alice"), "labels", &labels).await;
    assert_eq!(revision(&bed, "alice").await, None);
    operator.stop().await;
}
