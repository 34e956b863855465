//! Every version of every object that the API server stored while a test ran: no state is too short to be judged.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{StreamExt, stream};
use kube::{
    Api,
    api::DynamicObject,
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
        let mut watches = vec![watcher(tenants, of_this_bed).boxed()];
        for namespace in namespaces {
            for kind in KINDS {
                let kind = resource(kind);
                let api = Api::namespaced_with(bed.client.clone(), namespace, &kind);
                watches.push(watcher(api, Config::default()).boxed());
            }
        }
        let versions = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&versions);
        let task = tokio::spawn(async move {
            let mut watches = stream::select_all(watches);
            while let Some(event) = watches.next().await {
                if let Ok(Event::Apply(object) | Event::InitApply(object)) = event {
                    let object: DynamicObject = object;
                    let version = serde_json::to_value(object).unwrap();
                    kept.lock().unwrap().push(version);
                }
            }
        });
        Self {
            seen: versions,
            task,
        }
    }

    /// Judges everything that was recorded; what was seen, by kind, shape and reason.
    pub async fn judge(self) -> BTreeSet<(String, Shape, Reason)> {
        // What was stored last is on its way.
        tokio::time::sleep(Duration::from_millis(300)).await;
        self.task.abort();
        let versions = std::mem::take(&mut *self.seen.lock().unwrap());
        let verdicts = judge(&versions).await;
        let mut kinds = BTreeSet::new();
        for (object, verdicts) in versions.iter().zip(verdicts) {
            let wanted = expected(object);
            let found = verdicts.words();
            assert_eq!(Some(found), wanted, "{object:#}");
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
