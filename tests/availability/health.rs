//! Readiness is "leads, or could"; liveness asks neither Graph nor the API server.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use pim_harness::{Bed, Operator, detour::Detour, drill::terms::Terms};
use pim_simulator::{Fault, FaultKind};
use tokio::net::TcpListener;

use crate::support::bed;

async fn fetch(address: SocketAddr, path: &str) -> u16 {
    let url = format!("http://{address}{path}");
    reqwest::get(url).await.unwrap().status().as_u16()
}

/// A replica by a client, and where it is asked after.
async fn replica(bed: &Bed, name: &str, client: kube::Client) -> (Operator, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut controller = bed.controller(client);
    controller.listener = Some(listener);
    controller.identity = Some(name.to_owned());
    (Operator::start(controller), address)
}

async fn until_ready(bed: &Bed, address: SocketAddr) {
    bed.eventually("readiness", || async {
        fetch(address, "/readyz").await == 200
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_ready_and_an_outage_of_graph_makes_nobody_unwell() {
    let bed = bed("health_standby", |_| {}).await;
    let terms = Terms::follow(&bed);
    bed.simulator
        .faults()
        .add(Fault::new(FaultKind::CutBeforeCommit).times(1_000));
    let (one, first) = replica(&bed, "one", bed.client.clone()).await;
    until_ready(&bed, first).await;
    bed.eventually("a leader", || async { terms.present().is_some() })
        .await;
    let (two, second) = replica(&bed, "two", bed.client.clone()).await;
    until_ready(&bed, second).await;
    assert_eq!(fetch(first, "/healthz").await, 200);
    assert_eq!(fetch(second, "/healthz").await, 200);
    assert_eq!(terms.all().len(), 1);
    two.stop().await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_could_not_lead_yet_is_not_ready_and_is_well() {
    let bed = bed("health_unready", |_| {}).await;
    let away = Arc::new(AtomicBool::new(true));
    let is_away = Arc::clone(&away);
    // One of the lists that it works from stays unread.
    let way = move |path: &str| {
        if is_away.load(Ordering::SeqCst) && path.contains("/grantboundaries?") {
            Detour::Lost
        } else {
            Detour::None
        }
    };
    let (operator, address) = replica(&bed, "one", bed.client_by_way_of(way).await).await;
    assert_eq!(fetch(address, "/readyz").await, 503);
    assert_eq!(fetch(address, "/healthz").await, 200);
    away.store(false, Ordering::SeqCst);
    until_ready(&bed, address).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_api_server_a_replica_is_well() {
    let bed = bed("health_no_api_server", |_| {}).await;
    let way = |_: &str| Detour::Lost;
    let (operator, address) = replica(&bed, "one", bed.client_by_way_of(way).await).await;
    assert_eq!(fetch(address, "/healthz").await, 200);
    assert_eq!(fetch(address, "/readyz").await, 503);
    operator.stop().await;
}
