//! Every version of every object that the API server stored while a test ran: no state is too short to be judged.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use kube::{
    Api, ResourceExt,
    api::{DynamicObject, ListParams},
    runtime::watcher::{Config, Event, watcher},
};
use pim_harness::Bed;
use pim_operator::api::conditions::Reason;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::{
    reasons::{Shape, expected, seen},
    tools::{judge, resource},
};

/// The kinds that report and live in a namespace.
pub const KINDS: [&str; 5] = [
    "GroupEligibility",
    "GroupAssignment",
    "RoleEligibility",
    "RoleAssignment",
    "PimPolicy",
];

/// Records the objects of a bed.
pub struct Recorder {
    watched: Vec<(Api<DynamicObject>, Config)>,
    seen: Arc<Mutex<Vec<Value>>>,
    task: JoinHandle<()>,
}

impl Recorder {
    /// Records from now on: the tenant, and what is in the bed's namespace.
    pub fn start(bed: &Bed) -> Self {
        Self::of(bed, [&bed.namespace])
    }

    /// Records from now on: the tenant, and what is in these namespaces.
    pub fn of<'a>(bed: &Bed, namespaces: impl IntoIterator<Item = &'a String>) -> Self {
        let of_this_bed = Config::default().fields(&format!("metadata.name={}", bed.tenant));
        let tenants = Api::all_with(bed.client.clone(), &resource("EntraTenant"));
        let mut watched = vec![(tenants, of_this_bed)];
        for namespace in namespaces {
            for kind in KINDS {
                let kind = resource(kind);
                let api = Api::namespaced_with(bed.client.clone(), namespace, &kind);
                watched.push((api, Config::default()));
            }
        }
        let events =
            |(api, config): &(Api<_>, Config)| watcher(api.clone(), config.clone()).boxed();
        let mut stored = stream::select_all(watched.iter().map(events));
        let versions = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&versions);
        let task = tokio::spawn(async move {
            while let Some(event) = stored.next().await {
                if let Ok(Event::Apply(object) | Event::InitApply(object)) = event {
                    let object: DynamicObject = object;
                    let version = serde_json::to_value(object).unwrap();
                    kept.lock().unwrap().push(version);
                }
            }
        });
        Self {
            watched,
            seen: versions,
            task,
        }
    }

    /// Waits until everything that is stored now has been recorded.
    async fn until_complete(&self) {
        let deadline = Instant::now() + Duration::from_mins(1);
        for (api, config) in &self.watched {
            let params = ListParams {
                field_selector: config.field_selector.clone(),
                ..ListParams::default()
            };
            for object in api.list(&params).await.unwrap() {
                let version = object.resource_version().unwrap();
                let is_it = |one: &Value| one["metadata"]["resourceVersion"] == version.as_str();
                while !self.seen.lock().unwrap().iter().any(is_it) {
                    assert!(Instant::now() < deadline, "not seen: {object:?}");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }

    /// Judges everything that was recorded; what was seen, by kind, shape and reason.
    pub async fn judge(self) -> BTreeSet<(String, Shape, Reason)> {
        self.until_complete().await;
        self.task.abort();
        let versions = std::mem::take(&mut *self.seen.lock().unwrap());
        let verdicts = judge(&versions).await;
        let mut kinds = BTreeSet::new();
        for (object, verdicts) in versions.iter().zip(verdicts) {
            let wanted = expected(object);
            let found = verdicts.words();
            assert_eq!(Some(found), wanted, "{object:#}");
            assert_current(object);
            if let Some((shape, reason)) = seen(object) {
                kinds.insert((object["kind"].as_str().unwrap().to_owned(), shape, reason));
            }
        }
        println!(
            "{} versions, {} states: {kinds:?}",
            versions.len(),
            kinds.len()
        );
        kinds
    }
}

/// A status that speaks of a generation speaks of no older one in the conditions that tools read: an edited object must not look
/// done on the word of its former self.
fn assert_current(object: &Value) {
    let status = &object["status"];
    if status["observedGeneration"] == -1 {
        return;
    }
    for condition in status["conditions"].as_array().into_iter().flatten() {
        let read =
            ["Ready", "Reconciling", "Stalled"].contains(&condition["type"].as_str().unwrap());
        let same = condition["observedGeneration"] == status["observedGeneration"];
        assert!(!read || same, "{object:#}");
    }
}
