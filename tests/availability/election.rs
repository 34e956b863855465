//! Two replicas in one process: the Lease is meddled with, the API server is away, clocks jump.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use pim_harness::{
    Bed, BedOptions,
    detour::Detour,
    drill::terms::{Terms, led},
};
use pim_operator::{
    api::group_grant::GroupEligibility,
    controller::{
        election::{LEASE, Timings},
        run::RunError,
    },
};
use pim_simulator::FaultKind;
use pim_testbed::{ControlPlane, ControlPlaneOptions};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{bed, eligible, sent};

/// Short, for whoever waits for a lease to run out; a busy machine must keep to them all the same.
const SHORT: Timings = Timings {
    lease: Duration::from_secs(10),
    renew: Duration::from_secs(8),
    retry: Duration::from_millis(500),
};
/// So long that only a lease that is given back changes hands.
const LONG: Timings = Timings {
    lease: Duration::from_mins(2),
    renew: Duration::from_secs(100),
    retry: Duration::from_millis(500),
};
const PATIENCE: Duration = Duration::from_mins(1);

/// A replica in this process.
struct Replica {
    stop: CancellationToken,
    task: JoinHandle<Result<(), RunError>>,
}

impl Replica {
    fn start(bed: &Bed, name: &str, timings: Timings, client: Client) -> Self {
        let mut controller = bed.controller(client);
        controller.identity = Some(name.to_owned());
        controller.timings = timings;
        let stop = CancellationToken::new();
        Self {
            task: tokio::spawn(controller.run(stop.clone())),
            stop,
        }
    }

    async fn ended(self) -> Result<(), RunError> {
        let ended = tokio::time::timeout(PATIENCE, self.task).await;
        ended.expect("the replica never ended").unwrap()
    }

    async fn stop(self) {
        self.stop.cancel();
        self.ended().await.unwrap();
    }
}

async fn until_leads(bed: &Bed, terms: &Terms, name: &str) {
    bed.eventually(&format!("{name} leads"), || async {
        let leader = terms.present();
        leader.is_some_and(|term| term.holder.starts_with(name))
    })
    .await;
}

fn leases(bed: &Bed) -> Api<Lease> {
    Api::namespaced(bed.client.clone(), &bed.namespace)
}

/// A leader `one` and a standby `two`.
async fn pair(bed: &Bed, terms: &Terms, timings: Timings) -> (Replica, Replica) {
    let one = Replica::start(bed, "one", timings, bed.client.clone());
    until_leads(bed, terms, "one").await;
    let two = Replica::start(bed, "two", timings, bed.client.clone());
    (one, two)
}

async fn grant(bed: &Bed, name: &str, user: &str) {
    eligible(name).user(user).apply(bed).await;
    bed.until_reason::<GroupEligibility>(name, "Provisioned")
        .await;
}

/// Every request to Graph, reads included, came from whoever led.
fn only_leaders_spoke(bed: &Bed, terms: &Terms) {
    let all = terms.all();
    for exchange in bed.simulator.traffic().entries() {
        let agent = exchange.user_agent.unwrap_or_default();
        // Sign-ins go through a library that has a name of its own.
        if let Some(rest) = agent.strip_prefix("pim-operator/") {
            let process = rest.split(['(', ')']).nth(1).unwrap_or_default();
            let known = all.iter().any(|term| term.holder == process);
            assert!(known, "{agent} asked Graph and never led: {all:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_is_given_back_is_taken_at_once_and_a_standby_asks_graph_nothing_before() {
    let bed = bed("election_handover", |_| {}).await;
    let terms = Terms::follow(&bed);
    let (one, two) = pair(&bed, &terms, LONG).await;
    grant(&bed, "alice", "alice@contoso.com").await;
    one.stop().await;
    until_leads(&bed, &terms, "two").await;
    grant(&bed, "bob", "bob@contoso.com").await;
    assert_eq!(sent(&bed), ["adminAssign", "adminAssign"]);
    only_leaders_spoke(&bed, &terms);
    let writes = bed.simulator.traffic().entries().into_iter();
    for write in writes.filter(|exchange| exchange.path.ends_with("ScheduleRequests")) {
        if write.method == "POST" {
            let agent = write.user_agent.unwrap();
            let process = agent.split(['(', ')']).nth(1).unwrap().to_owned();
            let at = write.time.parse().unwrap();
            assert!(led(&terms.all(), &process, at), "{process} at {at}");
        }
    }
    two.stop().await;
    let lease = leases(&bed).get(LEASE).await.unwrap();
    assert_eq!(lease.spec.unwrap().holder_identity, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_watch_of_the_lease_it_is_noticed_all_the_same() {
    let bed = bed("election_no_watch", |_| {}).await;
    let terms = Terms::follow(&bed);
    let one = Replica::start(&bed, "one", LONG, bed.client.clone());
    until_leads(&bed, &terms, "one").await;
    let deaf = |path: &str| {
        if path.contains("/leases?") && path.contains("watch=true") {
            Detour::Lost
        } else {
            Detour::None
        }
    };
    let two = Replica::start(&bed, "two", LONG, bed.client_by_way_of(deaf).await);
    grant(&bed, "alice", "alice@contoso.com").await;
    one.stop().await;
    until_leads(&bed, &terms, "two").await;
    grant(&bed, "bob", "bob@contoso.com").await;
    assert_eq!(sent(&bed).len(), 2);
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_vanishes_is_written_anew_by_whoever_held_it() {
    let bed = bed("election_lease_gone", |_| {}).await;
    let terms = Terms::follow(&bed);
    let (one, two) = pair(&bed, &terms, LONG).await;
    grant(&bed, "alice", "alice@contoso.com").await;
    let leases = leases(&bed);
    for round in 0..3 {
        let uid = leases.get(LEASE).await.unwrap().uid();
        leases
            .delete(LEASE, &DeleteParams::default())
            .await
            .unwrap();
        bed.eventually("a new Lease", || async {
            let lease = leases.get_opt(LEASE).await.unwrap();
            lease.is_some_and(|lease| {
                let holder = lease.spec.as_ref().unwrap().holder_identity.as_ref();
                assert!(holder.unwrap().starts_with("one_"), "round {round}");
                lease.uid() != uid
            })
        })
        .await;
    }
    grant(&bed, "bob", "bob@contoso.com").await;
    assert_eq!(sent(&bed), ["adminAssign", "adminAssign"]);
    assert!(!one.task.is_finished(), "it leads on");
    only_leaders_spoke(&bed, &terms);
    two.stop().await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_finds_another_name_in_the_lease_ends_and_writes_nothing_more() {
    let bed = bed("election_other_name", |_| {}).await;
    let terms = Terms::follow(&bed);
    let (one, two) = pair(&bed, &terms, SHORT).await;
    grant(&bed, "alice", "alice@contoso.com").await;
    let leases = leases(&bed);
    let stranger = json!({"spec": {"holderIdentity": "stranger", "leaseDurationSeconds": 1}});
    let written = leases
        .patch(LEASE, &PatchParams::default(), &Patch::Merge(stranger))
        .await
        .unwrap();
    assert!(matches!(one.ended().await, Err(RunError::LeaseLost(_))));
    let sent_by_one = sent(&bed);
    eligible("bob").user("bob@contoso.com").apply(&bed).await;
    // The stranger's lease runs out first, by the duration that replicas agree on.
    until_leads(&bed, &terms, "two").await;
    let taken = leases.get(LEASE).await.unwrap();
    let transitions = |lease: &Lease| lease.spec.as_ref().unwrap().lease_transitions;
    assert_eq!(
        transitions(&taken),
        transitions(&written).map(|before| before + 1)
    );
    bed.until_reason::<GroupEligibility>("bob", "Provisioned")
        .await;
    assert_eq!(sent(&bed).len(), sent_by_one.len() + 1);
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_cut_off_from_the_api_server_ends_before_another_leads() {
    let bed = bed("election_cut_off", |_| {}).await;
    let terms = Terms::follow(&bed);
    let cut = Arc::new(AtomicBool::new(false));
    let is_cut = Arc::clone(&cut);
    let way = move |_: &str| {
        if is_cut.load(Ordering::SeqCst) {
            Detour::Lost
        } else {
            Detour::None
        }
    };
    let one = Replica::start(&bed, "one", SHORT, bed.client_by_way_of(way).await);
    until_leads(&bed, &terms, "one").await;
    let two = Replica::start(&bed, "two", SHORT, bed.client.clone());
    grant(&bed, "alice", "alice@contoso.com").await;
    // The answer of this one is still awaited when the API server is gone.
    bed.simulator.faults().add(
        pim_simulator::Fault::new(FaultKind::SlowAfterCommit {
            milliseconds: 1_000,
        })
        .method("POST")
        .path("eligibilityScheduleRequests"),
    );
    eligible("bob").user("bob@contoso.com").apply(&bed).await;
    bed.eventually("the request", || async { sent(&bed).len() == 2 })
        .await;
    cut.store(true, Ordering::SeqCst);
    assert!(matches!(one.ended().await, Err(RunError::LeaseLost(_))));
    let leader = terms.present();
    assert!(
        leader.is_some_and(|term| term.holder.starts_with("one")),
        "it ended before the lease was taken"
    );
    until_leads(&bed, &terms, "two").await;
    for name in ["alice", "bob"] {
        bed.until_reason::<GroupEligibility>(name, "Provisioned")
            .await;
    }
    grant(&bed, "carol", "carol@contoso.com").await;
    assert_eq!(sent(&bed), ["adminAssign"; 3], "nothing was sent twice");
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_jump_neither_end_a_leadership_nor_prolong_it() {
    let bed = bed("election_clocks", |_| {}).await;
    let terms = Terms::follow(&bed);
    let (one, two) = pair(&bed, &terms, LONG).await;
    grant(&bed, "alice", "alice@contoso.com").await;
    bed.advance(TimeDelta::hours(3));
    grant(&bed, "bob", "bob@contoso.com").await;
    let back = bed.now() - TimeDelta::hours(2);
    bed.simulator.clock().set(back);
    grant(&bed, "carol", "carol@contoso.com").await;
    assert_eq!(sent(&bed), ["adminAssign"; 3]);
    assert_eq!(terms.all().len(), 1, "{:?}", terms.all());
    assert!(!one.task.is_finished());
    two.stop().await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_is_away_longer_than_a_lease_finds_one_leader_and_nothing_doubled() {
    let control_plane = ControlPlane::start(ControlPlaneOptions::default())
        .await
        .unwrap();
    let control_plane = Box::leak(Box::new(control_plane));
    let options = BedOptions::story("election_outage").unwrap();
    let bed = Bed::on(control_plane, options).await.unwrap();
    let terms = Terms::follow(&bed);
    let (one, two) = pair(&bed, &terms, SHORT).await;
    grant(&bed, "alice", "alice@contoso.com").await;
    eligible("bob").user("bob@contoso.com").apply(&bed).await;
    bed.control_plane.stop_apiserver().await;
    assert!(matches!(one.ended().await, Err(RunError::LeaseLost(_))));
    // As its container would be.
    let again = Replica::start(&bed, "again", SHORT, bed.client.clone());
    bed.control_plane.start_apiserver().await.unwrap();
    for name in ["alice", "bob"] {
        bed.until_reason::<GroupEligibility>(name, "Provisioned")
            .await;
    }
    grant(&bed, "carol", "carol@contoso.com").await;
    assert_eq!(sent(&bed), ["adminAssign"; 3], "nothing was sent twice");
    // Whoever keeps the list of leaders has lost its watch as well, and comes back to it in its own time.
    bed.eventually("the second leader in the list", || async {
        terms.all().len() >= 2
    })
    .await;
    assert_eq!(terms.all().len(), 2, "{:?}", terms.all());
    two.stop().await;
    again.stop().await;
}
