//! A control plane with the CRDs, the policies, and the boundaries in `boundaries.yaml` among hundreds of others.

use std::{
    collections::HashMap, fmt::Write, path::Path, process::Stdio, sync::Arc, time::Duration,
};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
    core::{Request, params::PostParams},
};
use pim_testbed::{ControlPlane, ControlPlaneOptions};
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    sync::{Mutex, OnceCell},
};

/// The operator's service account, as the policies name it.
pub const OPERATOR: &str = "system:serviceaccount:pim-operator-system:pim-operator";
/// May do everything with our kinds but `override`.
pub const EDITOR: &str = "alice";
/// May `override` besides.
pub const OVERRIDER: &str = "olivia";

/// Who may what, and where.
const PEOPLE: &str = "
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: Namespace, metadata: {name: pim-operator-system}}
  - {apiVersion: v1, kind: Namespace, metadata: {name: payments}}
  - {apiVersion: v1, kind: Namespace, metadata: {name: shared, labels: {team: platform, stage: live}}}
  - {apiVersion: v1, kind: Namespace, metadata: {name: sandbox, labels: {team: platform, stage: sandbox}}}
  - {apiVersion: v1, kind: Namespace, metadata: {name: lab}}
  - apiVersion: rbac.authorization.k8s.io/v1
    kind: ClusterRole
    metadata: {name: edit-grants}
    rules:
      - {apiGroups: [entrapim.dev], resources: ['*'], verbs: [get, list, create, update, patch, delete]}
  - apiVersion: rbac.authorization.k8s.io/v1
    kind: ClusterRoleBinding
    metadata: {name: edit-grants}
    roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit-grants}
    subjects:
      - {kind: User, name: alice}
      - {kind: User, name: olivia}
      - {kind: ServiceAccount, name: pim-operator, namespace: pim-operator-system}
";
const OVERRIDERS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: override}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: entrapim-override}
subjects: [{kind: User, name: olivia}]
";

/// The API server's answer: the object, or why not.
pub type Verdict = Result<Value, String>;

/// A control plane with the policies, as one test sees it.
pub struct Bed {
    cluster: Arc<ControlPlane>,
    /// One a user, since a connection takes longer than a request; and of this test, since it ends with the test's runtime.
    clients: Mutex<HashMap<String, Client>>,
}

impl Bed {
    /// On the control plane of this process.
    pub async fn shared() -> Self {
        static SHARED: OnceCell<Arc<ControlPlane>> = OnceCell::const_new();
        let start = async || Self::start(ControlPlaneOptions::default()).await.cluster;
        Self {
            cluster: SHARED.get_or_init(start).await.clone(),
            clients: Mutex::default(),
        }
    }

    /// On one of the test's own.
    pub async fn start(options: ControlPlaneOptions) -> Self {
        let bed = Self {
            cluster: Arc::new(ControlPlane::start(options).await.unwrap()),
            clients: Mutex::default(),
        };
        bed.kubectl(&["apply", "--server-side", "-f", &repository("crds")], "")
            .await;
        bed.kubectl(&["wait", "--for=condition=Established", "crd", "--all"], "")
            .await;
        bed.kubectl(&["apply", "-f", "-"], PEOPLE).await;
        bed.kubectl(&["apply", "-k", &repository("config/policies")], "")
            .await;
        bed.kubectl(&["apply", "-f", "-"], OVERRIDERS).await;
        let boundaries = boundaries();
        bed.kubectl(&["apply", "-f", "-"], &boundaries).await;
        bed.kubectl(&["apply", "-f", "-"], &bed.echo().await).await;
        bed.until_the_policies_hold().await;
        bed
    }

    /// The ConfigMap as a person makes it: what is in the cluster, through `pim-operator policies`.
    async fn echo(&self) -> String {
        let stored = self
            .kubectl(&["get", "grantboundaries", "-o", "yaml"], "")
            .await;
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_pim-operator"));
        run(command.arg("policies"), &stored).await.unwrap()
    }

    /// Policies and parameters hold a moment after they are written.
    async fn until_the_policies_hold(&self) {
        let grant = grant("lab", "canary");
        let mut finalized = grant.clone();
        finalized["metadata"]["namespace"] = json!("payments");
        finalized["metadata"]["finalizers"] = json!(["entrapim.dev/revoke"]);
        let mut abandoned = finalized.clone();
        abandoned["metadata"]["finalizers"] = Value::Null;
        abandoned["metadata"]["annotations"] = json!({"entrapim.dev/abandon": "x"});
        for canary in [grant, finalized, abandoned] {
            self.until(|| self.create(EDITOR, &canary), Result::is_err)
                .await;
        }
    }

    /// Asks until the answer is as wanted.
    pub async fn until<F: Future<Output = Verdict>>(
        &self,
        ask: impl Fn() -> F,
        wanted: impl Fn(&Verdict) -> bool,
    ) {
        for _ in 0..600 {
            if wanted(&ask().await) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("not within a minute");
    }

    async fn client(&self, user: &str) -> Client {
        let mut clients = self.clients.lock().await;
        if let Some(client) = clients.get(user) {
            return client.clone();
        }
        let kubeconfig = Kubeconfig::from_yaml(&self.cluster.kubeconfig_yaml()).unwrap();
        let options = KubeConfigOptions::default();
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .unwrap();
        config.auth_info.impersonate = Some(user.to_owned());
        // A service account is known by its groups too, and nobody else needs more than to be signed in.
        config.auth_info.impersonate_groups = Some(vec!["system:authenticated".to_owned()]);
        let client = Client::try_from(config).unwrap();
        clients.insert(user.to_owned(), client.clone());
        client
    }

    /// Would `object` be created for `user`?
    pub async fn create(&self, user: &str, object: &Value) -> Verdict {
        self.send(user, "POST", object, "", true).await
    }

    /// Creates `object` for good, by the operator, whom no policy but that of the boundaries stops.
    pub async fn store(&self, object: &Value) -> Value {
        self.send(OPERATOR, "POST", object, "", false)
            .await
            .unwrap()
    }

    /// Would the stored object of that name become `object` for `user`?
    pub async fn update(&self, user: &str, object: &Value) -> Verdict {
        self.send(user, "PUT", object, "", true).await
    }

    /// Would its status?
    pub async fn update_status(&self, user: &str, object: &Value) -> Verdict {
        self.send(user, "PUT", object, "/status", true).await
    }

    /// Like [`Self::update`], for good.
    pub async fn change(&self, user: &str, object: &Value) -> Verdict {
        self.send(user, "PUT", object, "", false).await
    }

    async fn send(
        &self,
        user: &str,
        method: &str,
        object: &Value,
        subresource: &str,
        dry_run: bool,
    ) -> Verdict {
        let plural = match object["kind"].as_str().unwrap() {
            "EntraTenant" => "entratenants",
            "GrantBoundary" => "grantboundaries",
            "GroupAssignment" => "groupassignments",
            "GroupEligibility" => "groupeligibilities",
            "PimPolicy" => "pimpolicies",
            other => panic!("{other}"),
        };
        let place = match object["metadata"]["namespace"].as_str() {
            Some(namespace) => format!("namespaces/{namespace}/{plural}"),
            None => plural.to_owned(),
        };
        let request = Request::new(format!("/apis/entrapim.dev/v1alpha1/{place}"));
        let params = PostParams {
            dry_run,
            field_manager: None,
        };
        let body = serde_json::to_vec(object).unwrap();
        let request = match (method, subresource) {
            ("POST", _) => request.create(&params, body).unwrap(),
            (_, "") => {
                let name = object["metadata"]["name"].as_str().unwrap();
                request.replace(name, &params, body).unwrap()
            }
            _ => {
                let name = object["metadata"]["name"].as_str().unwrap();
                request
                    .replace_subresource("status", name, &params, body)
                    .unwrap()
            }
        };
        match self.client(user).await.request::<Value>(request).await {
            Ok(object) => Ok(object),
            Err(kube::Error::Api(status)) => Err(status.message.clone()),
            Err(error) => panic!("{error}"),
        }
    }

    /// What kubectl prints; it must succeed.
    pub async fn kubectl(&self, arguments: &[&str], input: &str) -> String {
        let mut command = self.cluster.kubectl();
        run(command.args(arguments), input).await.unwrap()
    }

    /// What kubectl prints for `user` besides its answer.
    pub async fn kubectl_warnings(&self, user: &str, object: &Value) -> String {
        let mut command = self.cluster.kubectl();
        command.args(["create", "--dry-run=server", "-f", "-", "--as", user]);
        let (done, warnings) = run_whole(&mut command, &object.to_string()).await;
        done.unwrap();
        warnings
    }
}

/// The whole answer of a program that must succeed.
async fn run(command: &mut tokio::process::Command, input: &str) -> Result<String, String> {
    run_whole(command, input).await.0
}

async fn run_whole(
    command: &mut tokio::process::Command,
    input: &str,
) -> (Result<String, String>, String) {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A program that does not read its input may have closed it.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (printed, complaints) = (text(output.stdout), text(output.stderr));
    if output.status.success() {
        (Ok(printed), complaints)
    } else {
        (Err(complaints.clone()), complaints)
    }
}

/// A path in this repository.
pub fn repository(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    path.to_str().unwrap().to_owned()
}

/// The boundaries that the tests speak of, among 500 that select other namespaces by name and by labels.
fn boundaries() -> String {
    let path = repository("tests/policies/boundaries.yaml");
    let mut text = std::fs::read_to_string(path).unwrap();
    for number in 0..500 {
        write!(
            text,
            "---
apiVersion: entrapim.dev/v1alpha1
kind: GrantBoundary
metadata: {{name: other-{number}}}
spec:
  namespaces: [other-{number}-a, other-{number}-b, other-{number}-c]
  namespaceSelector: {{matchLabels: {{team: other-{number}, stage: live}}}}
  tenants: [contoso]
  kinds: [GroupEligibility, GroupAssignment]
  principals: {{kinds: [User, Group, ServicePrincipal]}}
"
        )
        .unwrap();
    }
    text
}

/// A grant that the boundary payments allows.
pub fn grant(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "entrapim.dev/v1alpha1",
        "kind": "GroupEligibility",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "tenantRef": {"name": "contoso"},
            "group": {"displayName": "payments-ops"},
            "accessId": "member",
            "principal": {"userPrincipalName": "alice@contoso.com"},
            "scheduleInfo": {"expiration": {"type": "afterDuration", "duration": "P90D"}},
            "justification": "On-call for payments",
            "ticketInfo": {"ticketNumber": "CHG-42"},
        },
    })
}

/// Checks that `user`'s request was refused by `policy` with exactly this sentence.
#[track_caller]
pub fn expect_refusal(verdict: &Verdict, policy: &str, sentence: &str) {
    let Err(text) = verdict else {
        panic!("accepted; wanted: {sentence}");
    };
    let denied = format!(
        "ValidatingAdmissionPolicy '{policy}' with binding '{policy}' denied request: {sentence}"
    );
    assert!(
        text.ends_with(&denied),
        "\n wanted: {denied}\n    got: {text}"
    );
}
