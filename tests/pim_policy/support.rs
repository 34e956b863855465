//! What the tests share: manifests, what was sent to Graph, and waiting for what is reported.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use k8s_openapi::{api::events::v1::Event, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use pim_harness::{Bed, BedOptions, Operator};
use pim_operator::api::{pim_policy::PimPolicy, pim_policy_status::PimPolicyStatus};
use pim_simulator::{Access, Behaviour, PolicyPatch};
use serde_json::{Value, json};

/// How long a test waits for a state before it fails.
const PATIENCE: Duration = Duration::from_mins(1);

pub const PAYMENTS_OPS: &str = "68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7";
pub const APPROVERS: &str = "68e55cce-0000-4000-8000-000000000002";
pub const LEAD: &str = "1ead0000-0000-4000-8000-00000000000a";
/// Helpdesk Administrator.
pub const HELPDESK: &str = "729827e3-9c14-49f7-bb1b-9608f156bbb8";

/// A bed that may change the policies of the story's groups and of one role, with an Entra that behaves in a way of its own.
pub async fn bed(name: &str, change: impl FnOnce(&mut Behaviour)) -> Bed {
    let mut options = BedOptions::story(&format!("pim_policy_{name}")).unwrap();
    options.boundary = false;
    change(&mut options.simulator.behaviour);
    let bed = Bed::with(options).await.unwrap();
    bound(&bed, json!({})).await;
    bed
}

/// Writes the bed's boundary, with further fields.
pub async fn bound(bed: &Bed, further: Value) {
    let groups: Vec<Value> = [2, 3, 6, 8, 9]
        .map(|number| json!({"id": format!("68e55cce-0000-4000-8000-{number:012}")}))
        .into_iter()
        .chain([json!({"id": PAYMENTS_OPS})])
        .collect();
    let mut spec = json!({
        "namespaces": [bed.namespace],
        "tenants": [bed.tenant],
        "kinds": ["PimPolicy"],
        "groups": groups,
        "roles": [{"id": HELPDESK, "directoryScopeIds": ["/"]}],
        "accessIds": ["member", "owner"],
        "principals": {"kinds": ["User"]},
    });
    spec.as_object_mut()
        .unwrap()
        .extend(further.as_object().unwrap().clone());
    bed.write_boundary(&bed.namespace, &spec).await.unwrap();
}

/// Starts an operator and waits until it is signed in.
pub async fn start(bed: &Bed) -> Operator {
    let operator = bed.start_operator();
    bed.until_tenant("Connected").await;
    operator
}

/// Applies a policy for members of payments-ops; a `target` in the rules names another one.
pub async fn apply(bed: &Bed, name: &str, rules: Value) {
    let mut spec = json!({
        "tenantRef": {"name": "{tenant}"},
        "target": {"group": {"id": PAYMENTS_OPS, "accessId": "member"}},
    });
    spec.as_object_mut()
        .unwrap()
        .extend(rules.as_object().unwrap().clone());
    let object = json!({
        "apiVersion": "entrapim.dev/v1alpha1",
        "kind": "PimPolicy",
        "metadata": {"name": name},
        "spec": spec,
    });
    bed.apply(&object.to_string()).await.unwrap();
}

pub fn api(bed: &Bed) -> Api<PimPolicy> {
    Api::namespaced(bed.client.clone(), &bed.namespace)
}

pub async fn delete(bed: &Bed, name: &str) {
    let params = DeleteParams::default();
    api(bed).delete(name, &params).await.map(drop).unwrap();
}

/// A condition of an object.
pub fn condition<'a>(object: &'a PimPolicy, type_: &str) -> Option<&'a Condition> {
    let conditions = &object.status.as_ref()?.conditions;
    conditions.iter().find(|one| one.type_ == type_)
}

pub fn status(object: &PimPolicy) -> &PimPolicyStatus {
    object.status.as_ref().unwrap()
}

/// The message of a condition.
pub fn says<'a>(object: &'a PimPolicy, type_: &str) -> &'a str {
    condition(object, type_).map_or("", |one| &one.message)
}

/// Waits until a policy satisfies a condition.
pub async fn until(
    bed: &Bed,
    name: &str,
    what: &str,
    holds: impl Fn(&PimPolicy) -> bool,
) -> PimPolicy {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let object = api(bed).get_opt(name).await.ok().flatten();
        if let Some(object) = object.as_ref().filter(|object| holds(object)) {
            return object.clone();
        }
        let last = object.map(|object| serde_json::to_string_pretty(&object.status).unwrap());
        assert!(
            Instant::now() < deadline,
            "{name} never got {what}; its status: {}",
            last.unwrap_or_default()
        );
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
}

/// Waits until `Ready` has a reason, for the object's present generation.
pub async fn until_reason(bed: &Bed, name: &str, reason: &str) -> PimPolicy {
    let generation = api(bed).get(name).await.unwrap().metadata.generation;
    until(bed, name, reason, |object| {
        let observed = object
            .status
            .as_ref()
            .and_then(|status| status.observed_generation);
        observed >= generation
            && condition(object, "Ready").is_some_and(|ready| ready.reason == reason)
    })
    .await
}

/// Waits until an object is gone.
pub async fn until_gone(bed: &Bed, name: &str) {
    bed.eventually(&format!("{name} goes"), || async {
        matches!(api(bed).get_opt(name).await, Ok(None))
    })
    .await;
}

/// The rules of each PATCH that was sent, in order.
pub fn patches(bed: &Bed) -> Vec<Vec<String>> {
    let rules = |body: &Value| -> Vec<String> {
        let ids = body["rules"].as_array().unwrap().iter();
        ids.map(|rule| rule["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let traffic = bed.simulator.traffic().entries();
    traffic
        .iter()
        .filter(|exchange| exchange.method == "PATCH")
        .map(|exchange| rules(exchange.request.as_ref().unwrap()))
        .collect()
}

/// How many calls of a method were made to paths that contain a text.
pub fn calls(bed: &Bed, method: &str, path: &str) -> usize {
    let traffic = bed.simulator.traffic().entries();
    traffic
        .iter()
        .filter(|exchange| exchange.method == method && exchange.path.contains(path))
        .count()
}

/// A rule for members of payments-ops as Entra holds it.
pub fn rule(bed: &Bed, id: &str) -> Value {
    let policy = bed.simulator.group_policy("payments-ops", Access::Member);
    policy.unwrap().rule(id)
}

/// Changes rules for members of payments-ops as an administrator does in the portal.
pub fn sabotage(bed: &Bed, rules: &[Value]) {
    let patch = PolicyPatch {
        rules: rules.to_vec(),
        ..PolicyPatch::default()
    };
    let admin = bed.simulator.admin();
    admin
        .set_policy("payments-ops", Access::Member, patch)
        .unwrap();
}

/// Lets a resync come.
pub fn resync(bed: &Bed) {
    bed.advance(TimeDelta::minutes(16));
}

/// Has an object looked at anew, and waits until it was: a read of its policy is the sign.
pub async fn look_again(bed: &Bed, name: &str) {
    let before = calls(bed, "GET", "roleManagementPolicyAssignments");
    let value = format!("{}-{before}", bed.now());
    let patch = json!({"metadata": {"annotations": {"entrapim.dev/requestedAt": value}}});
    let params = PatchParams::default();
    let patched = api(bed).patch(name, &params, &Patch::Merge(patch)).await;
    patched.unwrap();
    bed.eventually("a further read", || async {
        calls(bed, "GET", "roleManagementPolicyAssignments") > before
    })
    .await;
}

/// The notes of an object's events of a reason.
pub async fn notes(bed: &Bed, name: &str, reason: &str) -> Vec<String> {
    let api: Api<Event> = Api::namespaced(bed.client.clone(), &bed.namespace);
    let events = api.list(&ListParams::default()).await.unwrap().items;
    let of_object = |event: &Event| {
        let object = event.regarding.as_ref();
        object.is_some_and(|object| object.name.as_deref() == Some(name))
    };
    events
        .into_iter()
        .filter(|event| of_object(event) && event.reason.as_deref() == Some(reason))
        .filter_map(|event| event.note)
        .collect()
}

/// Waits until an object has so many events of a reason, and returns their notes.
pub async fn until_notes(bed: &Bed, name: &str, reason: &str, count: usize) -> Vec<String> {
    bed.eventually(&format!("{count} events {reason} of {name}"), || async {
        notes(bed, name, reason).await.len() >= count
    })
    .await;
    notes(bed, name, reason).await
}

/// The revision of an object: it moves with every write.
pub async fn revision(bed: &Bed, name: &str) -> String {
    let object = api(bed).get(name).await.unwrap();
    object.resource_version().unwrap()
}
