//! Estates of many grants, and what the removal guard says of them.

use std::time::Duration;

use chrono::TimeDelta;
use k8s_openapi::api::events::v1::Event;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use pim_harness::{
    Bed, Operator,
    bed::{ready, traffic_log},
    load::Load,
};
use pim_operator::{
    api::{
        group_grant::{GroupAssignment, GroupEligibility},
        removal_guard::RemovalGuardStatus,
        tenant::EntraTenant,
    },
    controller::grant::Grant,
};
use pim_simulator::Kind;
use serde_json::{Value, json};

use crate::support::{sent, start};

/// How long an estate may take to be granted.
const PATIENCE: Duration = Duration::from_mins(2);

/// A bed for a load, with further fields of the tenant.
pub async fn bed(name: &str, load: Load, tenant: Value) -> Bed {
    let mut options = load.options(name);
    options.simulator.traffic_log = Some(traffic_log(name).unwrap());
    options.simulator.keep_traffic = true;
    if let (Some(all), Value::Object(tenant)) = (options.tenant.as_object_mut(), tenant) {
        all.extend(tenant);
    }
    Bed::with(options).await.unwrap()
}

/// Has a load granted, and lets Entra's first five minutes pass.
pub async fn granted(bed: &Bed, load: Load) -> Operator {
    let operator = start(bed).await;
    load.declare(bed).await.unwrap();
    load.until_ready(bed, PATIENCE).await.unwrap();
    bed.advance(TimeDelta::minutes(6));
    operator
}

/// Deletes every manifest at once.
pub async fn delete_everything(bed: &Bed) {
    let (all, how) = (ListParams::default(), DeleteParams::default());
    let (eligibilities, assignments) =
        (bed.api::<GroupEligibility>(), bed.api::<GroupAssignment>());
    let (one, other) = tokio::join!(
        eligibilities.delete_collection(&how, &all),
        assignments.delete_collection(&how, &all)
    );
    one.unwrap();
    other.unwrap();
}

/// How many grants Entra holds.
pub fn held(bed: &Bed) -> usize {
    bed.simulator.schedules(Kind::Eligibility).len()
        + bed.simulator.schedules(Kind::Assignment).len()
}

/// How many revocations were sent.
pub fn revocations(bed: &Bed) -> usize {
    let actions = sent(bed);
    actions.iter().filter(|one| *one == "adminRemove").count()
}

/// The tenant as it is.
pub async fn tenant(bed: &Bed) -> EntraTenant {
    let api: Api<EntraTenant> = Api::all(bed.client.clone());
    api.get(&bed.tenant).await.unwrap()
}

/// The guard's record.
pub async fn guard(bed: &Bed) -> RemovalGuardStatus {
    let status = tenant(bed).await.status.unwrap_or_default();
    status.removal_guard.unwrap_or_default()
}

/// Waits until the guard has tripped and so many objects wait.
pub async fn until_waiting(bed: &Bed, waiting: u32) -> RemovalGuardStatus {
    bed.eventually(&format!("{waiting} revocations wait"), || async {
        let guard = guard(bed).await;
        guard.tripped.is_some() && guard.waiting == Some(waiting)
    })
    .await;
    guard(bed).await
}

/// Acknowledges with a value.
pub async fn acknowledge(bed: &Bed, value: &str) {
    let patch = json!({"metadata": {"annotations": {"entrapim.dev/acknowledge-removals": value}}});
    patch_tenant(bed, patch).await;
}

/// Changes fields of the tenant's spec.
pub async fn respec(bed: &Bed, spec: Value) {
    patch_tenant(bed, json!({"spec": spec})).await;
}

async fn patch_tenant(bed: &Bed, patch: Value) {
    let api: Api<EntraTenant> = Api::all(bed.client.clone());
    api.patch(&bed.tenant, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
}

/// How many objects there are, and how many of them wait for the guard and say so.
pub async fn objects(bed: &Bed) -> (usize, usize) {
    async fn of<K: Grant>(bed: &Bed) -> (usize, usize) {
        let all = bed.api::<K>().list(&ListParams::default()).await.unwrap();
        let says_so = |object: &&K| {
            let (_, reason, message) = object.status().and_then(ready).unwrap_or_default();
            reason == "RemovalGuardTripped" && message.contains(&bed.tenant)
        };
        let waiting = all.items.iter().filter(says_so).count();
        (all.items.len(), waiting)
    }
    let (one, other) = (
        of::<GroupEligibility>(bed).await,
        of::<GroupAssignment>(bed).await,
    );
    (one.0 + other.0, one.1 + other.1)
}

/// Waits until every object is gone.
pub async fn until_all_gone(bed: &Bed) {
    bed.eventually("every object to be gone", || async {
        objects(bed).await.0 == 0
    })
    .await;
}

/// Reason and note of every event about the tenant.
pub async fn events_of_tenant(bed: &Bed) -> Vec<(String, String)> {
    let api: Api<Event> = Api::namespaced(bed.client.clone(), "default");
    let all = api.list(&ListParams::default()).await.unwrap();
    notes_about(all.items, &tenant(bed).await.name_any())
}

/// Reason and note of every event about an object of the bed's namespace.
pub async fn notes(bed: &Bed, name: &str) -> Vec<(String, String)> {
    let api: Api<Event> = Api::namespaced(bed.client.clone(), &bed.namespace);
    let all = api.list(&ListParams::default()).await.unwrap();
    notes_about(all.items, name)
}

fn notes_about(events: Vec<Event>, name: &str) -> Vec<(String, String)> {
    let about = |event: &Event| {
        let regarding = event.regarding.as_ref();
        regarding.is_some_and(|object| object.name.as_deref() == Some(name))
    };
    events
        .into_iter()
        .filter(about)
        .map(|event| {
            (
                event.reason.unwrap_or_default(),
                event.note.unwrap_or_default(),
            )
        })
        .collect()
}
