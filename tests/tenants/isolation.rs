//! Tenants side by side: what happens to one is none of the other's business.

use kube::{
    Api,
    api::{Patch, PatchParams},
};
use pim_harness::{Bed, BedOptions, bed::CLIENT_ID};
use pim_operator::{
    api::{group_grant::GroupEligibility, tenant::EntraTenant},
    graph::RetryLimits,
};
use pim_simulator::{Estate, Fault, FaultKind, Simulator, SimulatorConfig};
use pim_testbed::{ControlPlane, ControlPlaneOptions};
use serde_json::{Value, json};

use crate::support::{eligible, grant};

/// More than one tenant's passes at once.
const WAITING: u128 = 80;

/// A second tenant in the bed, with a Graph of its own.
async fn second_tenant(bed: &Bed, graph: &Simulator, secret: &str) {
    let tenant = json!({
        "apiVersion": "entrapim.dev/v1alpha1", "kind": "EntraTenant",
        "metadata": {"name": "second"},
        "spec": {
            "tenantId": Estate::TENANT,
            "credential": {"clientSecret": {"clientId": CLIENT_ID, "secretRef": {"name": secret, "key": "client-secret"}}},
            "endpoints": {"graph": graph.url(), "authority": graph.url()},
        },
    });
    Api::<EntraTenant>::all(bed.client.clone())
        .patch(
            "second",
            &PatchParams::apply("git").force(),
            &Patch::Apply(tenant),
        )
        .await
        .unwrap();
}

async fn declare_in_second(bed: &Bed) {
    for number in 1..=WAITING {
        let further = json!({"principal": {"id": uuid::Uuid::from_u128(number)}});
        let manifest = grant(
            "GroupEligibility",
            &format!("waiting-{number}"),
            "second",
            &further,
        );
        bed.apply(&manifest).await.unwrap();
    }
}

async fn bed(name: &str) -> Bed {
    // All tenants are looked at: no other test's may be there.
    let own = ControlPlane::start(ControlPlaneOptions::default())
        .await
        .unwrap();
    let options = BedOptions::story(&format!("tenants_{name}")).unwrap();
    Bed::on(Box::leak(Box::new(own)), options).await.unwrap()
}

fn start(bed: &Bed) -> pim_harness::Operator {
    let mut controller = bed.controller(bed.client.clone());
    controller.watch_tenant = None;
    // As in production: calls wait for what Graph asks for, and passes with them.
    controller.retry = RetryLimits::default();
    pim_harness::Operator::start(controller)
}

fn forever(kind: FaultKind) -> Fault {
    Fault::new(kind).path("/v1.0/").always()
}

async fn until_granted(bed: &Bed) {
    for (name, user) in [("alice", "alice"), ("bob", "bob"), ("carol", "carol")] {
        let principal: Value = json!({"userPrincipalName": format!("{user}@contoso.com")});
        eligible(bed, name, &json!({"principal": principal})).await;
        bed.until_reason::<GroupEligibility>(name, "Provisioned")
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_whose_graph_hangs_holds_up_no_other() {
    let bed = bed("hanging").await;
    let hanging = Simulator::start(SimulatorConfig::new(Estate::contoso()))
        .await
        .unwrap();
    hanging.faults().add(forever(FaultKind::Slow {
        milliseconds: 600_000,
    }));
    second_tenant(&bed, &hanging, "entra").await;
    declare_in_second(&bed).await;
    let operator = start(&bed);
    bed.eventually("the hanging tenant is signed in to", || async {
        hanging.traffic().counts().token_requests > 0
    })
    .await;
    until_granted(&bed).await;
    // The other tenant's objects are where they were: none of them has been granted or given up.
    let waiting: Api<GroupEligibility> = bed.api();
    let found = waiting.get("waiting-1").await.unwrap();
    let granted = found
        .status
        .and_then(|status| status.schedule)
        .and_then(|schedule| schedule.id);
    assert_eq!(granted, None);
    operator.abort().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_with_a_bad_secret_or_a_throttling_graph_holds_up_no_other() {
    let bed = bed("troubled").await;
    let troubled = Simulator::start(SimulatorConfig::new(Estate::contoso()))
        .await
        .unwrap();
    second_tenant(&bed, &troubled, "nowhere").await;
    declare_in_second(&bed).await;
    let operator = start(&bed);
    bed.until_reason::<GroupEligibility>("waiting-1", "TenantNotReady")
        .await;
    bed.until_tenant("Connected").await;
    eligible(
        &bed,
        "dave",
        &json!({"principal": {"userPrincipalName": "dave@contoso.com"}}),
    )
    .await;
    bed.until_reason::<GroupEligibility>("dave", "Provisioned")
        .await;
    // The secret is right now, and Graph asks for a minute's pause.
    troubled.faults().add(forever(FaultKind::Throttle {
        retry_after_seconds: 60,
        as_date: false,
    }));
    second_tenant(&bed, &troubled, "entra").await;
    bed.eventually("Graph throttles", || async {
        troubled.traffic().counts().http_round_trips > 0
    })
    .await;
    until_granted(&bed).await;
    operator.abort().await;
}
