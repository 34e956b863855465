//! Pruning: a GitOps tool deletes what is no longer in Git, all at once. The removal guard lets a few go and holds the rest, and the
//! tools show where to look.

use chrono::TimeDelta;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, ResourceExt, api::ListParams};
use pim_harness::{Bed, bed::traffic_log, load::Load};
use pim_operator::api::group_grant::{GroupAssignment, GroupEligibility};
use pim_simulator::Estate;
use serde_json::{Value, json};

use crate::{
    estate::{acknowledge, granted, held, revocations, tenant, until_all_gone, until_waiting},
    recorder::Recorder,
    sets::Set,
    support::{eligible, start},
    tools::{Verdicts, bed, bed_of, judge, kubectl_ok, until},
};

const HUNDRED: Load = Load {
    groups: 5,
    of_each_kind: 10,
};

/// What the tools say of the tenant, once it says this itself.
async fn on_tenant(bed: &Bed, says: &str) -> Verdicts {
    bed.eventually(says, || async {
        let conditions = tenant(bed).await.status.unwrap_or_default().conditions;
        conditions.iter().any(|one| one.message.contains(says))
    })
    .await;
    let tenant = until(bed, "EntraTenant", &bed.tenant, "RemovalGuardTripped").await;
    judge(&[tenant]).await.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_pruned_grants_run_into_the_guard_whichever_way_they_are_deleted() {
    let mut options = HUNDRED.options("gitops_pruned");
    options.simulator.traffic_log = Some(traffic_log("gitops_pruned").unwrap());
    options.simulator.keep_traffic = true;
    let bed = bed_of(options).await;
    let operator = granted(&bed, HUNDRED).await;
    assert_eq!(held(&bed), 100);
    // Argo CD prunes in the foreground, Flux in the background.
    for (kind, cascade) in [
        ("groupeligibilities", "foreground"),
        ("groupassignments", "background"),
    ] {
        let cascade = format!("--cascade={cascade}");
        let namespace = format!("--namespace={}", bed.namespace);
        let arguments = [
            "delete",
            kind,
            "--all",
            &cascade,
            "--wait=false",
            &namespace,
        ];
        kubectl_ok(&arguments, "").await;
    }
    let trip = until_waiting(&bed, 80).await.tripped.unwrap();
    assert_eq!((held(&bed), revocations(&bed)), (80, 20));

    let all = ListParams::default();
    let mut left: Vec<Value> = Vec::new();
    for object in bed.api::<GroupEligibility>().list(&all).await.unwrap() {
        left.push(serde_json::to_value(object).unwrap());
    }
    for object in bed.api::<GroupAssignment>().list(&all).await.unwrap() {
        left.push(serde_json::to_value(object).unwrap());
    }
    assert!(left.len() >= 80, "{}", left.len());
    for verdicts in judge(&left).await {
        assert_eq!(verdicts.words(), ("Progressing", "Terminating"));
        // Argo CD shows no script what is being deleted: the tenant says what is the matter.
        assert_eq!(verdicts.argo.message, "Pending deletion");
    }
    let command = format!("entrapim.dev/acknowledge-removals={}:80", trip.id);
    let verdicts = on_tenant(&bed, &command).await;
    assert_eq!(verdicts.words(), ("Degraded", "Failed"));
    assert!(verdicts.argo.message.contains(&command), "{verdicts:?}");
    assert!(verdicts.kstatus.message.contains(&command), "{verdicts:?}");

    // Neither time nor another sync lets more of them go.
    bed.advance(TimeDelta::hours(2));
    let another = eligible("another")
        .with("group", json!({"id": Estate::generated_group(2)}))
        .with("principal", json!({"id": Estate::generated_user(1)}));
    another.apply(&bed).await;
    until(&bed, "GroupEligibility", "another", "Provisioned").await;
    assert_eq!((held(&bed), revocations(&bed)), (81, 20));
    bed.delete::<GroupEligibility>("another").await.unwrap();
    let trip = until_waiting(&bed, 81).await.tripped.unwrap_or(trip);
    acknowledge(&bed, &format!("{}:81", trip.id)).await;
    until_all_gone(&bed).await;
    assert_eq!(held(&bed), 0);
    let healthy = until(&bed, "EntraTenant", &bed.tenant, "Connected").await;
    assert_eq!(judge(&[healthy]).await[0].words(), ("Healthy", "Current"));
    operator.stop().await;
}

/// Eight people who are eligible, in a namespace of their team.
fn team(bed: &Bed) -> Set {
    let people = [
        "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi",
    ];
    let manifests = people.map(|name| {
        let grant = eligible(name).user(&format!("{name}@contoso.com"));
        let mut grant: Value = serde_json::from_str(&grant.to_string()).unwrap();
        grant["metadata"]["namespace"] = json!("team");
        grant["metadata"]["labels"] = json!({"team": bed.namespace});
        grant["spec"]["tenantRef"]["name"] = json!("contoso");
        grant
    });
    let boundary = json!({
        "apiVersion": "entrapim.dev/v1alpha1", "kind": "GrantBoundary",
        "metadata": {"name": "team"},
        "spec": {
            "namespaces": ["team"], "tenants": ["contoso"], "kinds": ["GroupEligibility"],
            "groups": [{"id": "68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7"}],
            "principals": {"kinds": ["User"]},
        },
    });
    Set::on(bed, manifests.into_iter().chain([boundary]).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_prune_and_then_the_whole_namespace_take_no_more_than_the_guard_allows() {
    let bed = bed("namespace_pruned").await;
    crate::estate::respec(
        &bed,
        json!({"removalGuard": {"maxRemovals": 2, "maxPercent": 0}}),
    )
    .await;
    let set = team(&bed);
    set.make_namespaces(&bed).await;
    let operator = set.start_operator(&bed);
    bed.until_tenant("Connected").await;
    let recorder = Recorder::of(&bed, &set.namespaces);
    // What Entra holds that no manifest declares.
    let others = held(&bed);
    let held = |bed: &Bed| held(bed) - others;
    kubectl_ok(&["apply", "-f", "-"], &set.text()).await;
    bed.eventually("eight grants", || async { held(&bed) == 8 })
        .await;
    set.until_at_rest(&bed).await;
    bed.advance(TimeDelta::minutes(6));

    // A commit that leaves one of the eight.
    let label = format!("team={}", bed.namespace);
    let one = set.objects[0].to_string();
    let arguments = [
        "apply",
        "--prune",
        "--wait=false",
        "--prune-allowlist=entrapim.dev/v1alpha1/GroupEligibility",
        "--selector",
        &label,
        "-f",
        "-",
    ];
    let said = kubectl_ok(&arguments, &one).await;
    assert_eq!(said.matches(" pruned").count(), 7, "{said}");
    until_waiting(&bed, 5).await;
    assert_eq!((held(&bed), revocations(&bed)), (6, 2));

    let namespace = set.namespaces.first().unwrap();
    kubectl_ok(&["delete", "namespace", namespace, "--wait=false"], "").await;
    let trip = until_waiting(&bed, 6).await.tripped.unwrap();
    let namespaces: Api<Namespace> = Api::all(bed.client.clone());
    let waiting = namespaces.get(namespace).await.unwrap();
    assert!(waiting.metadata.deletion_timestamp.is_some());
    assert_eq!((held(&bed), revocations(&bed)), (6, 2));
    let verdicts = on_tenant(&bed, &format!("{}:6", trip.id)).await;
    assert_eq!(verdicts.words(), ("Degraded", "Failed"));

    acknowledge(&bed, &format!("{}:6", trip.id)).await;
    bed.eventually("the namespace to be gone", || async {
        namespaces.get_opt(namespace).await.unwrap().is_none()
    })
    .await;
    assert_eq!((held(&bed), revocations(&bed)), (0, 8));
    assert_eq!(tenant(&bed).await.name_any(), bed.tenant);
    operator.stop().await;
    recorder.judge().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shortened_grant_that_the_guard_holds_is_degraded_until_a_person_agrees() {
    let bed = bed("edit_held").await;
    crate::estate::respec(
        &bed,
        json!({"removalGuard": {"maxRemovals": 0, "maxPercent": 0}}),
    )
    .await;
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    until(&bed, "GroupEligibility", "alice", "Provisioned").await;
    let past = bed.now() - TimeDelta::days(1);
    eligible("alice").until(past).apply(&bed).await;
    let held = until(&bed, "GroupEligibility", "alice", "RemovalGuardTripped").await;
    let verdicts = judge(&[held]).await.remove(0);
    assert_eq!(verdicts.words(), ("Degraded", "Failed"));
    assert!(verdicts.argo.message.contains("removal guard"));
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistaken_prune_is_undone_and_what_the_guard_held_was_never_lost() {
    let bed = bed("prune_undone").await;
    crate::estate::respec(
        &bed,
        json!({"removalGuard": {"maxRemovals": 1, "maxPercent": 0}}),
    )
    .await;
    let operator = start(&bed).await;
    let people = ["alice", "bob", "carol"];
    let grants = people.map(|name| eligible(name).user(&format!("{name}@contoso.com")));
    for (grant, name) in grants.iter().zip(people) {
        grant.apply(&bed).await;
        until(&bed, "GroupEligibility", name, "Provisioned").await;
    }
    let all = held(&bed);
    bed.advance(TimeDelta::minutes(6));
    let namespace = format!("--namespace={}", bed.namespace);
    let delete = ["delete", "ge", "--all", "--wait=false", &namespace];
    kubectl_ok(&delete, "").await;
    let trip = until_waiting(&bed, 2).await.tripped.unwrap();
    assert_eq!((held(&bed), revocations(&bed)), (all - 1, 1));

    // What waits is let go without its access, and the commit that was reverted declares it again.
    let retain = r#"{"spec":{"deletionPolicy":"Retain"}}"#;
    for object in bed
        .api::<GroupEligibility>()
        .list(&ListParams::default())
        .await
        .unwrap()
    {
        let name = object.name_any();
        let patch = [
            "patch",
            "ge",
            &name,
            &namespace,
            "--type=merge",
            "--patch",
            retain,
        ];
        kubectl_ok(&patch, "").await;
        bed.until_gone::<GroupEligibility>(&name).await;
    }
    acknowledge(&bed, &format!("{}:0", trip.id)).await;
    for (grant, name) in grants.iter().zip(people) {
        grant.apply(&bed).await;
        until(&bed, "GroupEligibility", name, "Provisioned").await;
    }
    assert_eq!((held(&bed), revocations(&bed)), (all, 1));
    let granted = crate::support::sent(&bed);
    let granted = granted.iter().filter(|one| *one == "adminAssign").count();
    assert_eq!(
        granted, 4,
        "only what went before the guard tripped is granted anew"
    );
    operator.stop().await;
}
