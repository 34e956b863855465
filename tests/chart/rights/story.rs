//! What the operator is put through: everything for which it asks the API server.

use chrono::{TimeDelta, Utc};
use kube::{Api, api::DeleteParams};
use pim_harness::{
    Bed,
    bed::{CLIENT_ID, ready},
};
use pim_operator::{
    api::{
        group_grant::{GroupAssignment, GroupEligibility},
        pim_policy::PimPolicy,
        role_grant::{RoleAssignment, RoleEligibility},
    },
    controller::grant::Grant,
};
use pim_simulator::Kind;
use serde_json::{Value, json};

use super::stage::{IDENTITY, Stage};

/// The group of the story.
pub const PAYMENTS_OPS: &str = "68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7";
const HELPDESK: &str = "729827e3-9c14-49f7-bb1b-9608f156bbb8";

/// The life of a grant of each kind, and of its tenant.
pub async fn play(stage: &Stage) {
    let bed = &stage.bed;
    bed.until_tenant("Connected").await;
    allow(bed).await;
    bed.apply(&policy(bed)).await.unwrap();
    declare(bed, "first").await;
    policy_is_applied(bed).await;
    all_reach(bed, "first", "Provisioned").await;
    // Ages are told apart by the second, and the older one has the access.
    let next_second = Utc::now() + TimeDelta::seconds(1);
    bed.eventually("the next second", || async { Utc::now() > next_second })
        .await;
    declare(bed, "second").await;
    all_reach(bed, "second", "Conflict").await;

    // A new value of the Secret is taken up. What is said again is counted up in the event that is there: of the tenant, and of the
    // object that has to wait for it.
    stage.write_secret("another").await;
    bed.until_tenant("CredentialUnavailable").await;
    let nobody =
        json!({"endpoints": {"graph": bed.simulator.url(), "authority": "http://127.0.0.1:1"}});
    bed.create_tenant(nobody).await.unwrap();
    bed.until_tenant("GraphUnavailable").await;
    bed.create_tenant(json!({})).await.unwrap();
    bed.until_tenant("CredentialUnavailable").await;
    bed.until_reason::<GroupEligibility>("second", "TenantNotReady")
        .await;
    stage.write_secret("simulated-secret").await;
    bed.until_tenant("Connected").await;
    all_reach(bed, "second", "Conflict").await;

    // What the policy found comes back. The access goes over to the younger object.
    let policies: Api<PimPolicy> = Api::namespaced(bed.client.clone(), &bed.namespace);
    policies
        .delete("policy", &DeleteParams::default())
        .await
        .unwrap();
    delete(bed, "first").await;
    tokio::join!(
        bed.eventually("the end of the policy", || async {
            policies.get_opt("policy").await.unwrap().is_none()
        }),
        gone::<GroupEligibility>(bed, "first"),
        gone::<GroupAssignment>(bed, "first"),
        gone::<RoleEligibility>(bed, "first"),
        gone::<RoleAssignment>(bed, "first"),
    );
    all_reach(bed, "second", "Provisioned").await;

    // It ends with the last object; for active access, after the five minutes of Graph.
    delete(bed, "second").await;
    tokio::join!(
        gone::<GroupEligibility>(bed, "second"),
        gone::<RoleEligibility>(bed, "second"),
        goes_or_waits::<GroupAssignment>(bed, "second"),
        goes_or_waits::<RoleAssignment>(bed, "second"),
    );
    assert_eq!(bed.simulator.schedules(Kind::Eligibility), vec![]);

    // Another identity, which Entra does not trust: it is asked for all the same.
    let credential = json!({"workloadIdentity": {"clientId": CLIENT_ID, "serviceAccountRef": {"name": IDENTITY}}});
    bed.create_tenant(json!({"credential": credential}))
        .await
        .unwrap();
    bed.until_tenant("CredentialUnavailable").await;
}

/// Lets the namespace have everything in the story.
pub async fn allow(bed: &Bed) {
    // By its labels: these are read anew before each write.
    let boundary = json!({
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": bed.namespace}},
        "tenants": [bed.tenant],
        "kinds": ["GroupEligibility", "GroupAssignment", "RoleEligibility", "RoleAssignment", "PimPolicy"],
        "groups": [{"id": PAYMENTS_OPS}],
        "roles": [{"id": HELPDESK, "directoryScopeIds": ["/"]}],
        "accessIds": ["member"],
        "principals": {"kinds": ["User"]},
    });
    bed.write_boundary(&bed.namespace, &boundary).await.unwrap();
}

/// A grant for Alice.
fn manifest(bed: &Bed, kind: &str, name: &str) -> String {
    let target = if kind.starts_with("Group") {
        json!({"group": {"id": PAYMENTS_OPS}, "accessId": "member"})
    } else {
        json!({"role": {"id": HELPDESK}})
    };
    let mut spec = json!({
        "tenantRef": {"name": bed.tenant},
        "principal": {"userPrincipalName": "alice@contoso.com"},
        "scheduleInfo": {"expiration": {"type": "afterDuration", "duration": "P7D"}},
        "justification": "on call",
    });
    if let (Some(spec), Value::Object(target)) = (spec.as_object_mut(), target) {
        spec.extend(target);
    }
    json!({
        "apiVersion": "entrapim.dev/v1alpha1", "kind": kind,
        "metadata": {
            "name": name,
            // As Flux and Argo CD mark what they apply.
            "labels": {
                "kustomize.toolkit.fluxcd.io/name": "grants",
                "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
                "helm.toolkit.fluxcd.io/name": "grants",
                "helm.toolkit.fluxcd.io/namespace": "flux-system",
                "argocd.argoproj.io/instance": "grants",
            },
        },
        "spec": spec,
    })
    .to_string()
}

/// A policy that puts back what it finds.
pub fn policy(bed: &Bed) -> String {
    json!({
        "apiVersion": "entrapim.dev/v1alpha1", "kind": "PimPolicy", "metadata": {"name": "policy"},
        "spec": {
            "tenantRef": {"name": bed.tenant},
            "target": {"group": {"id": PAYMENTS_OPS, "accessId": "member"}},
            "activation": {"maximumDuration": "PT2H"},
            "deletionPolicy": "Restore",
        },
    })
    .to_string()
}

/// Waits until the policy says so.
pub async fn policy_is_applied(bed: &Bed) {
    let policies: Api<PimPolicy> = Api::namespaced(bed.client.clone(), &bed.namespace);
    bed.eventually("an applied policy", || async {
        let policy = policies.get("policy").await.unwrap();
        let conditions = policy.status.map(|status| status.conditions);
        let mut conditions = conditions.into_iter().flatten();
        conditions.any(|one| one.type_ == "Ready" && one.reason == "Applied")
    })
    .await;
}

/// Declares a grant of each kind.
pub async fn declare(bed: &Bed, name: &str) {
    let kinds = [
        "GroupEligibility",
        "GroupAssignment",
        "RoleEligibility",
        "RoleAssignment",
    ];
    let manifests = kinds.map(|kind| manifest(bed, kind, name)).join("\n---\n");
    bed.apply(&manifests).await.unwrap();
}

/// Waits until the grant of each kind has a reason.
pub async fn all_reach(bed: &Bed, name: &str, reason: &str) {
    tokio::join!(
        bed.until_reason::<GroupEligibility>(name, reason),
        bed.until_reason::<GroupAssignment>(name, reason),
        bed.until_reason::<RoleEligibility>(name, reason),
        bed.until_reason::<RoleAssignment>(name, reason),
    );
}

/// Deletes a grant of each kind.
async fn delete(bed: &Bed, name: &str) {
    bed.delete::<GroupEligibility>(name).await.unwrap();
    bed.delete::<GroupAssignment>(name).await.unwrap();
    bed.delete::<RoleEligibility>(name).await.unwrap();
    bed.delete::<RoleAssignment>(name).await.unwrap();
}

async fn gone<K: Grant>(bed: &Bed, name: &str) {
    bed.until_gone::<K>(name).await;
}

/// Waits until a deleted object is gone, or says that active access cannot be taken away in its first five minutes.
async fn goes_or_waits<K: Grant>(bed: &Bed, name: &str) {
    bed.eventually("an end, or a wait for one", || async {
        let found = bed.api::<K>().get_opt(name).await.unwrap();
        found.is_none_or(|grant| {
            let ready = grant.status().and_then(ready);
            ready.is_some_and(|(_, reason, _)| reason == "AwaitingMinimumDuration")
        })
    })
    .await;
}
