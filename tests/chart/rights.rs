//! Least privilege, both ways, on a real API server: with the rights of the chart the operator passes the whole story and is
//! refused nothing; with any one of them taken away it is refused.
//!
//! The operator is the product's own executable with the token of the chart's service account; what it asks for is told by the
//! API server's audit log.
//!
//! - `atoms.rs`: rights, one by one;
//! - `stage.rs`: an installation and its operator; `installed.rs`: one by Helm;
//! - `story.rs`: what the operator is put through.

mod atoms;
mod installed;
pub mod stage;
pub mod story;

use futures::{StreamExt, stream};
use pim_testbed::{ControlPlane, ControlPlaneOptions, Release};
use serde_json::json;

use crate::{
    helm::package,
    server::{kubectl, takes_every_object},
};
use atoms::{Atom, atoms};
use stage::Stage;
use story::play;

/// How many operators are put through the story at once: they wait more than they work.
const SIDE_BY_SIDE: usize = 8;

/// What the operator asked for that it was refused.
fn refused(stage: &Stage) -> Vec<String> {
    let requests = stage.requests().into_iter();
    requests
        .filter(|request| request.response_code == 403)
        .map(|request| format!("{request:?}"))
        .collect()
}

/// The rights that the operator made no use of.
fn unused(stage: &Stage, given: &[Atom]) -> Vec<String> {
    let requests = stage.requests();
    given
        .iter()
        // The story is played in the other one.
        .filter(|atom| !atom.is_in(&stage.quiet_namespace()) || atom.looks())
        .filter(|atom| !requests.iter().any(|request| atom.allows(request)))
        .map(ToString::to_string)
        .collect()
}

/// Installs the packaged chart on a release of Kubernetes and plays the story.
async fn installs_and_passes_the_story(release: Release) {
    let options = ControlPlaneOptions {
        // It aggregates roles.
        controller_manager: true,
    };
    let cluster = ControlPlane::start_release(release, options).await.unwrap();
    let cluster: &'static ControlPlane = Box::leak(Box::new(cluster));
    takes_every_object(cluster).await;
    let name = format!("installed_on_{release:?}");
    let stage = Stage::install(cluster, package(), &json!({}), &name).await;
    let mut operator = stage.start(&stage.deployed_arguments());
    play(&stage).await;
    assert!(operator.terminate().unwrap(), "the operator ended badly");
    assert_eq!(refused(&stage), Vec::<String>::new());
    people_have_the_rights_of_their_roles(&stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chart_installs_on_the_newest_kubernetes_and_its_rights_are_enough() {
    installs_and_passes_the_story(Release::Newest).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chart_installs_on_the_oldest_kubernetes_and_its_rights_are_enough() {
    installs_and_passes_the_story(Release::Oldest).await;
}

/// `edit` writes grants, `admin` policies as well, nobody of them boundaries.
async fn people_have_the_rights_of_their_roles(stage: &Stage) {
    let cluster = stage.bed.control_plane;
    for (role, resource, may) in [
        ("view", "groupeligibilities", false),
        ("edit", "groupeligibilities", true),
        ("edit", "roleassignments", true),
        ("edit", "pimpolicies", false),
        ("admin", "pimpolicies", true),
        ("admin", "grantboundaries", false),
        ("admin", "entratenants", false),
    ] {
        let binding = format!("--clusterrole={role}");
        let user = format!("--user={role}");
        let namespace = format!("--namespace={}", stage.bed.namespace);
        let arguments = ["create", "rolebinding", role, &binding, &user, &namespace];
        // It may be there already.
        let _ = kubectl(cluster, &arguments, "").await;
        let arguments = [
            "auth", "can-i", "create", resource, "--as", role, &namespace,
        ];
        let answer = kubectl(cluster, &arguments, "").await;
        assert_eq!(answer.is_ok(), may, "{role} {resource}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_right_is_used_and_none_is_lacking_for_some_namespaces_too() {
    tokio::join!(uses_each_right(false), uses_each_right(true));
}

async fn uses_each_right(narrow: bool) {
    let stage = Stage::new(&format!("rights_narrow_{narrow}"), narrow).await;
    let given = atoms(&stage.roles());
    stage.give(&given).await;
    let mut operator = stage.start(&stage.arguments());
    play(&stage).await;
    assert!(operator.terminate().unwrap(), "the operator ended badly");
    assert_eq!(refused(&stage), Vec::<String>::new(), "narrow: {narrow}");
    assert_eq!(
        unused(&stage, &given),
        Vec::<String>::new(),
        "narrow: {narrow}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_right_is_missed_when_it_is_taken_away() {
    let roles = Stage::new("rights_all", false).await.roles();
    let all: Vec<usize> = (0..atoms(&roles).len()).collect();
    stream::iter(all)
        .for_each_concurrent(SIDE_BY_SIDE, |number| async move {
            let stage = Stage::new(&format!("rights_without_{number}"), false).await;
            let mut given = atoms(&stage.roles());
            let taken = given.remove(number);
            stage.give(&given).await;
            let _operator = stage.start(&stage.arguments());
            let is_refused = || {
                let mut requests = stage.requests().into_iter();
                requests.any(|request| request.response_code == 403 && taken.allows(&request))
            };
            let what = format!("a refusal for want of: {taken}");
            tokio::select! {
                () = stage.bed.eventually(&what, || async { is_refused() }) => {}
                () = play(&stage) => assert!(is_refused(), "the whole story passed without: {taken}"),
            }
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_whose_secret_nobody_named_says_where_to_name_it() {
    let stage = Stage::new("rights_unnamed_secret", false).await;
    let mut given = atoms(&stage.roles());
    given.retain(|atom| !atom.concerns("entra"));
    stage.give(&given).await;
    let _operator = stage.start(&stage.arguments());
    let tenant = stage.bed.until_tenant("CredentialUnavailable").await;
    let conditions = tenant.status.unwrap().conditions;
    let ready = conditions.iter().find(|one| one.type_ == "Ready").unwrap();
    let said = format!(
        "the operator may not read the Secret {}/entra: add its name to `tenantSecrets` of the chart, or allow the operator to get, list and watch a Secret of that name",
        stage.bed.namespace
    );
    assert_eq!(ready.message, said);
    // It is noticed without a change of the tenant.
    stage.give(&atoms(&stage.roles())).await;
    stage.bed.until_tenant("Connected").await;
}
