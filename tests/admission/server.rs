//! The API server with our CRDs, and its verdicts.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::Output,
    sync::LazyLock,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
    core::Request,
    core::params::PostParams,
};
use pim_testbed::ControlPlane;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// A path in this repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The API server's answer to a manifest.
#[derive(Debug)]
pub enum Verdict {
    /// The object as it would be stored.
    Accepted(Value),
    Refused(Refusal),
}

#[derive(Debug)]
pub struct Refusal {
    /// Field and sentence of everything that is wrong.
    pub causes: Vec<(String, String)>,
    /// What kubectl prints.
    pub text: String,
}

impl Refusal {
    pub fn names(&self, field: &str, sentence: &str) -> bool {
        self.causes
            .iter()
            .any(|(at, says)| at == field && says.contains(sentence))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted(_) => f.write_str("accepted"),
            Self::Refused(refusal) => write!(f, "refused: {}", refusal.text),
        }
    }
}

/// A client of the shared control plane, in which the committed CRDs are installed.
pub struct Server {
    pub cluster: &'static ControlPlane,
    pub client: Client,
}

impl Server {
    pub async fn get() -> Self {
        static INSTALLED: OnceCell<()> = OnceCell::const_new();
        let cluster = ControlPlane::shared().await.unwrap();
        let kubeconfig = Kubeconfig::from_yaml(&cluster.kubeconfig_yaml()).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .unwrap();
        let server = Self {
            cluster,
            client: Client::try_from(config).unwrap(),
        };
        INSTALLED.get_or_init(|| server.install()).await;
        server
    }

    async fn install(&self) {
        let folder = repository("crds");
        let folder = folder.to_str().unwrap();
        self.kubectl(&["apply", "--server-side", "-f", folder])
            .await;
        self.kubectl(&["wait", "--for=condition=Established", "crd", "--all"])
            .await;
        // Established, served and documented are moments apart, and kubectl remembers what it saw before.
        self.kubectl(&["api-resources", "--api-group=entrapim.dev"])
            .await;
        let deadline = Instant::now() + Duration::from_mins(1);
        for crd in crds() {
            let explain = ["explain", crd.spec.names.plural.as_str()];
            while !self.try_kubectl(&explain).await.status.success() {
                assert!(Instant::now() < deadline, "{} is not served", explain[1]);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    async fn try_kubectl(&self, arguments: &[&str]) -> Output {
        let mut kubectl = self.cluster.kubectl();
        kubectl.args(arguments).output().await.unwrap()
    }

    /// What kubectl prints; it must succeed.
    pub async fn kubectl(&self, arguments: &[&str]) -> String {
        let output = self.try_kubectl(arguments).await;
        assert!(
            output.status.success(),
            "kubectl {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Would `object` be accepted as a new one?
    pub async fn judge(&self, object: &Value) -> Verdict {
        self.send("POST", object, true).await
    }

    /// Would the existing object of that name be replaced by `object`?
    pub async fn judge_update(&self, object: &Value) -> Verdict {
        self.send("PUT", object, true).await
    }

    /// Creates `object` for good.
    pub async fn create(&self, object: &Value) -> Value {
        match self.send("POST", object, false).await {
            Verdict::Accepted(object) => object,
            Verdict::Refused(refusal) => panic!("{}", refusal.text),
        }
    }

    /// Like `kubectl`, which has unknown fields refused.
    async fn send(&self, method: &str, object: &Value, dry_run: bool) -> Verdict {
        let (plural, namespaced) = rest_of(object["kind"].as_str().unwrap());
        let request = Request::new(collection(plural, namespaced));
        let name = object["metadata"]["name"].as_str().unwrap();
        let params = PostParams {
            dry_run,
            field_manager: Some("admission".to_owned()),
        };
        let body = serde_json::to_vec(object).unwrap();
        let mut request = match method {
            "POST" => request.create(&params, body).unwrap(),
            _ => request.replace(name, &params, body).unwrap(),
        };
        let strict = format!("{}&fieldValidation=Strict", request.uri());
        *request.uri_mut() = strict.parse().unwrap();
        match self.client.request::<Value>(request).await {
            Ok(object) => Verdict::Accepted(object),
            Err(kube::Error::Api(status)) => Verdict::Refused(Refusal {
                causes: status
                    .details
                    .iter()
                    .flat_map(|details| &details.causes)
                    .map(|cause| (cause.field.clone(), cause.message.clone()))
                    .collect(),
                text: status.message.clone(),
            }),
            Err(error) => panic!("{error}"),
        }
    }
}

fn collection(plural: &str, namespaced: bool) -> String {
    let namespace = if namespaced {
        "namespaces/default/"
    } else {
        ""
    };
    format!("/apis/entrapim.dev/v1alpha1/{namespace}{plural}")
}

/// The plural of a kind, and whether it lives in namespaces.
fn rest_of(kind: &str) -> (&'static str, bool) {
    let crd = crds().iter().find(|crd| crd.spec.names.kind == kind);
    let spec = &crd
        .unwrap_or_else(|| panic!("{kind} is no kind of ours"))
        .spec;
    (&spec.names.plural, spec.scope == "Namespaced")
}

/// Made once: it takes longer than a request.
fn crds() -> &'static [CustomResourceDefinition] {
    static CRDS: LazyLock<Vec<CustomResourceDefinition>> =
        LazyLock::new(pim_operator::api::crds::all);
    &CRDS
}

/// An object of `kind` with that name and spec.
pub fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "entrapim.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    })
}

/// Changes `target` as `kubectl patch --type=merge` does: objects are merged, null removes.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let fields = target.as_object_mut().unwrap();
    for (name, value) in patch {
        if value.is_null() {
            fields.remove(name);
        } else {
            merge(fields.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Merges `value` into the field at a path such as `spec.group.id`, `spec.groups[0].id` or `spec.labels[key]`, as the API server
/// names fields. Within a list the merge replaces the item only; a null takes it out.
pub fn merge_at(target: &mut Value, path: &str, value: &Value) {
    let mut at = &mut *target;
    for step in path.split(['.', '[']) {
        at = match step
            .strip_suffix(']')
            .map(|key| (key, key.parse::<usize>()))
        {
            Some((_, Ok(index))) => {
                if !at.is_array() {
                    *at = json!([]);
                }
                let items = at.as_array_mut().unwrap();
                items.resize(items.len().max(index + 1), Value::Null);
                &mut items[index]
            }
            key => {
                let name = key.map_or(step, |(key, _)| key);
                if !at.is_object() {
                    *at = json!({});
                }
                let fields = at.as_object_mut().unwrap();
                fields.entry(name.to_owned()).or_insert(Value::Null)
            }
        };
    }
    if value.is_null() {
        *at = Value::Null;
    } else {
        merge(at, value);
    }
    prune(target);
}

/// Takes out what is null.
fn prune(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(prune);
        }
        Value::Array(items) => {
            items.retain(|item| !item.is_null());
            items.iter_mut().for_each(prune);
        }
        _ => {}
    }
}

/// Runs `judgements` side by side and fails with the list of what they have to say.
pub async fn expect_silence(judgements: Vec<impl Future<Output = Option<String>>>) {
    let count = judgements.len();
    let failures: Vec<String> = stream::iter(judgements)
        .buffer_unordered(16)
        .filter_map(|failure| async { failure })
        .collect()
        .await;
    let list = failures.join("\n");
    assert!(
        failures.is_empty(),
        "{} of {count}:\n{list}",
        failures.len()
    );
    println!("{count} judgements");
}
