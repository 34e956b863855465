//! Counting from the outside: Graph calls at the simulator, Kubernetes writes at the API server, memory at the kernel.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pim_harness::{Bed, bed::BedError, process::OperatorProcess};
use pim_simulator::Mark;
use pim_testbed::count_writes;
use serde::Serialize;

/// How the operator's requests begin in the audit log.
const USER_AGENT: &str = "pim-operator/";
/// Nothing has happened for this long: nothing more will, as every wait of the operator after a write is shorter.
const QUIET: Duration = Duration::from_secs(5);

/// What one case cost.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    /// Calls to Graph. Each request in a `$batch` is one; the batch itself is a round trip.
    pub graph_calls: u64,
    /// Of these, reads by GET.
    pub graph_gets: u64,
    /// Of these, schedule requests.
    pub graph_posts: u64,
    /// Of these, policy changes.
    pub graph_patches: u64,
    /// Of these, lists of earlier requests: one for each target and kind before new relative windows are opened.
    pub graph_history_lists: u64,
    /// Of these, lists of policies: one for each group, one for all roles.
    pub graph_policy_lists: u64,
    /// Of these, look-ups of directory objects by id, which Graph takes by POST.
    pub graph_lookups: u64,
    /// HTTP exchanges with Graph.
    pub http_round_trips: u64,
    /// Creations, updates, patches and deletions in Kubernetes, events among them, leases not.
    pub kubernetes_writes: usize,
    /// Of these, events.
    pub kubernetes_events: usize,
    /// All of them, by resource.
    pub kubernetes_writes_by_resource: BTreeMap<String, usize>,
    /// From the start of the operator, or of the check, to its last effect.
    pub wall_seconds: f64,
}

/// A point to count from.
pub struct Meter<'a> {
    bed: &'a Bed,
    traffic: Mark,
    audit: u64,
    started: Instant,
}

impl<'a> Meter<'a> {
    /// Counts from now on.
    pub fn start(bed: &'a Bed) -> Result<Self, BedError> {
        Ok(Self {
            bed,
            traffic: bed.simulator.traffic().mark(),
            audit: bed.control_plane.audit_mark()?,
            started: Instant::now(),
        })
    }

    /// The time since the start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits until there were that many reads and nothing has happened for a while; returns the time of the last event.
    pub async fn until_quiet(&self, reads: u64) -> Result<Duration, BedError> {
        const PATIENCE: Duration = Duration::from_mins(2);
        // The audit log's length stands for the writes: it is cheap to ask for.
        let state = || -> Result<(u64, u64), BedError> {
            let counts = self.bed.simulator.traffic().counts_since(&self.traffic);
            let reads = counts.graph_gets;
            let effects = counts.graph_calls + self.bed.control_plane.audit_mark()?;
            Ok((reads, effects))
        };
        let (mut last, mut changed) = (state()?, self.elapsed());
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let (now, at) = (state()?, self.elapsed());
            if now != last {
                (last, changed) = (now, at);
            } else if now.0 >= reads && at > changed + QUIET {
                return Ok(changed);
            } else if at > changed + PATIENCE {
                return Err(format!("only {} of {reads} reads came", now.0).into());
            }
        }
    }

    /// What has been counted.
    pub fn figures(&self) -> Result<Figures, BedError> {
        let counts = self.bed.simulator.traffic().counts_since(&self.traffic);
        let gets = |ending: &str| -> u64 {
            let endpoints = counts.by_endpoint.iter();
            endpoints
                .filter(|(endpoint, _)| endpoint.starts_with("GET ") && endpoint.ends_with(ending))
                .map(|(_, count)| count)
                .sum()
        };
        let posts = |ending: &str| -> u64 {
            let endpoints = counts.by_endpoint.iter();
            endpoints
                .filter(|(endpoint, _)| endpoint.starts_with("POST ") && endpoint.ends_with(ending))
                .map(|(_, count)| count)
                .sum()
        };
        let events = self.bed.control_plane.audit_since(self.audit)?;
        let writes = count_writes(&events, USER_AGENT);
        let sum = |of: &dyn Fn(&str) -> bool| -> usize {
            writes
                .iter()
                .filter(|(resource, _)| of(resource))
                .map(|(_, count)| count.total())
                .sum()
        };
        Ok(Figures {
            graph_calls: counts.graph_calls,
            graph_gets: counts.graph_gets,
            graph_posts: posts("ScheduleRequests"),
            graph_patches: counts.graph_patches,
            graph_history_lists: gets("ScheduleRequests"),
            graph_policy_lists: gets("roleManagementPolicyAssignments"),
            graph_lookups: posts("getByIds"),
            http_round_trips: counts.http_round_trips,
            kubernetes_writes: sum(&|resource| !resource.starts_with("leases")),
            kubernetes_events: sum(&|resource| resource == "events"),
            kubernetes_writes_by_resource: writes
                .iter()
                .map(|(resource, count)| (resource.clone(), count.total()))
                .collect(),
            wall_seconds: 0.0,
        })
    }
}

/// A value in MiB of the operator's `/proc/<pid>/status`, such as `VmRSS`.
pub fn memory(operator: &OperatorProcess, field: &str) -> Result<f64, BedError> {
    let path = format!("/proc/{}/status", operator.pid());
    let status = std::fs::read_to_string(&path)?;
    let kib: f64 = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| format!("{path} has no {field}"))?;
    Ok(kib / 1024.0)
}

/// Seconds to two places.
pub fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 100.0).round() / 100.0
}
