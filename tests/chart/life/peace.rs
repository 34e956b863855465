//! That nothing is written: neither to Entra nor, but for its lease, by the operator to Kubernetes.

use pim_simulator::Mark;
use serde_json::Value;

use crate::rights::stage::Stage;

/// Calls to Graph that read, although by POST.
const READS: [&str; 3] = ["/getByIds", "/getMemberGroups", "/checkMemberGroups"];

/// What there is, and what has been written so far.
pub struct Peace {
    objects: Vec<Value>,
    traffic: Mark,
    audit: u64,
}

impl Peace {
    /// From now on.
    pub async fn begins(stage: &Stage) -> Self {
        Self {
            objects: objects(stage).await,
            traffic: stage.bed.simulator.traffic().mark(),
            audit: stage.bed.control_plane.audit_mark().unwrap(),
        }
    }

    /// Nothing has been written since, and every object is as it was, to its version.
    pub async fn holds(&self, stage: &Stage, after: &str) {
        for (before, now) in self.objects.iter().zip(objects(stage).await) {
            assert_eq!(*before, now, "after {after}");
        }
        let requests = self.graph_writes(stage);
        assert!(requests.is_empty(), "after {after}: {requests:#?}");
        let account = format!(
            "system:serviceaccount:{}:{}",
            stage.namespace, stage.account
        );
        let events = stage.bed.control_plane.audit_since(self.audit).unwrap();
        let written: Vec<_> = events
            .iter()
            .filter(|event| event.user == account && event.resource != "leases")
            .collect();
        assert!(written.is_empty(), "after {after}: {written:#?}");
    }

    /// The calls since then that changed something in Entra, or tried to.
    pub fn graph_writes(&self, stage: &Stage) -> Vec<String> {
        let counts = stage.bed.simulator.traffic().counts_since(&self.traffic);
        let reads = |call: &String| {
            call.starts_with("GET ") || READS.iter().any(|ending| call.ends_with(ending))
        };
        let calls = counts.by_endpoint.into_iter();
        calls
            .filter(|(call, count)| *count > 0 && !reads(call))
            .map(|(call, count)| format!("{count} {call}"))
            .collect()
    }
}

/// All objects of our kinds, with their versions.
async fn objects(stage: &Stage) -> Vec<Value> {
    let printed = stage
        .kubectl(&["get", "entrapim", "--all-namespaces", "-o", "json"])
        .await;
    let list: Value = serde_json::from_str(&printed).unwrap();
    list["items"].as_array().unwrap().clone()
}
