//! A commit that deletes everything.

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use pim_harness::load::Load;
use pim_operator::api::boundary::GrantBoundary;
use serde_json::json;

use crate::estate::{
    acknowledge, bed, delete_everything, granted, held, objects, revocations, until_all_gone,
    until_waiting,
};

const TWO_HUNDRED: Load = Load {
    groups: 5,
    of_each_kind: 20,
};
const TWENTY: Load = Load {
    groups: 2,
    of_each_kind: 5,
};

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hundred_deleted_manifests_forty_go_and_the_rest_waits_for_a_person_also_across_restarts()
 {
    let bed = bed("accident", TWO_HUNDRED, json!({})).await;
    let operator = granted(&bed, TWO_HUNDRED).await;
    delete_everything(&bed).await;
    bed.eventually("some of the forty", || async { revocations(&bed) >= 12 })
        .await;
    operator.abort().await;
    assert!(held(&bed) >= 160, "{} are left", held(&bed));

    let operator = bed.start_operator();
    let guard = until_waiting(&bed, 160).await;
    assert_eq!(held(&bed), 160);
    // What became of a request whose answer nobody heard is certain once the lists have had their time.
    bed.eventually(
        "the forty to be let go, and the others to say why",
        || async {
            bed.advance(chrono::TimeDelta::seconds(20));
            objects(&bed).await == (160, 160)
        },
    )
    .await;
    let trip = guard.tripped.unwrap();
    assert_eq!((trip.revoked, trip.managed), (40, 200));
    let tenant = bed.until_tenant("RemovalGuardTripped").await;
    let command = format!(
        "kubectl annotate --overwrite entratenant {} entrapim.dev/acknowledge-removals={}:160",
        bed.tenant, trip.id
    );
    let said = |tenant: &pim_operator::api::tenant::EntraTenant| {
        let conditions = tenant.status.clone().unwrap_or_default().conditions;
        let ready = conditions.into_iter().find(|one| one.type_ == "Ready");
        ready.unwrap().message
    };
    bed.eventually("the command for all that wait", || async {
        said(&crate::estate::tenant(&bed).await).contains(&command)
    })
    .await;
    assert!(said(&tenant).contains("40 of 200"), "{}", said(&tenant));

    // However long it takes, and however often the operator is started.
    operator.stop().await;
    bed.advance(chrono::TimeDelta::hours(2));
    let operator = start_tripped(&bed).await;
    bed.eventually("everything to be looked at", || async {
        objects(&bed).await == (160, 160)
    })
    .await;
    assert_eq!(until_waiting(&bed, 160).await.tripped, Some(trip.clone()));
    assert_eq!(held(&bed), 160);

    let before = bed.control_plane.audit_mark().unwrap();
    acknowledge(&bed, &format!("{}:160", trip.id)).await;
    until_all_gone(&bed).await;
    assert_eq!((held(&bed), revocations(&bed)), (0, 200));
    bed.until_tenant("Connected").await;
    let written = bed.control_plane.audit_since(before).unwrap();
    let of_tenant = |one: &&pim_testbed::AuditEvent| {
        one.resource == "entratenants" && one.name == bed.tenant && one.subresource == "status"
    };
    let records = written.iter().filter(of_tenant).count();
    println!("160 revocations cost {records} writes of the tenant's status");
    assert!(records <= 180, "{records} writes for 160 revocations");
    operator.stop().await;
}

/// Starts an operator for a tenant whose guard has tripped already.
async fn start_tripped(bed: &pim_harness::Bed) -> pim_harness::Operator {
    let operator = bed.start_operator();
    bed.until_tenant("RemovalGuardTripped").await;
    operator
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_namespace_strips_no_more_people_than_deleted_manifests_do() {
    let bed = bed("deleted_namespace", TWENTY, json!({})).await;
    let operator = granted(&bed, TWENTY).await;
    // No controller empties namespaces here: the test does what it would.
    let namespaces: Api<Namespace> = Api::all(bed.client.clone());
    namespaces
        .delete(&bed.namespace, &DeleteParams::default())
        .await
        .unwrap();
    let phase = namespaces.get(&bed.namespace).await.unwrap();
    assert_eq!(phase.status.unwrap().phase.as_deref(), Some("Terminating"));
    delete_everything(&bed).await;
    let trip = until_waiting(&bed, 15).await.tripped.unwrap();
    bed.eventually("the five to be let go", || async {
        objects(&bed).await == (15, 15)
    })
    .await;
    assert_eq!((held(&bed), revocations(&bed)), (15, 5));
    acknowledge(&bed, &format!("{}:15", trip.id)).await;
    until_all_gone(&bed).await;
    assert_eq!((held(&bed), revocations(&bed)), (0, 20));
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boundary_that_is_narrowed_by_mistake_strips_no_more_people_either() {
    let bed = bed("narrowed_boundary", TWENTY, json!({})).await;
    let operator = granted(&bed, TWENTY).await;
    let boundaries: Api<GrantBoundary> = Api::all(bed.client.clone());
    let narrower = json!({"spec": {"accessIds": ["owner"], "onAuthorityLost": "Revoke"}});
    boundaries
        .patch(
            &format!("{}-0", bed.namespace),
            &PatchParams::default(),
            &Patch::Merge(narrower),
        )
        .await
        .unwrap();
    let trip = until_waiting(&bed, 15).await.tripped.unwrap();
    assert_eq!((held(&bed), revocations(&bed)), (15, 5));
    acknowledge(&bed, &format!("{}:15", trip.id)).await;
    // A request enters the record of traffic once it is answered.
    bed.eventually("all to be revoked", || async {
        held(&bed) == 0 && revocations(&bed) == 20
    })
    .await;
    bed.until_tenant("Connected").await;
    operator.stop().await;
    assert_eq!(revocations(&bed), 20);
}
