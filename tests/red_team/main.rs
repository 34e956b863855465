//! Attempts to get more than a boundary gives: every one must end without a write that no boundary allows.
//!
//! Each test is one attempt, on a real API server and against the Graph simulator, in a namespace that is fenced in: members of
//! payments-ops, users only, eligible for 180 days or active for eight hours. What counts is what Graph was asked.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    missing_docs,
    reason = "tests"
)]

mod deny_list;
mod forged;
mod limits;
mod names;
mod races;
#[allow(dead_code, reason = "shared with the other integration tests")]
#[path = "../grants/support.rs"]
mod support;
mod targets;

use kube::Api;
use pim_harness::{Bed, BedOptions, Operator};
use pim_operator::{
    api::{boundary::GrantBoundary, status::GrantStatus},
    controller::grant::Grant,
};
use serde_json::{Value, json};
use support::{sent, start};

pub const OPS: &str = "68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7";
pub const APPROVERS: &str = "68e55cce-0000-4000-8000-000000000002";
pub const PLATFORM_ADMINS: &str = "68e55cce-0000-4000-8000-000000000003";
pub const ON_CALL: &str = "68e55cce-0000-4000-8000-000000000006";
pub const ALICE: &str = "a11ce000-0000-4000-8000-000000000001";
pub const OPERATOR: &str = "11111111-0000-4000-8000-000000000002";

/// The fence of a bed.
pub fn fence(bed: &Bed) -> Value {
    json!({
        "namespaces": [bed.namespace],
        "tenants": [bed.tenant],
        "kinds": ["GroupEligibility", "GroupAssignment"],
        "groups": [{"id": OPS}],
        "principals": {"kinds": ["User"]},
        "limits": {"maxEligibilityDuration": "P180D", "maxAssignmentDuration": "PT8H", "maxGrantsPerNamespace": 200},
    })
}

/// A bed without any boundary, nothing running.
pub async fn unfenced(name: &str) -> Bed {
    let options = BedOptions {
        boundary: false,
        ..BedOptions::story(&format!("red_team_{name}")).unwrap()
    };
    Bed::with(options).await.unwrap()
}

/// A fenced bed, and an operator at rest in it.
pub async fn fenced(name: &str) -> (Bed, Operator) {
    fenced_by(name, |_| {}).await
}

/// The same, with other clauses.
pub async fn fenced_by(name: &str, change: impl FnOnce(&mut Value)) -> (Bed, Operator) {
    let bed = unfenced(name).await;
    let mut spec = fence(&bed);
    change(&mut spec);
    bed.write_boundary(&bed.namespace, &spec).await.unwrap();
    let operator = start(&bed).await;
    (bed, operator)
}

/// The bed's boundary as it is.
pub fn boundaries(bed: &Bed) -> Api<GrantBoundary> {
    Api::all(bed.client.clone())
}

fn condition<'a>(status: &'a GrantStatus, type_: &str) -> Option<(&'a str, &'a str)> {
    let found = status.conditions.iter().find(|one| one.type_ == type_)?;
    Some((&found.status, &found.message))
}

/// Waits until an object is denied for its present generation, and returns what it is told.
pub async fn until_denied<K: Grant>(bed: &Bed, name: &str) -> String {
    let generation = bed.api::<K>().get(name).await.unwrap().meta().generation;
    let object: K = bed
        .until(name, "a denial", |status| {
            let denied = condition(status, "Authorized").is_some_and(|(holds, _)| holds == "False");
            let stalled = condition(status, "Stalled").is_some_and(|(holds, _)| holds == "True");
            status.observed_generation >= generation && denied && stalled
        })
        .await;
    let status = object.status().unwrap();
    condition(status, "Authorized").unwrap().1.to_owned()
}

/// That an object is denied for a reason, and that Graph was asked for nothing.
pub async fn denied<K: Grant>(bed: &Bed, name: &str, why: &str) {
    let said = until_denied::<K>(bed, name).await;
    assert!(said.contains(why), "{said}");
    assert_eq!(sent(bed), Vec::<String>::new());
}
