//! `kill -9` at the worst moment: Graph has carried out a request, and the operator does not know it yet.
//!
//! Each point is an apply of its own: 100 grants, of which one, chosen at random, has the answer to its request held back after
//! the commit. The operator is killed in that gap, with whatever else it has under way, and started again.
//! In the end every grant must be there, by one request each.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

use futures::{StreamExt, TryStreamExt, stream};
use pim_operator::{
    api::group_grant::{GroupAssignment, GroupEligibility},
    controller::grant::Grant,
};
use pim_simulator::{Fault, FaultKind, Kind};

use crate::{
    bed::{Bed, BedError, traffic_log},
    load::{Load, name},
    process::OperatorProcess,
};

const LOAD: Load = Load {
    groups: 5,
    of_each_kind: 10,
};
/// How long an answer is held back: longer than the operator lives.
const HELD_BACK: Duration = Duration::from_secs(50);
/// How long the operator may take to reach the point, and to converge afterwards.
const PATIENCE: Duration = Duration::from_mins(2);

/// What is run as the operator.
#[derive(Clone, Debug)]
pub enum Program {
    /// This executable, which calls [`crate::process::run_if_operator`] first.
    Itself,
    /// The product's own.
    Binary(PathBuf),
}

/// A run of kill points.
#[derive(Clone, Debug)]
pub struct KillPoints {
    /// How many.
    pub points: u32,
    /// How many of them at a time.
    pub side_by_side: usize,
    /// Chooses the points: the same seed, the same victims.
    pub seed: u64,
    /// What is killed.
    pub program: Program,
}

/// What all points together came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Points at which the operator was killed in the gap.
    pub points: u32,
    /// Grants in Entra in the end.
    pub grants: usize,
    /// Schedule requests that Graph received.
    pub posts: u64,
    /// Schedule requests that changed something.
    pub changes: usize,
    /// Changes beyond one per grant.
    pub duplicates: usize,
    /// Declared grants that Entra does not hold.
    pub lost: usize,
}

impl Outcome {
    /// What so many points come to when nothing is lost or doubled; requests that changed nothing are not judged.
    #[must_use]
    pub fn sound(points: u32, posts: u64) -> Self {
        let grants = (points * LOAD.grants()) as usize;
        Self {
            points,
            grants,
            posts,
            changes: grants,
            duplicates: 0,
            lost: 0,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            points: self.points + other.points,
            grants: self.grants + other.grants,
            posts: self.posts + other.posts,
            changes: self.changes + other.changes,
            duplicates: self.duplicates + other.duplicates,
            lost: self.lost + other.lost,
        }
    }
}

impl KillPoints {
    /// Runs all points.
    ///
    /// # Errors
    /// When a point was not reached, or the operator did not converge after it.
    pub async fn run(&self) -> Result<Outcome, BedError> {
        let points = (0..self.points).map(|point| self.point(point));
        stream::iter(points)
            .buffer_unordered(self.side_by_side.max(1))
            .try_fold(
                Outcome::default(),
                |sum, one| async move { Ok(sum.plus(one)) },
            )
            .await
    }

    async fn point(&self, point: u32) -> Result<Outcome, BedError> {
        let victim = Victim::choose(self.seed, point);
        self.kill_at(point, victim).await.map_err(|error| {
            format!("point {point} ({victim:?}, seed {}): {error}", self.seed).into()
        })
    }

    async fn kill_at(&self, point: u32, victim: Victim) -> Result<Outcome, BedError> {
        let name = format!("kill_point_{point}");
        let mut options = LOAD.options(&name);
        options.simulator.traffic_log = Some(traffic_log(&name)?);
        options.simulator.keep_traffic = true;
        let bed = Bed::with(options).await?;
        LOAD.declare(&bed).await?;
        let answer_held_back = FaultKind::SlowAfterCommit {
            milliseconds: u64::try_from(HELD_BACK.as_millis())?,
        };
        // The justification names the object that a request is made for.
        bed.simulator.faults().add(
            Fault::new(answer_held_back)
                .method("POST")
                .path(victim.path())
                .body(&victim.mark(&bed)),
        );
        let log = PathBuf::from(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../target/kill-points"
        ))
        .join(format!("{point}.log"));
        let mut operator = self.start(&bed, &log)?;
        tokio::time::timeout(PATIENCE, victim.committed(&bed))
            .await
            .map_err(|_| "its request never came")?;
        operator.kill()?;
        if victim.knows_its_answer(&bed).await? {
            return Err("the operator was killed too late: it had recorded the answer".into());
        }
        let _operator = self.start(&bed, &log)?;
        LOAD.until_ready(&bed, PATIENCE).await?;
        Ok(count(&bed))
    }

    fn start(&self, bed: &Bed, log: &Path) -> std::io::Result<OperatorProcess> {
        let args = bed.operator_args();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let kubeconfig = bed.control_plane.kubeconfig_path();
        match &self.program {
            Program::Itself => OperatorProcess::start(kubeconfig, &bed.simulator.url(), log, &args),
            Program::Binary(program) => {
                OperatorProcess::start_program(program, kubeconfig, log, &args)
            }
        }
    }
}

/// The grant whose request the operator does not survive.
#[derive(Clone, Copy, Debug)]
struct Victim {
    kind: Kind,
    group: u32,
    member: u32,
}

impl Victim {
    fn choose(seed: u64, point: u32) -> Self {
        let mut number = scrambled(seed ^ (u64::from(point) << 32));
        let mut below = |bound: u32| {
            let chosen = number % u64::from(bound);
            number /= u64::from(bound);
            u32::try_from(chosen).unwrap_or_default()
        };
        Self {
            kind: match below(2) {
                0 => Kind::Eligibility,
                _ => Kind::Assignment,
            },
            group: 1 + below(LOAD.groups),
            member: 1 + below(LOAD.of_each_kind),
        }
    }

    fn name(self) -> String {
        name(self.group, self.member)
    }

    fn path(self) -> &'static str {
        match self.kind {
            Kind::Eligibility => "/eligibilityScheduleRequests",
            Kind::Assignment => "/assignmentScheduleRequests",
        }
    }

    /// What only the justification of its requests contains.
    fn mark(self, bed: &Bed) -> String {
        format!("{}/{} ", bed.namespace, self.name())
    }

    /// Returns as soon as Graph has carried out its request.
    async fn committed(self, bed: &Bed) {
        let mark = self.mark(bed);
        let carried_out = || {
            bed.simulator.requests().iter().any(|request| {
                let justification = request.justification.as_deref().unwrap_or_default();
                request.kind == self.kind && justification.contains(&mark)
            })
        };
        while !carried_out() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Whether its status tells what Graph answered.
    async fn knows_its_answer(self, bed: &Bed) -> Result<bool, BedError> {
        async fn knows<K: Grant>(bed: &Bed, name: &str) -> Result<bool, BedError> {
            let object = bed.api::<K>().get(name).await?;
            let last = object
                .status()
                .and_then(|status| status.last_request.as_ref())
                .ok_or("its intent was not recorded before it was sent")?;
            Ok(last.id.is_some() || last.error.is_some())
        }
        match self.kind {
            Kind::Eligibility => knows::<GroupEligibility>(bed, &self.name()).await,
            Kind::Assignment => knows::<GroupAssignment>(bed, &self.name()).await,
        }
    }
}

/// The books of the simulator, in the end.
fn count(bed: &Bed) -> Outcome {
    let mut changes: HashMap<_, usize> = HashMap::new();
    let requests = bed.simulator.requests();
    for request in requests.iter().filter(|request| request.status != "Failed") {
        let key = (
            request.kind == Kind::Eligibility,
            request.group_id.clone(),
            request.principal_id.clone(),
        );
        *changes.entry(key).or_default() += 1;
    }
    let grants = bed.simulator.schedules(Kind::Eligibility).len()
        + bed.simulator.schedules(Kind::Assignment).len();
    let posts = bed
        .simulator
        .traffic()
        .counts()
        .by_endpoint
        .iter()
        .filter(|(endpoint, _)| {
            endpoint.starts_with("POST ") && endpoint.ends_with("ScheduleRequests")
        })
        .map(|(_, count)| count)
        .sum();
    Outcome {
        points: 1,
        grants,
        posts,
        changes: changes.values().sum(),
        duplicates: changes.values().map(|count| count - 1).sum(),
        lost: (LOAD.grants() as usize).saturating_sub(grants),
    }
}

/// `SplitMix64`: evenly scattered numbers from consecutive ones.
fn scrambled(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
