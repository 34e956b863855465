//! Two replicas, of which one is killed, stopped or frozen again and again, while grants are created and changed all the while.
//!
//! What is counted comes from outside: who led from the Lease ([`terms`]), who wrote from the simulator's log ([`writes`]).

pub mod terms;
pub mod writes;

use std::{
    net::TcpListener,
    path::PathBuf,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use kube::{
    ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use pim_operator::{
    api::group_grant::{GroupAssignment, GroupEligibility},
    controller::grant::Grant,
};
use pim_simulator::{Kind, ScheduleView};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    bed::{Bed, BedError, traffic_log},
    kill_points::Program,
    load::{Load, name},
    process::OperatorProcess,
};
use terms::{Term, Terms, led};
use writes::{Writes, doubled};

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_mins(2);
const LOOK: Duration = Duration::from_millis(5);

/// What befalls the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// SIGKILL.
    Kill,
    /// SIGTERM.
    Stop,
    /// SIGSTOP until another leads and has written, then SIGCONT.
    Freeze,
}

/// A drill.
#[derive(Clone, Debug)]
pub struct Drill {
    /// Its name, for its logs.
    pub name: &'static str,
    /// What befalls the leaders, one after the other.
    pub blows: Vec<Blow>,
    /// The grants.
    pub load: Load,
    /// The time between two edits of a grant.
    pub pause: Duration,
    /// What is run as the replicas.
    pub program: Program,
    /// Further arguments of `pim-operator run`.
    pub args: Vec<String>,
}

/// What a blow came to.
#[derive(Clone, Copy, Debug)]
pub struct Failover {
    /// The blow.
    pub blow: Blow,
    /// From the blow to the other replica's hold of the Lease.
    pub takeover: Duration,
    /// From the blow to the first request of the other replica.
    pub first_write: Duration,
}

/// What a drill came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Each blow.
    pub failovers: Vec<Failover>,
    /// Edits of manifests.
    pub edits: u64,
    /// Schedule requests that reached Graph.
    pub requests: usize,
    /// Grants that are not in Entra as declared.
    pub lost: usize,
    /// Requests that were carried out beyond one for each generation of a manifest.
    pub doubled: usize,
    /// Requests of a process that did not lead at that moment.
    pub by_non_leaders: usize,
    /// Leaderships, as the Lease counted them.
    pub terms: usize,
}

struct Replica {
    name: String,
    address: String,
    process: OperatorProcess,
}

impl Drill {
    /// Runs the drill.
    ///
    /// # Errors
    /// When something did not happen in time, or a replica ended as it should not.
    pub async fn run(&self) -> Result<Outcome, BedError> {
        let log = traffic_log(self.name)?;
        let mut options = self.load.options(self.name);
        options.simulator.traffic_log = Some(log.clone());
        let bed = Bed::with(options).await?;
        let terms = Terms::follow(&bed);
        let mut writes = Writes::follow(&log)?;
        let mut replicas = vec![self.start(&bed, 1).await?, self.start(&bed, 2).await?];
        let stop = CancellationToken::new();
        let (edits, failovers) = tokio::join!(self.edit(&bed, &stop), async {
            let failovers = self.strike(&bed, &terms, &mut writes, &mut replicas).await;
            stop.cancel();
            failovers
        });
        let (edits, failovers) = (edits?, failovers?);
        self.load.until_ready(&bed, PATIENCE).await?;
        let lost = self.lost(&bed).await?;
        let (all, writes) = (terms.all(), writes.so_far()?);
        let stray = writes
            .iter()
            .filter(|write| !led(&all, &write.process, write.at));
        let by_non_leaders = stray
            .inspect(|write| eprintln!("{}: by no leader: {write:?}", self.name))
            .count();
        Ok(Outcome {
            failovers,
            edits,
            requests: writes.len(),
            lost,
            doubled: doubled(writes),
            by_non_leaders,
            terms: all.len(),
        })
    }

    /// Creates the grants, then changes one after the other until told to stop.
    async fn edit(&self, bed: &Bed, stop: &CancellationToken) -> Result<u64, BedError> {
        self.load.declare(bed).await?;
        let api = bed.api::<GroupEligibility>();
        let places = (1..=self.load.groups)
            .flat_map(|group| (1..=self.load.of_each_kind).map(move |member| name(group, member)));
        let mut edits = 0;
        for (number, name) in places.cycle().enumerate() {
            let days = 30 + number % 60;
            let schedule =
                json!({"expiration": {"type": "afterDuration", "duration": format!("P{days}D")}});
            let patch = Patch::Merge(json!({"spec": {"scheduleInfo": schedule}}));
            api.patch(&name, &PatchParams::default(), &patch).await?;
            edits += 1;
            let pause = tokio::time::sleep(self.pause);
            if stop.run_until_cancelled(pause).await.is_none() {
                break;
            }
        }
        Ok(edits)
    }

    async fn strike(
        &self,
        bed: &Bed,
        terms: &Terms,
        writes: &mut Writes,
        replicas: &mut Vec<Replica>,
    ) -> Result<Vec<Failover>, BedError> {
        let mut failovers = Vec::new();
        for (number, blow) in self.blows.iter().enumerate() {
            let failover = self
                .one_blow(bed, *blow, number, terms, writes, replicas)
                .await
                .map_err(|error| format!("blow {number} ({blow:?}): {error}"))?;
            println!("{}: {failover:?}", self.name);
            failovers.push(failover);
        }
        Ok(failovers)
    }

    async fn one_blow(
        &self,
        bed: &Bed,
        blow: Blow,
        number: usize,
        terms: &Terms,
        writes: &mut Writes,
        replicas: &mut Vec<Replica>,
    ) -> Result<Failover, BedError> {
        for replica in replicas.iter() {
            replica.until_ready().await?;
        }
        // The leader is at work.
        let leader = until("a leader that writes", || {
            let Some(term) = terms.present() else {
                return Ok(None);
            };
            let recent = Utc::now() - TimeDelta::seconds(1);
            let mut last = writes.so_far()?.iter().rev();
            let works = last.any(|write| write.process == term.holder && write.at > recent);
            Ok(works.then_some(term))
        })
        .await?;
        let struck = replicas
            .iter()
            .position(|replica| leader.holder.starts_with(&format!("{}_", replica.name)))
            .ok_or("the leader is none of ours")?;
        let mut struck = replicas.remove(struck);
        let at = Utc::now();
        match blow {
            Blow::Kill => struck.process.kill()?,
            Blow::Stop => struck.process.signal("TERM")?,
            Blow::Freeze => struck.process.signal("STOP")?,
        }
        let next: Term = until("another leader", || {
            let present = terms.present();
            Ok(present.filter(|term| term.holder != leader.holder))
        })
        .await?;
        let first_write = until("a request of the new leader", || {
            let mut all = writes.so_far()?.iter();
            Ok(all
                .find(|write| write.process == next.holder)
                .map(|write| write.at))
        })
        .await?;
        match blow {
            Blow::Kill => {}
            Blow::Stop => struck.ends(true).await?,
            Blow::Freeze => {
                struck.process.signal("CONT")?;
                // It finds its lease lost.
                struck.ends(false).await?;
            }
        }
        drop(struck);
        replicas.push(self.start(bed, number + 3).await?);
        Ok(Failover {
            blow,
            takeover: between(at, next.from),
            first_write: between(at, first_write),
        })
    }

    async fn start(&self, bed: &Bed, number: usize) -> Result<Replica, BedError> {
        // Free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let name = format!("replica-{number}");
        let mut args = vec!["--leader-elect".to_owned()];
        args.extend(["--identity".to_owned(), name.clone()]);
        let mut given = bed.operator_args();
        for pair in given.chunks_mut(2) {
            if pair[0] == "--metrics-address" {
                pair[1].clone_from(&address);
            }
        }
        args.extend(given);
        args.extend(self.args.clone());
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/drill");
        let log = PathBuf::from(folder).join(format!("{}-{number}.log", self.name));
        let kubeconfig = bed.control_plane.kubeconfig_path();
        let process = match &self.program {
            Program::Itself => {
                OperatorProcess::start(kubeconfig, &bed.simulator.url(), &log, &args)
            }
            Program::Binary(program) => {
                OperatorProcess::start_program(program, kubeconfig, &log, &args)
            }
        };
        let replica = Replica {
            name,
            address,
            process: process?,
        };
        replica.until_ready().await?;
        Ok(replica)
    }

    /// Grants that are not in Entra as their manifests have them.
    async fn lost(&self, bed: &Bed) -> Result<usize, BedError> {
        let eligible = missing::<GroupEligibility>(bed, Kind::Eligibility).await?;
        let active = missing::<GroupAssignment>(bed, Kind::Assignment).await?;
        let declared = (self.load.groups * self.load.of_each_kind) as usize;
        Ok(eligible + active + eligible_rows_too_few(bed, declared))
    }
}

fn eligible_rows_too_few(bed: &Bed, declared: usize) -> usize {
    let rows = |kind| bed.simulator.schedules(kind).len();
    declared.saturating_sub(rows(Kind::Eligibility))
        + declared.saturating_sub(rows(Kind::Assignment))
}

async fn missing<K: Grant>(bed: &Bed, kind: Kind) -> Result<usize, BedError> {
    let rows = bed.simulator.schedules(kind);
    let objects = bed.api::<K>().list(&ListParams::default()).await?;
    let mut missing = 0;
    for object in objects {
        let terms = object.terms();
        let status = object.status().cloned().unwrap_or_default();
        let schedule = status.schedule.as_ref();
        let declared = schedule.map(|schedule| &schedule.declared.expiration.duration);
        let as_declared = declared == Some(&terms.schedule_info.expiration.duration);
        let end = schedule.and_then(|schedule| schedule.end_date_time);
        let principal = status
            .resolved
            .map(|resolved| resolved.principal_id.to_string());
        let is_its = |row: &&ScheduleView| Some(&row.principal_id) == principal.as_ref();
        let near = |row: &ScheduleView| match (row.end, end) {
            (Some(row), Some(end)) => (row - end).abs() <= TimeDelta::minutes(1),
            _ => false,
        };
        if !(as_declared && rows.iter().find(is_its).is_some_and(near)) {
            eprintln!("{} is not as declared", object.name_any());
            missing += 1;
        }
    }
    Ok(missing)
}

impl Replica {
    async fn until_ready(&self) -> Result<(), BedError> {
        let url = format!("http://{}/readyz", self.address);
        let client = reqwest::Client::new();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let asked = client.get(&url).timeout(Duration::from_secs(2)).send();
            if asked.await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("{} was never ready", self.name).into());
            }
            tokio::time::sleep(LOOK * 10).await;
        }
    }

    async fn ends(&mut self, well: bool) -> Result<(), BedError> {
        let process = &mut self.process;
        let ended = until("the end of the process", || Ok(process.ended()?)).await?;
        if ended == well {
            Ok(())
        } else {
            Err(format!("{} ended well: {ended}", self.name).into())
        }
    }
}

fn between(from: DateTime<Utc>, to: DateTime<Utc>) -> Duration {
    (to - from).to_std().unwrap_or_default()
}

async fn until<T>(
    what: &str,
    mut look: impl FnMut() -> Result<Option<T>, BedError>,
) -> Result<T, BedError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            return Err(format!("never came: {what}").into());
        }
        tokio::time::sleep(LOOK).await;
    }
}
