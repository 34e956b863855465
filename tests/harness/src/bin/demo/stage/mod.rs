//! The machinery behind the steps: control plane, simulator, operator and `kubectl`, and what is noted of them meanwhile.

mod evidence;
mod kubectl;
mod operator;
mod waits;

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use kube::Client;
use pim_harness::{bed, process::OperatorProcess};
use pim_simulator::{Behaviour, Estate, Simulator, SimulatorConfig};
use pim_testbed::{ControlPlane, ControlPlaneOptions};

use crate::{failure::Failure, screen::Screen};

/// Where the grants of the story live.
pub const NAMESPACE: &str = "payments";
/// The operator's own namespace.
const OPERATOR_NAMESPACE: &str = "pim-operator-system";
/// The first moment of the story. Manifests of the story name instants after it.
const START: &str = "2029-12-03T08:00:00Z";
/// How long a step waits for a state before it fails.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a step looks.
const POLL: Duration = Duration::from_millis(50);

/// Everything that a step can use.
pub struct Stage {
    /// Where it is told.
    pub screen: Screen,
    /// Graph and Entra.
    pub simulator: Simulator,
    // Before the control plane, so that it is stopped first.
    operator: Option<OperatorProcess>,
    control_plane: ControlPlane,
    client: Client,
    metrics: String,
    log: PathBuf,
    traffic: PathBuf,
    told: usize,
}

impl Stage {
    /// Starts everything. The CRDs are in, and the operator runs; there is no tenant yet.
    pub async fn set(screen: Screen) -> Result<Self, Failure> {
        let begun = Instant::now();
        screen.prose(
            "A real API server, the operator in a process of its own, and a simulator in the place of Microsoft \
             Graph, all on loopback. Time is the simulator's and jumps ahead where the story says so; only the column \
             AGE is your own time.",
        );
        let control_plane = ControlPlane::start(ControlPlaneOptions::default())
            .await
            .map_err(broken)?;
        let traffic = bed::traffic_log("demo").map_err(broken)?;
        let simulator = Simulator::start(SimulatorConfig {
            traffic_log: Some(traffic.clone()),
            keep_traffic: true,
            behaviour: Behaviour {
                // A jump of time would age every token at once; only its real hour concerns the operator.
                token_lifetime: Duration::from_hours(400 * 24),
                ..Behaviour::default()
            },
            ..SimulatorConfig::new(Estate::contoso())
        })
        .await?;
        simulator.clock().set(START.parse()?);
        let client = bed::client(&control_plane, "pim-demo")
            .await
            .map_err(Failure::Broken)?;
        let log = repository().join("target/demo/operator.log");
        fresh_file(&log)?;
        // Free a moment ago, and nobody else's unless by a great coincidence.
        let metrics = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let mut stage = Self {
            screen,
            simulator,
            operator: None,
            control_plane,
            client,
            metrics,
            log,
            traffic,
            told: 0,
        };
        stage.prepare_cluster().await?;
        let pid = stage.start_operator()?;
        stage.screen.prose(&format!(
            "Ready after {:.1} s: Kubernetes at {}, Graph at {}, the operator is process {pid}, its log {}.",
            begun.elapsed().as_secs_f64(),
            stage.control_plane.url(),
            stage.simulator.url(),
            relative(&stage.log).display(),
        ));
        Ok(stage)
    }

    /// What an installation does before anybody writes a manifest.
    async fn prepare_cluster(&self) -> Result<(), Failure> {
        self.quietly(&["apply", "--server-side", "-f", "crds"])
            .await?;
        let established = ["wait", "--for=condition=Established", "crd", "--all"];
        self.quietly(&established).await?;
        for namespace in [OPERATOR_NAMESPACE, NAMESPACE] {
            self.quietly(&["create", "namespace", namespace]).await?;
        }
        let namespace = format!("--namespace={NAMESPACE}");
        let as_default = ["config", "set-context", "--current", &namespace];
        self.quietly(&as_default).await.map(drop)
    }

    /// Leaves everything running until Ctrl-C.
    pub async fn keep(&self) {
        let url = self.simulator.url();
        println!(
            "\nexport KUBECONFIG={}",
            self.control_plane.kubeconfig_path().display()
        );
        println!("simulator: {url}");
        println!("  state    curl {url}/_simulator/state");
        println!("  time     curl {url}/_simulator/clock -d '{{\"advance\": \"P1D\"}}'");
        println!("Ctrl-C stops and removes everything.");
        // Where no signal can be waited for, stopping at once is the safe answer.
        let _ = tokio::signal::ctrl_c().await;
        println!();
    }
}

/// An instant for people.
pub fn clock(instant: DateTime<Utc>) -> String {
    instant.format("%-d %b %Y, %H:%M UTC").to_string()
}

fn broken(error: impl Into<bed::BedError>) -> Failure {
    Failure::Broken(error.into())
}

/// The root of the repository: manifests and commands are shown relative to it.
fn repository() -> PathBuf {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    // It exists: this was compiled there. Should it have moved, the first command says so.
    root.canonicalize().unwrap_or_else(|_| root.to_owned())
}

fn relative(path: &Path) -> PathBuf {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    path.strip_prefix(repository())
        .map_or(path.clone(), Path::to_owned)
}

fn fresh_file(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::File::create(path).map(drop)
}
