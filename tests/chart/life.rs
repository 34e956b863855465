//! The life of an installation: upgraded from the chart before, rolled back, its CustomResourceDefinitions handed to somebody else,
//! uninstalled, installed again, and taken away whole. Access in Entra changes in none of it but where somebody asked for that.
//!
//! The operator runs as the Pods of the Deployment would, in the order of a rolling update: the next one starts and stands by, then
//! the one before is told to stop.
//!
//! - `peace.rs`: that nothing is written;
//! - `replica.rs`: such a Pod.

mod peace;
mod replica;

use std::{process::Command, sync::Mutex};

use kube::Api;
use pim_operator::api::{group_grant::GroupEligibility, tenant::EntraTenant};
use pim_simulator::Kind;
use pim_testbed::{ControlPlane, ControlPlaneOptions};
use serde_json::json;

use crate::{
    helm::{package, previous_package, read},
    rights::{
        stage::Stage,
        story::{all_reach, allow, declare, policy, policy_is_applied},
    },
    server::kubectl,
};
use peace::Peace;
use replica::Replica;

async fn cluster() -> &'static ControlPlane {
    let started = ControlPlane::start(ControlPlaneOptions::default()).await;
    Box::leak(Box::new(started.unwrap()))
}

/// What `settle` declares.
const ALL: [&str; 5] = [
    "GroupEligibility",
    "GroupAssignment",
    "RoleEligibility",
    "RoleAssignment",
    "PimPolicy",
];

/// Declares a grant of each kind and a policy, and waits until they are in force.
async fn settle(stage: &Stage) {
    let bed = &stage.bed;
    bed.until_tenant("Connected").await;
    allow(bed).await;
    bed.apply(&policy(bed)).await.unwrap();
    declare(bed, "first").await;
    policy_is_applied(bed).await;
    all_reach(bed, "first", "Provisioned").await;
    counted(stage, 5).await;
}

/// Waits until the tenant has said how its objects fare, which it does when they have settled.
async fn counted(stage: &Stage, objects: u32) {
    let tenants: Api<EntraTenant> = Api::all(stage.bed.client.clone());
    stage
        .bed
        .eventually("a count of all objects", || async {
            let tenant = tenants.get(&stage.bed.tenant).await.unwrap();
            let status = tenant.status.unwrap_or_default();
            // What was counted on the way is counted again.
            let settled = ["Provisioned", "Applied"];
            let settled = status
                .objects
                .iter()
                .all(|one| settled.contains(&one.reason.as_str()));
            let count: u32 = status.objects.iter().map(|one| one.count).sum();
            settled && count == objects && status.last_complete_read_time.is_some()
        })
        .await;
}

/// A rolling update: the next replica is there before the last one goes, and looks at everything when it leads.
async fn roll(stage: &Stage, last: Replica, number: usize) -> Replica {
    let next = Replica::start(stage, number).await;
    last.stop();
    next.has_looked(stage, &ALL).await;
    next
}

/// What `docs/install.md` says for kinds that are kept apart from the chart.
async fn apply_kinds(cluster: &ControlPlane) {
    let kinds = Command::new(env!("CARGO_BIN_EXE_pim-operator"))
        .arg("crds")
        .output()
        .unwrap();
    let arguments = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    let kinds = std::str::from_utf8(&kinds.stdout).unwrap();
    kubectl(cluster, &arguments, kinds).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn upgrades_rollbacks_and_kinds_kept_apart_write_nothing() {
    let defaults = json!({});
    let others = json!({
        "replicaCount": 3,
        "image": {"tag": "9.9.9"},
        "resources": {"limits": {"memory": "512Mi"}},
        "podAnnotations": {"example.com/restarted": "today"},
    });
    let apart = json!({"crds": {"install": false}});

    let mut stage =
        Stage::install(cluster().await, &previous_package(), &defaults, "upgrade").await;
    let replica = Replica::start(&stage, 0).await;
    settle(&stage).await;
    let replica = roll(&stage, replica, 1).await;
    let peace = Peace::begins(&stage).await;

    stage.release(&["upgrade"], package(), &defaults);
    let replica = roll(&stage, replica, 2).await;
    peace
        .holds(&stage, "an upgrade from the chart before")
        .await;

    stage.release(&["upgrade"], package(), &others);
    let replica = roll(&stage, replica, 3).await;
    peace.holds(&stage, "an upgrade to other values").await;

    stage.roll_back("1");
    let replica = roll(&stage, replica, 4).await;
    peace.holds(&stage, "a rollback").await;

    // The kinds become somebody else's: Helm leaves them, and kubectl upgrades them.
    stage.release(&["upgrade"], package(), &apart);
    apply_kinds(stage.bed.control_plane).await;
    let replica = roll(&stage, replica, 5).await;
    peace.holds(&stage, "kinds kept apart").await;

    // And Helm's again, which is to forget that they ever were.
    let kinds = stage.kubectl(&["get", "crds", "-o", "name"]).await;
    for kind in kinds.lines() {
        let marks =
            ["release-name-", "release-namespace-"].map(|mark| format!("meta.helm.sh/{mark}"));
        stage
            .kubectl(&["annotate", kind, &marks[0], &marks[1]])
            .await;
        stage
            .kubectl(&["label", kind, "app.kubernetes.io/managed-by-"])
            .await;
    }
    stage.release(&["upgrade", "--take-ownership"], package(), &defaults);
    let replica = roll(&stage, replica, 6).await;
    peace.holds(&stage, "kinds taken back").await;
    replica.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_uninstalled_leaves_all_access_and_can_be_installed_again() {
    let defaults = json!({});
    let mut stage = Stage::install(cluster().await, package(), &defaults, "uninstall").await;
    let replica = Replica::start(&stage, 0).await;
    eligibilities(&stage).await;
    let peace = Peace::begins(&stage).await;

    let said = stage.uninstall();
    assert!(said.contains("kept due to the resource policy"), "{said}");
    replica.stop();
    peace.holds(&stage, "an uninstall").await;
    // Nobody may do anything by the operator's account any more.
    let account = format!(
        "system:serviceaccount:{}:{}",
        stage.namespace, stage.account
    );
    let arguments = [
        "auth",
        "can-i",
        "--as",
        &account,
        "list",
        "groupeligibilities",
    ];
    kubectl(stage.bed.control_plane, &arguments, "")
        .await
        .unwrap_err();

    stage.release(&["install"], package(), &defaults);
    stage.prepare().await;
    let replica = Replica::start(&stage, 1).await;
    replica.has_looked(&stage, &["GroupEligibility"]).await;
    peace
        .holds(&stage, "an installation over what was left")
        .await;

    everything_is_revoked_first(&stage).await;
    replica.stop();
    stage.uninstall();
    delete_kinds(&stage).await;
}

/// Deletes the CustomResourceDefinitions, and waits until they are gone.
async fn delete_kinds(stage: &Stage) {
    let kinds = stage.kubectl(&["get", "crds", "-o", "name"]).await;
    let kinds: Vec<&str> = kinds
        .lines()
        .filter(|kind| kind.ends_with(".entrapim.dev"))
        .collect();
    assert!(!kinds.is_empty(), "the kinds were not kept");
    stage.kubectl(&[&["delete"][..], &kinds].concat()).await;
}

/// People with access: more than the removal guard lets go at once. All are eligible, because what is active cannot be taken away
/// in its first five minutes.
async fn eligibilities(stage: &Stage) {
    const PEOPLE: [&str; 7] = ["alice", "bob", "carol", "dave", "erin", "frank", "grace"];
    let bed = &stage.bed;
    bed.until_tenant("Connected").await;
    allow(bed).await;
    for person in PEOPLE {
        bed.apply(&eligibility(person)).await.unwrap();
    }
    for person in PEOPLE {
        bed.until_reason::<GroupEligibility>(person, "Provisioned")
            .await;
    }
    counted(stage, 7).await;
}

/// The kinds that are deleted to revoke everything.
const GRANTS: &str =
    "groupeligibilities,groupassignments,roleeligibilities,roleassignments,pimpolicies";

/// The procedure of `docs/install.md`.
async fn everything_is_revoked_first(stage: &Stage) {
    let bed = &stage.bed;
    assert!(read("docs/install.md").contains(GRANTS));
    stage
        .kubectl(&[
            "delete",
            GRANTS,
            "--all",
            "--all-namespaces",
            "--wait=false",
        ])
        .await;
    let acknowledged = Mutex::new(Vec::new());
    bed.eventually("an end of all objects", || async {
        // Each trip names how many wait at that moment, and is acknowledged by the command in the message.
        if let Some(command) = acknowledgment(stage).await
            && !acknowledged.lock().unwrap().contains(&command)
        {
            let arguments: Vec<&str> = command.split(' ').skip(1).collect();
            stage.kubectl(&arguments).await;
            acknowledged.lock().unwrap().push(command);
        }
        let left = stage
            .kubectl(&["get", GRANTS, "--all-namespaces", "-o", "name"])
            .await;
        left.is_empty()
    })
    .await;
    assert!(
        !acknowledged.lock().unwrap().is_empty(),
        "the guard held nothing"
    );
    assert_eq!(bed.simulator.schedules(Kind::Eligibility), vec![]);
}

/// The command by which a person lets the waiting revocations through, if any wait.
async fn acknowledgment(stage: &Stage) -> Option<String> {
    let path = "jsonpath={.status.removalGuard.message}";
    let said = stage
        .kubectl(&["get", "entratenant", &stage.bed.tenant, "-o", path])
        .await;
    let command = said.split('`').nth(1)?;
    command
        .contains("acknowledge-removals=")
        .then(|| command.to_owned())
}

fn eligibility(person: &str) -> String {
    json!({
        "apiVersion": "entrapim.dev/v1alpha1", "kind": "GroupEligibility",
        "metadata": {"name": person},
        "spec": {
            "tenantRef": {"name": "contoso"},
            "group": {"id": crate::rights::story::PAYMENTS_OPS},
            "accessId": "member",
            "principal": {"userPrincipalName": format!("{person}@contoso.com")},
            "scheduleInfo": {"expiration": {"type": "afterDuration", "duration": "P7D"}},
            "justification": "on call",
        },
    })
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_that_go_with_the_release_leave_access_and_wait_for_their_objects_finalizers() {
    let goes = json!({"crds": {"keep": false}});
    let stage = Stage::install(cluster().await, package(), &goes, "uninstall_kinds").await;
    let replica = Replica::start(&stage, 0).await;
    settle(&stage).await;
    let peace = Peace::begins(&stage).await;

    // The operator is gone before the kinds are: nobody lets the objects go.
    replica.stop();
    stage.uninstall();
    let objects = || stage.kubectl(&["get", GRANTS, "--all-namespaces", "-o", "name"]);
    let held = objects().await;
    assert_eq!(held.lines().count(), ALL.len(), "{held}");
    // An administrator does.
    for object in held.lines() {
        let nothing = r#"--patch={"metadata":{"finalizers":null}}"#;
        let namespace = format!("--namespace={}", stage.bed.namespace);
        stage
            .kubectl(&["patch", object, &namespace, "--type=merge", nothing])
            .await;
    }
    stage
        .bed
        .eventually("an end of the kinds", || async {
            let kinds = stage.kubectl(&["get", "crds", "-o", "name"]).await;
            !kinds.contains("entrapim.dev")
        })
        .await;
    assert_eq!(peace.graph_writes(&stage), Vec::<String>::new());
}
