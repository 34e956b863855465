//! The stories among the samples: each is applied as it stands, to a tenant where its people exist, and comes to rest with
//! everything granted. Only names of namespaces and tenants are the test's own.

use kube::{Api, api::ListParams};
use pim_harness::{
    Bed, BedOptions,
    bed::{CLIENT_ID, ready},
};
use pim_operator::{
    api::{
        group_grant::{GroupAssignment, GroupEligibility},
        pim_policy::PimPolicy,
        role_grant::RoleEligibility,
    },
    controller::grant::Grant,
};
use serde_json::json;

use crate::helm::{parse, read};

/// The group on-call, of which the story's people have to be members.
const ON_CALL: &str = "68e55cce-0000-4000-8000-000000000006";

/// Applies a story to a bed of its own and starts an operator there.
async fn tell(story: &str) -> (Bed, pim_harness::Operator) {
    let mut options = BedOptions::story(&format!("sample_{story}")).unwrap();
    options.boundary = false;
    for group in &mut options.simulator.estate.groups {
        if group.id.is_some_and(|id| id.to_string() == ON_CALL) {
            let people = ["alice@contoso.com", "bob@contoso.com"];
            group.members.extend(people.map(str::to_owned));
        }
    }
    let bed = Bed::with(options).await.unwrap();
    for mut object in parse(&read(&format!("config/samples/story-{story}.yaml"))) {
        match object["kind"].as_str().unwrap() {
            "EntraTenant" => {
                // Its brakes are the story's, the way in is the test's.
                let spec = object["spec"].as_object_mut().unwrap();
                assert_eq!(
                    spec.remove("credential").unwrap(),
                    json!({"workloadIdentity": {"clientId": CLIENT_ID}})
                );
                bed.create_tenant(object["spec"].clone()).await.unwrap();
                continue;
            }
            "GrantBoundary" => {
                object["spec"]["namespaces"] = json!([bed.namespace]);
                object["spec"]["tenants"] = json!([bed.tenant]);
                bed.write_boundary(&bed.namespace, &object["spec"])
                    .await
                    .unwrap();
                continue;
            }
            _ => object["spec"]["tenantRef"]["name"] = json!(bed.tenant),
        }
        object["metadata"]
            .as_object_mut()
            .unwrap()
            .remove("namespace");
        bed.apply(&object.to_string()).await.unwrap();
    }
    let operator = bed.start_operator();
    (bed, operator)
}

/// Waits until all objects of a kind are in force, or wait for their start.
async fn all_are_granted<K: Grant>(bed: &Bed, count: usize) {
    let objects = bed.api::<K>().list(&ListParams::default()).await.unwrap();
    assert_eq!(objects.items.len(), count);
    for object in objects {
        let name = object.meta().name.clone().unwrap();
        let granted: K = bed
            .until(&name, "a grant", |status| {
                ready(status).is_some_and(|(status, ..)| status == "True")
            })
            .await;
        let (_, reason, message) = ready(granted.status().unwrap()).unwrap();
        assert!(
            ["Provisioned", "Scheduled"].contains(&reason),
            "{name}: {reason}: {message}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_on_call_rotation_comes_to_rest() {
    let (bed, operator) = tell("on-call-rotation").await;
    all_are_granted::<GroupEligibility>(&bed, 2).await;
    let policies: Api<PimPolicy> = Api::namespaced(bed.client.clone(), &bed.namespace);
    bed.eventually("an applied policy", || async {
        let policy = policies.get("payments-ops-member").await.unwrap();
        let conditions = policy.status.map(|status| status.conditions);
        let mut conditions = conditions.into_iter().flatten();
        conditions.any(|one| one.type_ == "Ready" && one.reason == "Applied")
    })
    .await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn break_glass_comes_to_rest() {
    let (bed, operator) = tell("break-glass").await;
    all_are_granted::<GroupAssignment>(&bed, 1).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_helpdesk_per_administrative_unit_comes_to_rest() {
    let (bed, operator) = tell("helpdesk-units").await;
    all_are_granted::<RoleEligibility>(&bed, 2).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_for_a_service_team_comes_to_rest() {
    let (bed, operator) = tell("service-team-lease").await;
    all_are_granted::<GroupEligibility>(&bed, 1).await;
    operator.stop().await;
}
