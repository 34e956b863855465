//! An installation of the chart, a tenant, and an operator with the token of the chart's service account.

use std::{
    path::PathBuf,
    sync::{Mutex, OnceLock},
    time::Duration,
};

use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::{Secret, ServiceAccount},
};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
};
use pim_harness::{Bed, BedOptions, process::OperatorProcess};
use pim_testbed::AuditEvent;
use serde_json::{Value, json};

use super::atoms::{Atom, roles};
use crate::helm::{at, object, parse, try_render};

/// The Secret that the tenant is signed in to with.
const SECRET: &str = "entra";
/// The service account that is another identity of the tenant.
pub const IDENTITY: &str = "contoso";

/// An installation.
pub struct Stage {
    pub bed: Bed,
    /// Where the operator is installed.
    pub namespace: String,
    /// Its service account.
    pub account: String,
    /// What the chart renders for it.
    pub rendered: Vec<Value>,
    /// What it reaches the API server by.
    pub kubeconfig: PathBuf,
    /// What it asked the API server for, and up to where that was read.
    pub requests: Mutex<(Vec<AuditEvent>, u64)>,
}

impl Stage {
    /// A stage on the control plane that all tests share, with nothing of the chart but the service account. Everything is in one
    /// namespace.
    pub async fn new(name: &str, narrow: bool) -> Self {
        let bed = Bed::with(options(name)).await.unwrap();
        let namespace = bed.namespace.clone();
        let stage = Self {
            account: namespace.clone(),
            kubeconfig: bed
                .control_plane
                .folder()
                .join(format!("{namespace}.kubeconfig")),
            rendered: rendered(&namespace, narrow),
            namespace,
            requests: Mutex::default(),
            bed,
        };
        let account = object(
            &stage.rendered,
            &format!("ServiceAccount/{}", stage.account),
        );
        stage.apply(&[account]).await;
        stage.prepare().await;
        stage
    }

    /// Makes what the values name besides, and a kubeconfig.
    pub async fn prepare(&self) {
        let argocd = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.quiet_namespace()}});
        let identity = json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": IDENTITY, "namespace": self.namespace},
        });
        self.apply(&[argocd, identity]).await;
        self.write_kubeconfig().await;
    }

    /// A namespace where nothing happens: Argo CD's Applications are looked for there.
    pub fn quiet_namespace(&self) -> String {
        quiet_namespace(&self.namespace)
    }

    /// Applies objects as an administrator.
    async fn apply(&self, objects: &[Value]) {
        let params = PatchParams::apply("kubectl").force();
        for object in objects {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
            let (group, version) = version.rsplit_once('/').unwrap_or(("", &version));
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &kind));
            let client = self.bed.client.clone();
            let api: Api<DynamicObject> = match object["metadata"]["namespace"].as_str() {
                Some(namespace) => Api::namespaced_with(client, namespace, &resource),
                None => Api::all_with(client, &resource),
            };
            let name = text(&object["metadata"]["name"]);
            api.patch(&name, &params, &Patch::Apply(object))
                .await
                .unwrap();
        }
    }

    /// A kubeconfig with a token of the operator's service account and nothing else.
    async fn write_kubeconfig(&self) {
        let accounts: Api<ServiceAccount> =
            Api::namespaced(self.bed.client.clone(), &self.namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: vec![],
                expiration_seconds: Some(3600),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let answer = accounts
            .create_token_request(&self.account, &PostParams::default(), &request)
            .await
            .unwrap();
        let token = answer.status.unwrap().token;
        let administrator = self.bed.control_plane.kubeconfig_yaml();
        let nobody = administrator
            .split_once("    client-certificate-data")
            .unwrap()
            .0;
        std::fs::write(&self.kubeconfig, format!("{nobody}    token: {token}\n")).unwrap();
    }

    /// Writes what the tenant is signed in to with.
    pub async fn write_secret(&self, value: &str) {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": SECRET}, "stringData": {"client-secret": value},
        });
        let api: Api<Secret> = Api::namespaced(self.bed.client.clone(), &self.namespace);
        let params = PatchParams::apply("git").force();
        api.patch(SECRET, &params, &Patch::Apply(secret))
            .await
            .unwrap();
    }

    /// The operator's roles, as the chart renders them.
    pub fn roles(&self) -> Vec<Value> {
        let people = ["view", "edit", "admin"].map(|role| format!("{}-{role}", self.account));
        let roles = self.rendered.iter().filter(|object| {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            matches!(object["kind"].as_str(), Some("Role" | "ClusterRole"))
                && name.starts_with(&self.account)
                && !people.contains(&name.to_owned())
        });
        roles.cloned().collect()
    }

    /// Gives the operator these rights, by roles and bindings of the chart's own names.
    pub async fn give(&self, atoms: &[Atom]) {
        let mut objects = roles(atoms, &self.roles());
        let bindings = self.rendered.iter().filter(|object| {
            matches!(
                object["kind"].as_str(),
                Some("RoleBinding" | "ClusterRoleBinding")
            )
        });
        objects.extend(bindings.cloned());
        self.apply(&objects).await;
    }

    /// The arguments that the chart gives the operator, but for the address, and what the Pod's fields would say.
    pub fn deployed_arguments(&self) -> Vec<String> {
        self.arguments_of("pim-operator-0", "127.0.0.1:0")
    }

    /// The same for a Pod of this name, with metrics at an address.
    pub fn arguments_of(&self, pod: &str, address: &str) -> Vec<String> {
        let deployment = object(&self.rendered, &format!("Deployment/{}", self.account));
        let arguments = at(&deployment, "/spec/template/spec/containers/0/args");
        let arguments = arguments.as_array().unwrap().iter();
        let mut arguments: Vec<String> = arguments
            .map(|argument| argument.as_str().unwrap().to_owned())
            .filter(|argument| argument != "run" && !argument.starts_with("--metrics-address"))
            .collect();
        let own = [
            format!("--namespace={}", self.namespace),
            format!("--metrics-address={address}"),
            format!("--identity={pod}"),
        ];
        arguments.extend(own);
        arguments
    }

    /// The same, for an operator that leaves other tests' objects alone.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = self.deployed_arguments();
        if !arguments
            .iter()
            .any(|argument| argument.starts_with("--watch-namespace"))
        {
            arguments.push(format!("--watch-namespace={}", self.bed.namespace));
        }
        arguments.push(format!("--watch-tenant={}", self.bed.tenant));
        arguments
    }

    /// Starts the operator as the chart's service account.
    pub fn start(&self, arguments: &[String]) -> OperatorProcess {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let log = self
            .bed
            .control_plane
            .folder()
            .join(format!("{}.log", self.account));
        let program = env!("CARGO_BIN_EXE_pim-operator");
        OperatorProcess::start_program(program.as_ref(), &self.kubeconfig, &log, &arguments)
            .unwrap()
    }

    /// Everything that the operator asked the API server for.
    pub fn requests(&self) -> Vec<AuditEvent> {
        let mut requests = self.requests.lock().unwrap();
        let control_plane = self.bed.control_plane;
        let (further, end) = control_plane
            .requests_of(&self.namespace, &self.account, requests.1)
            .unwrap();
        requests.0.extend(further);
        requests.1 = end;
        requests.0.clone()
    }
}

/// What the chart renders for a stage, whose namespace is the name of everything as well. Helm is asked once.
fn rendered(namespace: &str, narrow: bool) -> Vec<Value> {
    static WIDE: OnceLock<String> = OnceLock::new();
    static NARROW: OnceLock<String> = OnceLock::new();
    const ANY: &str = "any-namespace";
    let text = if narrow { &NARROW } else { &WIDE }.get_or_init(|| {
        let mut values = values(ANY);
        values["fullnameOverride"] = json!(ANY);
        if narrow {
            values["watchNamespaces"] = json!([ANY, quiet_namespace(ANY)]);
        }
        try_render(&values, &["--namespace", ANY]).unwrap()
    });
    parse(&text.replace(ANY, namespace))
}

/// A story estate, whose access may be taken away at once.
pub fn options(name: &str) -> BedOptions {
    let mut options = BedOptions::story(name).unwrap();
    // The operator goes by the machine's clock: as little as possible is to wait for Graph's five minutes.
    options.simulator.behaviour.minimum_active_age = Duration::ZERO;
    options.boundary = false;
    options
}

/// The values that the story needs.
pub fn values(namespace: &str) -> Value {
    json!({
        "tenantSecrets": [SECRET],
        "workloadIdentity": {"serviceAccounts": [IDENTITY]},
        "gitops": {"flux": true, "argocdNamespaces": [quiet_namespace(namespace)]},
    })
}

fn quiet_namespace(namespace: &str) -> String {
    format!("argocd-{namespace}")
}
