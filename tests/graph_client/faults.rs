use std::time::{Duration, Instant};

use pim_operator::graph::{Advice, GraphClient, Listing, RequestAction, ScheduleKind};
use pim_simulator::{Behaviour, Fault, FaultKind, Kind};

use super::setup::{PAYMENTS_OPS, client, config, file, request, simulator};

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_not_sent_twice() {
    let faults = [
        ("cut", FaultKind::CutAfterCommit),
        ("truncated", FaultKind::TruncatedBody),
        (
            "odd",
            FaultKind::OddBody {
                status: 201,
                text: "<html>created</html>".to_owned(),
            },
        ),
    ];
    for (name, kind) in faults {
        let simulator = simulator(&format!("lost-{name}"), Behaviour::default()).await;
        simulator
            .faults()
            .add(Fault::new(kind).method("POST").path("ScheduleRequests"));
        let client = client(&simulator);
        let body = request(RequestAction::AdminAssign, Some("P30D"));
        let error = file(&client, &body).await.unwrap_err();
        assert_eq!(error.advice(), Advice::ReObserve, "{name}: {error}");
        assert_eq!(simulator.traffic().counts().graph_posts, 1, "{name}");
        // It was carried out all the same, as a fresh read shows.
        assert_eq!(simulator.schedules(Kind::Eligibility).len(), 1, "{name}");
        let rows = client
            .schedules(ScheduleKind::Eligibility, Listing::Group(PAYMENTS_OPS))
            .await;
        assert_eq!(rows.unwrap().len(), 1, "{name}");
    }
}

#[tokio::test]
async fn reads_survive_cuts_and_odd_answers() {
    let simulator = simulator("reads", Behaviour::default()).await;
    let faults = simulator.faults();
    faults.add(Fault::new(FaultKind::CutBeforeCommit).method("GET"));
    faults.add(Fault::new(FaultKind::TruncatedBody).method("GET"));
    let client = client(&simulator);
    let rows = client
        .schedules(ScheduleKind::Eligibility, Listing::Group(PAYMENTS_OPS))
        .await;
    assert!(rows.unwrap().is_empty());
    assert!(faults.pending().is_empty());
}

#[tokio::test]
async fn pauses_are_kept_in_both_forms_even_when_the_clocks_differ() {
    for as_date in [false, true] {
        let simulator = simulator(&format!("pause-{as_date}"), Behaviour::default()).await;
        simulator.clock().advance(Duration::from_secs(40_000_000));
        simulator.faults().add(
            Fault::new(FaultKind::Throttle {
                retry_after_seconds: 1,
                as_date,
            })
            .path("Schedule"),
        );
        let started = Instant::now();
        file(
            &client(&simulator),
            &request(RequestAction::AdminAssign, Some("P30D")),
        )
        .await
        .unwrap();
        assert!(started.elapsed() >= Duration::from_millis(900));
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}

#[tokio::test]
async fn a_tenant_without_licence_is_told_so() {
    let behaviour = Behaviour {
        licensed: false,
        ..Behaviour::default()
    };
    let simulator = simulator("licence", behaviour).await;
    let rows = client(&simulator)
        .schedules(ScheduleKind::Eligibility, Listing::Group(PAYMENTS_OPS))
        .await;
    assert_eq!(rows.unwrap_err().advice(), Advice::FixLicense);
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let simulator = simulator("permission", Behaviour::default()).await;
    let application = serde_json::json!({
        "clientId": "22222222-0000-4000-8000-000000000001",
        "servicePrincipalId": "22222222-0000-4000-8000-000000000002",
        "displayName": "weak",
        "secrets": [{"value": "weak-secret"}],
        "appRoles": ["User.ReadBasic.All"],
    });
    let application = serde_json::from_value(application).unwrap();
    simulator.admin().add_application(application).unwrap();
    let mut config = config(&simulator);
    config.credential = pim_operator::graph::Credential::ClientSecret {
        client_id: "22222222-0000-4000-8000-000000000001".to_owned(),
        secret: pim_operator::graph::Secret::new("weak-secret"),
    };
    let client = GraphClient::new(config).unwrap();
    let error = file(&client, &request(RequestAction::AdminAssign, Some("P30D"))).await;
    let error = error.unwrap_err();
    let Advice::FixPermissions { missing } = error.advice() else {
        unreachable!("{error}")
    };
    let needed = "PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup";
    assert!(missing.iter().any(|name| name == needed), "{missing:?}");
    assert!(error.to_string().contains(needed), "{error}");
}
