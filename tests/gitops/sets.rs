//! Sets of manifests as people have them in Git, applied as GitOps tools and people apply them: what the operator and the API server
//! add is no difference.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, api::PostParams};
use pim_harness::{Bed, BedOptions, Operator, bed::CLIENT_ID};
use serde_json::{Value, json};

use crate::{
    page,
    reasons::{Shape, seen},
    recorder::Recorder,
    tools::{bed_of, documents, kubectl, kubectl_ok, repository, resource},
};

/// How Argo CD applies with `ServerSideApply=true`; Flux does the same under another name.
const SERVER: [&str; 3] = [
    "--server-side",
    "--force-conflicts",
    "--field-manager=argocd-controller",
];
/// How kubectl applies, and Argo CD by default.
const CLIENT: [&str; 0] = [];

/// Every document of a folder, but for files that are refused on purpose.
pub fn folder(path: &str) -> Vec<Value> {
    let mut files: Vec<_> = std::fs::read_dir(repository(path))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|file| !file.ends_with("refused.yaml"))
        .collect();
    files.sort();
    files
        .iter()
        .flat_map(|file| documents(&std::fs::read_to_string(file).unwrap()))
        .collect()
}

/// A bed without a boundary of its own.
pub async fn empty_bed(name: &str) -> Bed {
    let mut options = BedOptions::story(&format!("gitops_{name}")).unwrap();
    options.boundary = false;
    bed_of(options).await
}

/// A set on a bed: names that the whole cluster shares become the bed's own, and the tenant contoso becomes its tenant.
pub struct Set {
    pub objects: Vec<Value>,
    pub namespaces: BTreeSet<String>,
}

impl Set {
    /// Moves documents onto a bed.
    pub fn on(bed: &Bed, documents: Vec<Value>) -> Self {
        let own = |name: &Value| match name.as_str() {
            Some("contoso") => json!(bed.tenant),
            Some(name) => json!(format!("{}-{name}", bed.namespace)),
            None => Value::Null,
        };
        let mut set = Self {
            objects: Vec::new(),
            namespaces: BTreeSet::new(),
        };
        for mut object in documents {
            let kind = object["kind"].as_str().unwrap().to_owned();
            if !object["apiVersion"]
                .as_str()
                .unwrap()
                .starts_with("entrapim.dev/")
            {
                continue;
            }
            match kind.as_str() {
                "EntraTenant" => {
                    if object["metadata"]["name"] == "contoso" {
                        let secret = json!({"name": "entra", "key": "client-secret"});
                        object["spec"]["credential"] =
                            json!({"clientSecret": {"clientId": CLIENT_ID, "secretRef": secret}});
                        let url = bed.simulator.url();
                        object["spec"]["endpoints"] = json!({"graph": url, "authority": url});
                    }
                    object["metadata"]["name"] = own(&object["metadata"]["name"]);
                }
                "GrantBoundary" => {
                    object["metadata"]["name"] = own(&object["metadata"]["name"]);
                    for list in ["namespaces", "tenants"] {
                        for name in object["spec"][list].as_array_mut().into_iter().flatten() {
                            *name = own(name);
                        }
                    }
                }
                _ => {
                    let namespace = own(&object["metadata"]["namespace"]);
                    set.namespaces
                        .insert(namespace.as_str().unwrap().to_owned());
                    object["metadata"]["namespace"] = namespace;
                    object["spec"]["tenantRef"]["name"] = own(&object["spec"]["tenantRef"]["name"]);
                }
            }
            set.objects.push(object);
        }
        set
    }

    /// As one input for kubectl.
    pub fn text(&self) -> String {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": self.objects});
        list.to_string()
    }

    /// Makes the namespaces.
    pub async fn make_namespaces(&self, bed: &Bed) {
        for name in &self.namespaces {
            let namespace: Namespace =
                serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
            let api = Api::all(bed.client.clone());
            api.create(&PostParams::default(), &namespace)
                .await
                .unwrap();
        }
    }

    /// An operator that looks after them.
    pub fn start_operator(&self, bed: &Bed) -> Operator {
        let mut controller = bed.controller(bed.client.clone());
        controller.watch_namespaces.extend(self.namespaces.clone());
        Operator::start(controller)
    }

    /// The objects as they are stored.
    pub async fn stored(&self, bed: &Bed) -> Vec<Value> {
        let mut stored = Vec::new();
        for object in &self.objects {
            let resource = resource(object["kind"].as_str().unwrap());
            let api = match object["metadata"]["namespace"].as_str() {
                Some(namespace) => Api::namespaced_with(bed.client.clone(), namespace, &resource),
                None => Api::<kube::api::DynamicObject>::all_with(bed.client.clone(), &resource),
            };
            let found = api.get(object["metadata"]["name"].as_str().unwrap()).await;
            stored.push(serde_json::to_value(found.unwrap()).unwrap());
        }
        stored
    }

    /// Waits until the operator has looked at everything that is its business, and has done what it can.
    pub async fn until_at_rest(&self, bed: &Bed) -> Vec<Value> {
        let deadline = Instant::now() + Duration::from_mins(2);
        let mut last: (Vec<Value>, Instant) = (Vec::new(), Instant::now());
        loop {
            let stored = self.stored(bed).await;
            let unseen = stored.iter().find(|object| {
                let tenant = &object["spec"]["tenantRef"]["name"];
                let ours = tenant.is_string() || object["metadata"]["name"] == bed.tenant;
                let status = &object["status"];
                ours && status["observedGeneration"] != object["metadata"]["generation"]
            });
            if versions(&last.0) != versions(&stored) {
                last = (stored.clone(), Instant::now());
            }
            // What works on comes to an end within seconds, or not at all.
            let works = |object: &Value| matches!(seen(object), Some((Shape::Working, _)));
            let rest = if stored.iter().any(works) { 5 } else { 1 };
            if unseen.is_none() && last.1.elapsed() > Duration::from_secs(rest) {
                return stored;
            }
            assert!(Instant::now() < deadline, "never at rest: {unseen:#?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// What every write changes.
fn versions<'a>(objects: impl IntoIterator<Item = &'a Value>) -> Vec<(Value, Value)> {
    let of = |object: &Value| {
        let metadata = &object["metadata"];
        (
            metadata["name"].clone(),
            metadata["resourceVersion"].clone(),
        )
    };
    objects.into_iter().map(of).collect()
}

/// What every write of `spec` changes.
fn generations(objects: &[Value]) -> Vec<&Value> {
    let generations = objects.iter();
    generations
        .map(|object| &object["metadata"]["generation"])
        .collect()
}

async fn assert_no_difference(mode: &[&str], text: &str) {
    let arguments = [&["diff"], mode, &["-f", "-"]].concat();
    let output = kubectl(&arguments, text).await;
    let shown = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{mode:?}: {shown}{errors}");
    assert_eq!(shown, "");
}

async fn apply(mode: &[&str], text: &str) -> String {
    let arguments = [&["apply"], mode, &["-f", "-"]].concat();
    kubectl_ok(&arguments, text).await
}

/// Applies a set, lets the operator work on it, and applies it again: nothing is written and nothing differs.
async fn twice(name: &str, manifests: Vec<Value>, mode: &[&str]) {
    let bed = empty_bed(name).await;
    let set = Set::on(&bed, manifests);
    set.make_namespaces(&bed).await;
    let text = set.text();
    let recorder = Recorder::of(&bed, &set.namespaces);
    apply(mode, &text).await;
    let operator = set.start_operator(&bed);
    set.until_at_rest(&bed).await;
    operator.stop().await;
    let before = set.stored(&bed).await;
    assert!(
        before
            .iter()
            .any(|object| object["metadata"]["finalizers"].is_array()),
        "the operator has granted nothing"
    );

    assert_no_difference(mode, &text).await;
    let said = apply(mode, &text).await;
    let stored = set.stored(&bed).await;
    assert_eq!(generations(&stored), generations(&before), "{said}");
    // An object without a stored status gets the default of its type with the first write of anybody: once, and never again.
    let observed = |objects: &[Value]| {
        let seen = |object: &&Value| object["status"]["observedGeneration"] != -1;
        versions(objects.iter().filter(seen))
    };
    assert_eq!(observed(&stored), observed(&before), "{said}");
    apply(mode, &text).await;
    assert_eq!(versions(&set.stored(&bed).await), versions(&stored));
    if mode.is_empty() {
        let unchanged = said.lines().filter(|line| line.ends_with(" unchanged"));
        assert_eq!(unchanged.count(), set.objects.len(), "{said}");
        // From people's hands into Argo CD's: who owns the fields changes, once, and what they say does not.
        apply(&SERVER, &text).await;
        let taken = set.stored(&bed).await;
        assert_no_difference(&SERVER, &text).await;
        apply(&SERVER, &text).await;
        assert_eq!(versions(&set.stored(&bed).await), versions(&taken));
        assert_eq!(generations(&taken), generations(&before));
    }
    recorder.judge().await;
    println!("{name}: {} objects without a difference", stored.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_samples_show_no_drift_after_server_side_apply() {
    twice("samples_server", folder("config/samples"), &SERVER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_samples_show_no_drift_after_client_side_apply() {
    twice("samples_client", folder("config/samples"), &CLIENT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_shows_no_drift_after_either_apply() {
    let server = twice("story_server", folder("config/story"), &SERVER);
    let client = twice("story_client", folder("config/story"), &CLIENT);
    tokio::join!(server, client);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_repository_of_the_documentation_shows_no_drift() {
    let server = twice("page_server", page::built().await, &SERVER);
    let client = twice("page_client", page::built().await, &CLIENT);
    tokio::join!(server, client);
}

#[tokio::test(flavor = "multi_thread")]
async fn types_and_admission_policies_show_no_drift() {
    empty_bed("types").await;
    let mut objects = folder("crds");
    let policies = repository("config/policies");
    let policies = kubectl_ok(&["kustomize", policies.to_str().unwrap()], "").await;
    for mut object in documents(&policies) {
        if object["kind"] == "ValidatingAdmissionPolicyBinding" {
            // Other tests write to the same API server.
            object["spec"]["validationActions"] = json!(["Audit"]);
        }
        objects.push(object);
    }
    let text = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "pim-operator-system"},
    });
    apply(&SERVER, &namespace.to_string()).await;
    apply(&SERVER, &text).await;
    assert_no_difference(&SERVER, &text).await;
    println!("{} types and policies without a difference", objects.len());
}
