//! The API server at its worst: edits under way, lost watches, restarts, and objects of another version.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use chrono::TimeDelta;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams},
};
use pim_harness::{
    Bed, BedOptions,
    bed::ready,
    detour::{Detour, OF_NOTHING},
};
use pim_operator::api::group_grant::{GroupAssignment, GroupEligibility};
use pim_simulator::{FaultKind, Kind};
use pim_testbed::{ControlPlane, ControlPlaneOptions};
use serde_json::json;

use crate::support::{
    active, bed, eligible, events, list_fault, near, row, rows, sent, start, status,
};

/// A bed on a control plane that nobody else uses.
async fn bed_apart(name: &str) -> Bed {
    let control_plane = ControlPlane::start(ControlPlaneOptions::default())
        .await
        .unwrap();
    // Beds are for ever, as far as their types go; the process ends soon enough.
    let control_plane = Box::leak(Box::new(control_plane));
    Bed::on(control_plane, BedOptions::story(name).unwrap())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_edited_while_it_is_looked_at_is_granted_by_its_new_terms_only() {
    let bed = bed("edited_meanwhile", |_| {}).await;
    let operator = start(&bed).await;
    bed.simulator.faults().add(list_fault(FaultKind::Slow {
        milliseconds: 1_500,
    }));
    eligible("alice").apply(&bed).await;
    bed.eventually("the look", || async {
        bed.simulator.faults().pending().is_empty()
    })
    .await;
    eligible("alice").lasting("P10D").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert_eq!(sent(&bed), ["adminAssign"]);
    let end = bed.now() + TimeDelta::days(10);
    assert!(near(row(&bed, Kind::Eligibility, "alice").end, end));
    operator.stop().await;
}

/// A client whose first watches ask for a version from before everything: the API server answers 410 Gone.
async fn forgetful_client(bed: &Bed, gone: &Arc<AtomicUsize>) -> Client {
    let left = Arc::clone(gone);
    bed.client_by_way_of(move |uri| {
        let Some((before, version)) = uri.split_once("resourceVersion=") else {
            return Detour::None;
        };
        let take = |left: usize| left.checked_sub(1);
        if !uri.contains("watch=true")
            || left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
                .is_err()
        {
            return Detour::None;
        }
        let after = version.find('&').map_or("", |end| &version[end..]);
        Detour::To(format!("{before}resourceVersion=1{after}"))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_is_told_to_stop_before_it_has_read_its_lists_stops() {
    let bed = bed("stopped_early", |_| {}).await;
    eligible("alice").apply(&bed).await;
    let client = bed
        .client_by_way_of(|uri| match uri.split_once('?') {
            Some((path, query))
                if path.ends_with("/groupassignments") && !query.contains("watch=true") =>
            {
                Detour::To(format!("{path}?{OF_NOTHING}"))
            }
            _ => Detour::None,
        })
        .await;
    let mark = bed.simulator.traffic().mark();
    let operator = bed.start_operator_with(client);
    bed.eventually("a sign-in", || async {
        bed.simulator.traffic().counts_since(&mark).token_requests > 0
    })
    .await;
    operator.stop().await;
    assert!(sent(&bed).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seal_outlives_an_api_server_that_does_not_give_the_key_at_first() {
    let bed = bed("seal_kept", |_| {}).await;
    eligible("alice").apply(&bed).await;
    let operator = start(&bed).await;
    let alice: GroupEligibility = bed.until_reason("alice", "Provisioned").await;
    let seal = status(&alice).seal.clone();
    assert!(seal.is_some());
    operator.stop().await;
    let lost = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&lost);
    let client = bed
        .client_by_way_of(move |uri| {
            let is_key = uri.contains("/secrets/pim-operator-seal");
            if is_key && counted.fetch_add(1, Ordering::SeqCst) < 2 {
                return Detour::Lost;
            }
            Detour::None
        })
        .await;
    let operator = bed.start_operator_with(client);
    eligible("alice").lasting("P10D").apply(&bed).await;
    let alice: GroupEligibility = bed
        .until("alice", "the edit", |status| {
            status.observed_generation == Some(2)
                && ready(status).is_some_and(|ready| ready.1 == "Provisioned")
        })
        .await;
    assert!(lost.load(Ordering::SeqCst) > 2);
    assert_eq!(status(&alice).seal, seal);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_is_gone_is_begun_afresh_and_nothing_is_missed() {
    let bed = bed("watch_gone", |_| {}).await;
    eligible("alice").apply(&bed).await;
    let gone = Arc::new(AtomicUsize::new(8));
    let operator = bed.start_operator_with(forgetful_client(&bed, &gone).await);
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    eligible("bob").user("bob@contoso.com").apply(&bed).await;
    active("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("bob", "Provisioned")
        .await;
    bed.until_reason::<GroupAssignment>("alice", "Provisioned")
        .await;
    assert_eq!(gone.load(Ordering::SeqCst), 0, "every watch was cut off");
    assert_eq!(sent(&bed), vec!["adminAssign"; 3]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_restarts_finds_the_operator_catching_up() {
    let bed = bed_apart("api_server_restart").await;
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    eligible("carol")
        .user("carol@contoso.com")
        .apply(&bed)
        .await;
    bed.until_reason::<GroupEligibility>("carol", "Provisioned")
        .await;
    bed.control_plane.stop_apiserver().await;
    // Grants end in Entra by themselves; the operator has nowhere to say so for now.
    bed.advance(TimeDelta::minutes(16));
    bed.control_plane.start_apiserver().await.unwrap();
    eligible("alice").lasting("P10D").apply(&bed).await;
    eligible("bob").user("bob@contoso.com").apply(&bed).await;
    bed.delete::<GroupEligibility>("carol").await.unwrap();
    bed.until_gone::<GroupEligibility>("carol").await;
    bed.until_reason::<GroupEligibility>("bob", "Provisioned")
        .await;
    bed.eventually("the edit", || async {
        near(
            row(&bed, Kind::Eligibility, "alice").end,
            bed.now() + TimeDelta::days(10),
        )
    })
    .await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    let mut actions = sent(&bed);
    actions.sort_unstable();
    let expected = [
        "adminAssign",
        "adminAssign",
        "adminAssign",
        "adminRemove",
        "adminUpdate",
    ];
    assert_eq!(actions, expected);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_another_version_is_reported_and_left_alone_while_the_others_go_on() {
    let bed = bed_apart("unreadable").await;
    let crds: Api<CustomResourceDefinition> = Api::all(bed.client.clone());
    let name = "groupeligibilities.entrapim.dev";
    let mut crd = serde_json::to_value(crds.get(name).await.unwrap()).unwrap();
    let policies = crd
        .pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/deletionPolicy/enum")
        .and_then(serde_json::Value::as_array_mut)
        .unwrap();
    policies.push(json!("Archive"));
    crd["metadata"] = json!({"name": name});
    crds.patch(
        name,
        &PatchParams::apply("newer").force(),
        &Patch::Apply(crd),
    )
    .await
    .unwrap();
    let operator = start(&bed).await;
    bed.eventually("the wider schema", || async {
        let newer = eligible("newer").with("deletionPolicy", "Archive");
        bed.apply(&newer.to_string()).await.is_ok()
    })
    .await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    bed.eventually("the event", || async {
        events(&bed, "newer")
            .await
            .contains(&("Warning".to_owned(), "InvalidSpec".to_owned()))
    })
    .await;
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
    // So it is for an operator that starts with such an object.
    let operator = bed.start_operator();
    eligible("bob").user("bob@contoso.com").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("bob", "Provisioned")
        .await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boundary_of_another_version_allows_nothing_while_the_others_go_on() {
    let bed = bed_apart("unreadable_boundary").await;
    let crds: Api<CustomResourceDefinition> = Api::all(bed.client.clone());
    let name = "grantboundaries.entrapim.dev";
    let mut crd = serde_json::to_value(crds.get(name).await.unwrap()).unwrap();
    let kinds = crd
        .pointer_mut(
            "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/kinds/items/enum",
        )
        .and_then(serde_json::Value::as_array_mut)
        .unwrap();
    kinds.push(json!("Archive"));
    crd["metadata"] = json!({"name": name});
    crds.patch(
        name,
        &PatchParams::apply("newer").force(),
        &Patch::Apply(crd),
    )
    .await
    .unwrap();
    let newer = json!({
        "apiVersion": "entrapim.dev/v1alpha1", "kind": "GrantBoundary", "metadata": {"name": "newer"},
        "spec": {
            "namespaces": [bed.namespace], "tenants": [bed.tenant], "kinds": ["Archive", "GroupEligibility"],
            "groups": [{"id": "68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7"}], "principals": {"kinds": ["User"]},
        },
    });
    bed.eventually("the wider schema", || async {
        bed.apply(&newer.to_string()).await.is_ok()
    })
    .await;
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    let alice: GroupEligibility = bed.until_reason("alice", "Provisioned").await;
    let by = alice.status.unwrap().authorized_by.unwrap();
    assert_ne!(by.name, "newer");
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uninstalled_api_strips_nobody_of_their_access() {
    let bed = bed_apart("uninstalled").await;
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    let crds: Api<CustomResourceDefinition> = Api::all(bed.client.clone());
    let name = "groupeligibilities.entrapim.dev";
    crds.delete(name, &DeleteParams::default()).await.unwrap();
    bed.eventually("the API to be gone", || async {
        crds.get_opt(name).await.is_ok_and(|found| found.is_none())
    })
    .await;
    assert_eq!(rows(&bed, Kind::Eligibility, "alice").len(), 1);
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
}
