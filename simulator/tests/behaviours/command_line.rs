//! The program, and stopping.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::bed::*;

fn program(arguments: &[&str]) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pim-simulator"))
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    (child, line.trim().to_owned())
}

#[tokio::test]
async fn the_program_prints_the_url_it_listens_on() {
    let (mut child, url) = program(&[
        "--listen",
        "127.0.0.1:0",
        "--generate",
        "3x4",
        "--realistic",
    ]);
    let state = reply(
        client()
            .get(format!("{url}/_simulator/state"))
            .send()
            .await
            .unwrap(),
    )
    .await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(
        (
            &state.body["counts"]["groups"],
            &state.body["counts"]["users"]
        ),
        (&3.into(), &4.into())
    );
    assert_eq!(
        state.body["estate"]["behaviour"]["scheduleListLag"],
        "PT12S"
    );
}

#[tokio::test]
async fn the_program_reads_an_estate_file() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/estates/contoso.yaml");
    let (mut child, url) = program(&["--estate", file]);
    let estate = reply(
        client()
            .get(format!("{url}/_simulator/estate"))
            .send()
            .await
            .unwrap(),
    )
    .await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(estate.body["groups"][0]["displayName"], "payments-ops");
}

#[tokio::test]
async fn a_stopped_simulator_answers_no_more() {
    let bed = Bed::new().await;
    assert_eq!(bed.get("/v1.0/users").await.status, 200);
    bed.simulator.clone().stop().await;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while bed
        .try_send(reqwest::Method::GET, "/v1.0/users", None)
        .await
        .is_ok()
    {
        assert!(std::time::Instant::now() < deadline, "still answers");
        tokio::task::yield_now().await;
    }
}
