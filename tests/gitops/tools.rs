//! The tools: one control plane with garbage collection, kubectl, and the program that speaks for Argo CD and Flux.

use std::{path::PathBuf, process::Output, process::Stdio};

use kube::{Api, api::DynamicObject, core::ApiResource};
use pim_harness::{Bed, BedOptions};
use pim_testbed::{ControlPlane, ControlPlaneOptions};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, process::Command, sync::OnceCell};

/// What a tool says of an object.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Verdict {
    pub status: String,
    pub message: String,
}

/// What both say.
#[derive(Clone, Debug, Deserialize)]
pub struct Verdicts {
    pub argo: Verdict,
    pub kstatus: Verdict,
}

impl Verdicts {
    /// The two words.
    pub fn words(&self) -> (&str, &str) {
        (&self.argo.status, &self.kstatus.status)
    }
}

/// A path in this repository.
pub fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The documents of a YAML text.
pub fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap()
}

/// The control plane of these tests: with a controller manager, since namespaces are deleted and owners are waited for.
pub async fn control_plane() -> &'static ControlPlane {
    static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
    let start = || async {
        let options = ControlPlaneOptions {
            controller_manager: true,
        };
        ControlPlane::start(options).await.unwrap()
    };
    SHARED.get_or_init(start).await
}

/// A bed on it, with the story estate.
pub async fn bed(name: &str) -> Bed {
    bed_of(BedOptions::story(&format!("gitops_{name}")).unwrap()).await
}

/// A bed on it.
pub async fn bed_of(options: BedOptions) -> Bed {
    Bed::on(control_plane().await, options).await.unwrap()
}

/// Runs kubectl.
pub async fn kubectl(arguments: &[&str], input: &str) -> Output {
    let mut command = control_plane().await.kubectl();
    run(command.args(arguments), input).await
}

/// What kubectl prints; it must succeed.
pub async fn kubectl_ok(arguments: &[&str], input: &str) -> String {
    let output = kubectl(arguments, input).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let done = output.status.success();
    assert!(done, "kubectl {}: {errors}{printed}", arguments.join(" "));
    printed
}

/// Argo CD's settings as people paste them.
pub fn argocd_cm() -> Value {
    let text = std::fs::read_to_string(repository("config/argocd/argocd-cm.yaml")).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// The verdicts on objects, in their order.
pub async fn judge(objects: &[Value]) -> Vec<Verdicts> {
    let question = json!({"configMap": argocd_cm(), "objects": objects});
    let program = pim_testbed::gitops_verdicts().await.unwrap();
    let mut command = Command::new(program);
    let output = run(command.arg("judge"), &question.to_string()).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let verdicts: Vec<Verdicts> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(verdicts.len(), objects.len());
    verdicts
}

/// Runs a program with an input.
pub async fn run(command: &mut Command, input: &str) -> Output {
    let command = command.stdin(Stdio::piped()).kill_on_drop(true);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A program that ends early has said why; dropping the pipe ends the input.
    let feed = async move { stdin.write_all(input.as_bytes()).await.ok() };
    let both = futures::future::join(feed, child.wait_with_output());
    let patience = std::time::Duration::from_mins(2);
    let (_, output) = tokio::time::timeout(patience, both).await.unwrap();
    output.unwrap()
}

/// The resource of a kind of ours.
pub fn resource(kind: &str) -> ApiResource {
    let kind = kube::core::GroupVersionKind::gvk("entrapim.dev", "v1alpha1", kind);
    let plural = match kind.kind.as_str() {
        "GrantBoundary" => "grantboundaries".to_owned(),
        "PimPolicy" => "pimpolicies".to_owned(),
        "GroupEligibility" => "groupeligibilities".to_owned(),
        "RoleEligibility" => "roleeligibilities".to_owned(),
        other => format!("{}s", other.to_lowercase()),
    };
    ApiResource::from_gvk_with_plural(&kind, &plural)
}

/// The API of a namespaced kind of ours, whatever the object holds.
pub fn api(bed: &Bed, kind: &str) -> Api<DynamicObject> {
    Api::namespaced_with(bed.client.clone(), &bed.namespace, &resource(kind))
}

/// Waits until `Ready` of an object of any kind has a reason, for its present generation.
pub async fn until(bed: &Bed, kind: &str, name: &str, reason: &str) -> Value {
    let deadline = std::time::Instant::now() + std::time::Duration::from_mins(1);
    let api = match kind {
        "EntraTenant" => Api::all_with(bed.client.clone(), &resource(kind)),
        _ => api(bed, kind),
    };
    loop {
        let object = api.get_opt(name).await.ok().flatten();
        let object = serde_json::to_value(object).unwrap();
        let status = &object["status"];
        let conditions = status["conditions"].as_array();
        let ready = conditions
            .into_iter()
            .flatten()
            .find(|one| one["type"] == "Ready" && one["reason"] == reason);
        if ready.is_some() && status["observedGeneration"] == object["metadata"]["generation"] {
            return object;
        }
        let late = std::time::Instant::now() > deadline;
        assert!(!late, "{kind} {name} never got {reason}: {status:#}");
        tokio::time::sleep(std::time::Duration::from_millis(40)).await;
    }
}
