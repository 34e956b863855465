//! A place of its own for a test: namespace, tenant, simulator, and the operator in it.

use std::{fmt::Debug, path::PathBuf, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::{
    api::core::v1::{Namespace, Secret},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    runtime::{conditions, wait::await_condition},
};
use pim_operator::{
    api::{boundary::GrantBoundary, crds, status::GrantStatus, tenant::EntraTenant},
    controller::{
        election::Timings,
        grant::Grant,
        run::{FEDERATED_TOKEN_FILE, Operator as Controller},
    },
    graph::{RetryLimits, Timeouts},
};
use pim_simulator::{Estate, Simulator, SimulatorConfig};
use pim_testbed::ControlPlane;
use serde_json::json;
use tokio::sync::OnceCell;

use crate::{clock::SharedClock, operator::Operator, shapes::Findings, yaml};

/// The operator's application in the simulator's story estate.
pub const CLIENT_ID: &str = "11111111-0000-4000-8000-000000000001";
/// The tenant of the story estate.
pub const TENANT_ID: &str = "9f0c2c1e-0000-4000-8000-000000000001";
/// How long a test waits for a state before it fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a bed is made of.
pub struct BedOptions {
    /// The test's name, for its traffic log.
    pub name: String,
    /// The simulator's settings.
    pub simulator: SimulatorConfig,
    /// The secret of the operator's application.
    pub secret: String,
    /// Further fields of the EntraTenant's spec.
    pub tenant: serde_json::Value,
    /// Whether a boundary allows the namespace everything in every group.
    pub boundary: bool,
}

/// Anything that went wrong in a test's own machinery.
pub type BedError = Box<dyn std::error::Error + Send + Sync>;

/// A namespace, a tenant and a simulator.
pub struct Bed {
    /// The control plane.
    pub control_plane: &'static ControlPlane,
    /// A client with all rights.
    pub client: Client,
    /// Graph.
    pub simulator: Simulator,
    /// The namespace of the test: its grants, its Secret, and the operator's own.
    pub namespace: String,
    /// Name of the EntraTenant.
    pub tenant: String,
}

impl Bed {
    /// A bed on the shared control plane, with the story estate and nothing running.
    ///
    /// # Errors
    /// When something cannot be started.
    pub async fn new(name: &str) -> Result<Self, BedError> {
        Self::with(BedOptions::story(name)?).await
    }

    /// A bed to measure.
    ///
    /// # Errors
    /// When something cannot be started.
    pub async fn with(options: BedOptions) -> Result<Self, BedError> {
        Self::on(ControlPlane::shared().await?, options).await
    }

    /// A bed on a control plane of the test's own.
    ///
    /// # Errors
    /// When something cannot be started.
    pub async fn on(
        control_plane: &'static ControlPlane,
        options: BedOptions,
    ) -> Result<Self, BedError> {
        let client = client(control_plane, "pim-harness").await?;
        install_crds(&client, control_plane).await?;
        let estate = &options.simulator.estate;
        let groups: Vec<_> = estate.groups.iter().filter_map(|group| group.id).collect();
        let simulator = Simulator::start(options.simulator).await?;
        let id = uuid::Uuid::new_v4().simple().to_string();
        let namespace = format!("t-{}", &id[..10]);
        let bed = Self {
            control_plane,
            client,
            simulator,
            tenant: namespace.clone(),
            namespace,
        };
        bed.create_namespace().await?;
        bed.write_secret(&options.secret).await?;
        bed.create_tenant(options.tenant).await?;
        if options.boundary {
            bed.allow_everything(&groups).await?;
        }
        Ok(bed)
    }

    /// Lets the namespace grant anything in these groups.
    async fn allow_everything(&self, groups: &[uuid::Uuid]) -> Result<(), kube::Error> {
        for (number, groups) in groups.chunks(512).enumerate() {
            let groups: Vec<_> = groups.iter().map(|id| json!({"id": id})).collect();
            let spec = json!({
                "namespaces": [self.namespace],
                "tenants": [self.tenant],
                "kinds": ["GroupEligibility", "GroupAssignment", "PimPolicy"],
                "groups": groups,
                "accessIds": ["member", "owner"],
                "principals": {"kinds": ["User", "Group", "ServicePrincipal"]},
                "limits": {"permanent": "Allowed"},
            });
            self.write_boundary(&format!("{}-{number}", self.namespace), &spec)
                .await?;
        }
        Ok(())
    }

    /// Lets the namespace grant anything in a group that was not in the estate at the start.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn allow_group(&self, id: uuid::Uuid) -> Result<(), kube::Error> {
        let groups: Vec<_> = Estate::contoso()
            .groups
            .iter()
            .filter_map(|group| group.id)
            .chain([id])
            .collect();
        self.allow_everything(&groups).await
    }

    /// Writes a boundary.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn write_boundary(
        &self,
        name: &str,
        spec: &serde_json::Value,
    ) -> Result<GrantBoundary, kube::Error> {
        let boundary = json!({
            "apiVersion": "entrapim.dev/v1alpha1", "kind": "GrantBoundary",
            "metadata": {"name": name}, "spec": spec,
        });
        Api::<GrantBoundary>::all(self.client.clone())
            .patch(
                name,
                &PatchParams::apply("git").force(),
                &Patch::Apply(boundary),
            )
            .await
    }

    async fn create_namespace(&self) -> Result<(), kube::Error> {
        let namespace: Namespace =
            serde_json::from_value(json!({"metadata": {"name": self.namespace}}))
                .map_err(kube::Error::SerdeError)?;
        Api::all(self.client.clone())
            .create(&PostParams::default(), &namespace)
            .await
            .map(drop)
    }

    /// Writes the Secret that the tenant refers to.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn write_secret(&self, value: &str) -> Result<(), kube::Error> {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "entra"}, "stringData": {"client-secret": value},
        });
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        api.patch(
            "entra",
            &PatchParams::apply("git").force(),
            &Patch::Apply(secret),
        )
        .await
        .map(drop)
    }

    /// Writes the EntraTenant, with further fields of its spec or others in place of the usual ones.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn create_tenant(&self, further: serde_json::Value) -> Result<(), kube::Error> {
        let mut spec = json!({
            "tenantId": TENANT_ID,
            "credential": {"clientSecret": {"clientId": CLIENT_ID, "secretRef": {"name": "entra", "key": "client-secret"}}},
            "endpoints": {"graph": self.simulator.url(), "authority": self.simulator.url()},
            "limits": {"maxConcurrency": 16, "requestsPerSecond": 10_000},
        });
        if let (Some(spec), Some(further)) = (spec.as_object_mut(), further.as_object()) {
            spec.extend(further.clone());
        }
        let tenant = json!({
            "apiVersion": "entrapim.dev/v1alpha1", "kind": "EntraTenant",
            "metadata": {"name": self.tenant}, "spec": spec,
        });
        let api: Api<EntraTenant> = Api::all(self.client.clone());
        api.patch(
            &self.tenant,
            &PatchParams::apply("git").force(),
            &Patch::Apply(tenant),
        )
        .await
        .map(drop)
    }

    /// Applies manifests; `tenantRef` is filled in where it is missing.
    ///
    /// # Errors
    /// The API server's refusal.
    pub async fn apply(&self, manifests: &str) -> Result<Vec<DynamicObject>, kube::Error> {
        let text = manifests.replace("{tenant}", &self.tenant);
        yaml::apply(&self.client, &self.namespace, &text).await
    }

    /// Starts an operator in this process, for this bed's namespace.
    #[must_use]
    pub fn start_operator(&self) -> Operator {
        self.start_operator_with(self.client.clone())
    }

    /// Starts an operator that talks to Kubernetes through a client of the test's making.
    #[must_use]
    pub fn start_operator_with(&self, client: Client) -> Operator {
        Operator::start(self.controller(client))
    }

    /// An operator that can still be changed before it starts. Its Graph client gives up early, so that a test sees the report
    /// of a fault without waiting for retries.
    #[must_use]
    pub fn controller(&self, client: Client) -> Controller {
        Controller {
            client,
            namespace: self.namespace.clone(),
            watch_namespaces: vec![self.namespace.clone()],
            watch_tenant: Some(self.tenant.clone()),
            lifted: vec![],
            clock: Arc::new(SharedClock(self.simulator.clock())),
            federated_token_file: FEDERATED_TOKEN_FILE.into(),
            timeouts: Timeouts::default(),
            retry: RetryLimits {
                max_attempts: 3,
                max_elapsed: Duration::from_secs(2),
                base_delay: Duration::from_millis(20),
                max_delay: Duration::from_millis(50),
            },
            listener: None,
            argocd_namespaces: vec!["argocd".to_owned()],
            identity: None,
            timings: Timings::default(),
        }
    }

    /// The arguments of `pim-operator run` for an operator of this bed in a process of its own.
    #[must_use]
    pub fn operator_args(&self) -> Vec<String> {
        [
            ("--namespace", self.namespace.as_str()),
            ("--watch-namespace", &self.namespace),
            ("--watch-tenant", &self.tenant),
            ("--metrics-address", "127.0.0.1:0"),
        ]
        .into_iter()
        .flat_map(|(option, value)| [option.to_owned(), value.to_owned()])
        .collect()
    }

    /// The API for a kind in the bed's namespace.
    #[must_use]
    pub fn api<K: Grant>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn delete<K: Grant>(&self, name: &str) -> Result<(), kube::Error> {
        self.api::<K>()
            .delete(name, &DeleteParams::default())
            .await
            .map(drop)
    }

    /// Moves the virtual time.
    pub fn advance(&self, by: TimeDelta) {
        self.simulator
            .clock()
            .advance(by.to_std().unwrap_or_default());
    }

    /// The virtual time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.simulator.clock().now()
    }
}

/// Status, reason and message of `Ready`.
#[must_use]
pub fn ready(status: &GrantStatus) -> Option<(&str, &str, &str)> {
    let ready = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == "Ready")?;
    Some((&ready.status, &ready.reason, &ready.message))
}

impl Drop for Bed {
    /// Holds the bed's own traffic against Microsoft's shapes.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let mut findings = Findings::default();
        for exchange in self.simulator.traffic().entries() {
            match serde_json::to_value(&exchange) {
                Ok(exchange) => findings.exchange(&exchange),
                Err(error) => *findings.misfits.entry(error.to_string()).or_default() += 1,
            }
        }
        assert!(
            findings.misfits.is_empty(),
            "traffic that Graph's metadata does not know: {:#?}",
            findings.misfits
        );
    }
}

impl BedOptions {
    /// The story estate.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn story(name: &str) -> Result<Self, BedError> {
        let simulator = SimulatorConfig {
            traffic_log: Some(traffic_log(name)?),
            keep_traffic: true,
            ..SimulatorConfig::new(Estate::contoso())
        };
        Ok(Self {
            name: name.to_owned(),
            simulator,
            secret: "simulated-secret".to_owned(),
            tenant: json!({}),
            boundary: true,
        })
    }
}

/// Where a test or the demo leaves its traffic; what an earlier run left is removed.
///
/// # Errors
/// When the folder cannot be made or the file cannot be removed.
pub fn traffic_log(name: &str) -> std::io::Result<PathBuf> {
    let folder = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../target/graph-traffic"
    ));
    std::fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{name}.jsonl"));
    match std::fs::remove_file(&file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(file),
    }
}

/// A client for a control plane.
///
/// # Errors
/// When its kubeconfig cannot be used.
pub async fn client(
    control_plane: &ControlPlane,
    user_agent: &'static str,
) -> Result<Client, BedError> {
    // Whoever comes first chooses; all choose the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = Kubeconfig::from_yaml(&control_plane.kubeconfig_yaml())?;
    let mut config =
        Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    config.headers.push((
        http::header::USER_AGENT,
        http::HeaderValue::from_static(user_agent),
    ));
    Ok(Client::try_from(config)?)
}

async fn install_crds(
    client: &Client,
    control_plane: &'static ControlPlane,
) -> Result<(), BedError> {
    static INSTALLED: OnceCell<std::sync::Mutex<Vec<String>>> = OnceCell::const_new();
    static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _turn = ONE_AT_A_TIME.lock().await;
    let installed = INSTALLED
        .get_or_init(|| async { std::sync::Mutex::default() })
        .await;
    let url = control_plane.url().to_owned();
    if installed
        .lock()
        .is_ok_and(|installed| installed.contains(&url))
    {
        return Ok(());
    }
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in crds::all() {
        let name = crd.name_any();
        api.patch(
            &name,
            &PatchParams::apply("git").force(),
            &Patch::Apply(&crd),
        )
        .await?;
        tokio::time::timeout(
            PATIENCE,
            await_condition(api.clone(), &name, conditions::is_crd_established()),
        )
        .await??;
    }
    if let Ok(mut installed) = installed.lock() {
        installed.push(url);
    }
    Ok(())
}

/// Compares two things as JSON; for conditions, statuses and the like.
///
/// # Panics
/// When they differ.
pub fn assert_same<T: serde::Serialize + Debug>(one: &T, two: &T, what: &str) {
    let (one, two) = (
        serde_json::to_value(one).ok(),
        serde_json::to_value(two).ok(),
    );
    assert_eq!(one, two, "{what}");
}
