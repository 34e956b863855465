//! The machinery behind the steps: control plane, simulator, operator and `kubectl`, and what is noted of them meanwhile.

use std::{
    collections::BTreeMap,
    io::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::Either;
use kube::{Api, Client};
use pim_harness::{
    bed::{self, ready},
    process::OperatorProcess,
    shapes::Findings,
};
use pim_operator::{api::status::GrantStatus, controller::grant::Grant};
use pim_simulator::{Behaviour, Estate, Simulator, SimulatorConfig};
use pim_testbed::{ControlPlane, ControlPlaneOptions, WriteCounts, count_writes};
use tokio::io::AsyncWriteExt as _;

use crate::{
    failure::Failure,
    graph::{Calls, as_json},
    screen::Screen,
};

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
/// How far virtual time moves with every look: while the story waits, time runs ten times as fast.
const HASTE: Duration = Duration::from_millis(500);
/// How long the API server must have seen no write before a step takes it that all is quiet.
const QUIET: Duration = Duration::from_millis(400);

/// Everything that a step can use.
pub struct Stage {
    /// Where it is told.
    pub screen: Screen,
    /// Graph and Entra.
    pub simulator: Simulator,
    // Before the control plane, so that it is stopped first.
    operator: OperatorProcess,
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
                token_lifetime: Duration::from_secs(400 * 86_400),
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
        let operator = start_operator(&control_plane, &simulator, &metrics, &log)?;
        let stage = Self {
            screen,
            simulator,
            operator,
            control_plane,
            client,
            metrics,
            log,
            traffic,
            told: 0,
        };
        stage.prepare_cluster().await?;
        stage.screen.prose(&format!(
            "Ready after {:.1} s: Kubernetes at {}, Graph at {}, the operator is process {}, its log {}.",
            begun.elapsed().as_secs_f64(),
            stage.control_plane.url(),
            stage.simulator.url(),
            stage.operator.pid(),
            relative(&stage.log).display(),
        ));
        Ok(stage)
    }

    /// What an installation does before anybody writes a manifest.
    async fn prepare_cluster(&self) -> Result<(), Failure> {
        self.quietly(&["apply", "--server-side", "-f", "crds"]).await?;
        let established = ["wait", "--for=condition=Established", "crd", "--all"];
        self.quietly(&established).await?;
        for namespace in [OPERATOR_NAMESPACE, NAMESPACE] {
            self.quietly(&["create", "namespace", namespace]).await?;
        }
        let namespace = format!("--namespace={NAMESPACE}");
        let as_default = ["config", "set-context", "--current", &namespace];
        self.quietly(&as_default).await.map(drop)
    }

    async fn quietly(&self, args: &[&str]) -> Result<String, Failure> {
        let answer = self.run(args, None).await?;
        if answer.succeeded {
            return Ok(answer.text);
        }
        Err(Failure::differs(
            format!("kubectl {}", args.join(" ")),
            "success",
            answer.text,
        ))
    }

    async fn run(&self, args: &[&str], input: Option<&str>) -> Result<Answer, Failure> {
        let mut command = self.control_plane.kubectl();
        command
            .args(args)
            .current_dir(repository())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if input.is_some() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn()?;
        if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
            stdin.write_all(input.as_bytes()).await?;
        }
        let output = child.wait_with_output().await?;
        let text = [output.stdout, output.stderr].concat();
        Ok(Answer {
            succeeded: output.status.success(),
            text: String::from_utf8_lossy(&text).trim_end().to_owned(),
        })
    }

    /// Runs `kubectl` and shows the command and its output.
    pub async fn kubectl(&self, args: &[&str]) -> Result<String, Failure> {
        self.screen.command(&shown(args));
        let text = self.quietly(args).await?;
        self.screen.output(&text);
        Ok(text)
    }

    /// Runs `kubectl`, shows it, and expects that the API server refuses.
    pub async fn kubectl_refused(&self, args: &[&str]) -> Result<String, Failure> {
        self.screen.command(&shown(args));
        let answer = self.run(args, None).await?;
        self.screen.output(&answer.text);
        if answer.succeeded {
            return Err(Failure::differs(shown(args), "a refusal", answer.text));
        }
        Ok(answer.text)
    }

    /// Applies a manifest with the simulator's address in the place of the one written in it.
    pub async fn apply_tenant(&self, manifest: &str) -> Result<(), Failure> {
        const WRITTEN: &str = "127.0.0.1:8081";
        let url = self.simulator.url();
        let address = url.trim_start_matches("http://");
        let text = std::fs::read_to_string(repository().join(manifest))?;
        self.screen.command(&format!(
            "sed s/{WRITTEN}/{address}/ {manifest} | kubectl apply -f -"
        ));
        let answer = self
            .run(&["apply", "-f", "-"], Some(&text.replace(WRITTEN, address)))
            .await?;
        self.screen.output(&answer.text);
        self.holds("the tenant is accepted", answer.succeeded)
    }

    /// The virtual time.
    pub fn now(&self) -> DateTime<Utc> {
        self.simulator.clock().now()
    }

    /// Jumps ahead by a length of time, and says so.
    pub fn let_pass(&self, length: TimeDelta, words: &str) {
        let by = length.to_std().unwrap_or_default();
        self.simulator.clock().advance(by);
        self.screen
            .deed(&format!("{words}: it is {}", clock(self.now())));
    }

    /// Jumps ahead to an instant, and says so.
    pub fn jump_to(&self, instant: DateTime<Utc>, words: &str) {
        self.let_pass(instant - self.now(), words);
    }

    /// Lets time run fast until something is done.
    pub async fn hurried<T>(&self, deed: impl Future<Output = T>) -> T {
        let clock = self.simulator.clock();
        let run_fast = async {
            let mut ticks = tokio::time::interval(POLL);
            loop {
                ticks.tick().await;
                clock.advance(HASTE);
            }
        };
        let deed = std::pin::pin!(deed);
        match futures::future::select(deed, std::pin::pin!(run_fast)).await {
            Either::Left((done, _)) => done,
            // Time does not end.
            Either::Right((never, _)) => never,
        }
    }

    /// Waits until something holds, while time runs fast.
    pub async fn until<F: Future<Output = Result<Option<T>, Failure>>, T>(
        &self,
        what: &str,
        expected: &str,
        mut look: impl FnMut() -> F,
    ) -> Result<T, Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            if Instant::now() > deadline {
                let found = format!("not within {} s", PATIENCE.as_secs());
                return Err(Failure::differs(what, expected, found));
            }
            tokio::time::sleep(POLL).await;
            self.simulator.clock().advance(HASTE);
        }
    }

    /// Waits until the operator has judged the present generation of an object and `Ready` has a reason.
    pub async fn reason<K: Grant>(&self, name: &str, reason: &str) -> Result<GrantStatus, Failure> {
        self.status::<K>(name, reason, |status| {
            ready(status).is_some_and(|(_, actual, _)| actual == reason)
        })
        .await
    }

    /// Waits until the operator has judged the present generation of an object and its status is as expected.
    pub async fn status<K: Grant>(
        &self,
        name: &str,
        expected: &str,
        holds: impl Fn(&GrantStatus) -> bool,
    ) -> Result<GrantStatus, Failure> {
        let api: Api<K> = Api::namespaced(self.client.clone(), NAMESPACE);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let object = api.get(name).await?;
            let judged = object.status().filter(|status| {
                status.observed_generation >= object.meta().generation && holds(status)
            });
            if let Some(status) = judged {
                return Ok(status.clone());
            }
            if Instant::now() > deadline {
                let status = serde_json::to_string(&object.status())?;
                return Err(Failure::differs(format!("{} {name}", K::KIND), expected, status));
            }
            tokio::time::sleep(POLL).await;
            self.simulator.clock().advance(HASTE);
        }
    }

    /// Ends the step unless this is so.
    pub fn holds(&self, what: &str, so: bool) -> Result<(), Failure> {
        self.same(what, &true, &so)
    }

    /// Ends the step unless both are the same.
    pub fn same<T: PartialEq + std::fmt::Debug>(
        &self,
        what: &str,
        expected: &T,
        found: &T,
    ) -> Result<(), Failure> {
        if expected != found {
            return Err(Failure::differs(
                what,
                format!("{expected:?}"),
                format!("{found:?}"),
            ));
        }
        self.screen.holds(what);
        Ok(())
    }

    /// What was asked of Graph since this was last told.
    pub fn calls(&self) -> Calls {
        Calls::of(self.simulator.traffic().entries().get(self.told..).unwrap_or_default())
    }

    /// Tells what was asked of Graph since the last time, and expects these writes and no others.
    pub fn graph(&mut self, writes: &[(&str, usize)]) -> Result<Calls, Failure> {
        let calls = self.calls();
        self.told = self.simulator.traffic().entries().len();
        self.screen.graph(&calls.summary());
        let expected: BTreeMap<String, usize> = writes
            .iter()
            .map(|(call, count)| ((*call).to_owned(), *count))
            .collect();
        if calls.writes != expected {
            return Err(Failure::differs(
                "the requests that change Entra",
                format!("{expected:?}"),
                format!("{:?}", calls.writes),
            ));
        }
        Ok(calls)
    }

    /// Waits until nobody writes to Kubernetes any more, and answers the position in the API server's audit log.
    pub async fn quiet(&self) -> Result<u64, Failure> {
        let deadline = Instant::now() + PATIENCE;
        let mut mark = self.control_plane.audit_mark().map_err(broken)?;
        let mut since = Instant::now();
        while since.elapsed() < QUIET && Instant::now() < deadline {
            tokio::time::sleep(POLL).await;
            let now = self.control_plane.audit_mark().map_err(broken)?;
            if now != mark {
                (mark, since) = (now, Instant::now());
            }
        }
        Ok(mark)
    }

    /// Tells what the operator wrote to Kubernetes since a position in the audit log, and answers how much.
    pub fn kubernetes_writes(&self, since: u64) -> Result<usize, Failure> {
        let events = self.control_plane.audit_since(since).map_err(broken)?;
        let writes = count_writes(&events, "pim-operator/");
        let total = writes.values().map(WriteCounts::total).sum();
        self.screen
            .kubernetes(&format!("{total} writes by pim-operator (API server's audit log)"));
        Ok(total)
    }

    /// `kill -9`.
    pub fn kill_operator(&mut self) -> Result<(), Failure> {
        self.screen
            .command(&format!("kill -9 {}", self.operator.pid()));
        Ok(self.operator.kill()?)
    }

    /// Starts the operator again, and waits until it has looked at every object.
    pub async fn restart_operator(&mut self, objects: u32) -> Result<(), Failure> {
        let begun = Instant::now();
        let (control_plane, simulator) = (&self.control_plane, &self.simulator);
        self.operator = start_operator(control_plane, simulator, &self.metrics, &self.log)?;
        let pid = self.operator.pid();
        self.screen
            .deed(&format!("the operator is started again, as process {pid}"));
        let url = format!("http://{}/metrics", self.metrics);
        let http = reqwest::Client::builder().no_proxy().build()?;
        while judged(&http, &url).await < objects {
            if begun.elapsed() > PATIENCE {
                let expected = format!("{objects} objects in {url}");
                return Err(Failure::differs("the restart", expected, "fewer"));
            }
            tokio::time::sleep(POLL).await;
        }
        let took = begun.elapsed().as_secs_f64();
        self.screen
            .holds(&format!("all {objects} grants judged {took:.1} s after the start"));
        Ok(())
    }

    /// Holds everything that went over the wire against Microsoft's own metadata.
    pub fn shapes(&self) -> Result<Findings, Failure> {
        let mut findings = Findings::default();
        for exchange in self.simulator.traffic().entries() {
            findings.exchange(&as_json(&exchange));
        }
        let log = relative(&self.traffic).display().to_string();
        self.screen.deed(&format!(
            "{} bodies of requests and answers, recorded in {log}, are held against Graph's metadata",
            findings.checked
        ));
        Ok(findings)
    }

    /// Where to look after a step that failed.
    pub fn show_operator_log(&self) {
        self.screen
            .deed(&format!("the operator's log is {}", self.log.display()));
    }

    /// Leaves everything running until Ctrl-C.
    pub async fn keep(&self) {
        let url = self.simulator.url();
        println!("\nexport KUBECONFIG={}", self.control_plane.kubeconfig_path().display());
        println!("simulator: {url}");
        println!("  state    curl {url}/_simulator/state");
        println!("  time     curl {url}/_simulator/clock -d '{{\"advance\": \"P1D\"}}'");
        println!("Ctrl-C stops and removes everything.");
        // Where no signal can be waited for, stopping at once is the safe answer.
        let _ = tokio::signal::ctrl_c().await;
        println!();
    }
}

struct Answer {
    succeeded: bool,
    text: String,
}

fn start_operator(
    control_plane: &ControlPlane,
    simulator: &Simulator,
    metrics: &str,
    log: &Path,
) -> std::io::Result<OperatorProcess> {
    let args = [
        "--namespace",
        OPERATOR_NAMESPACE,
        "--metrics-address",
        metrics,
    ];
    OperatorProcess::start(control_plane.kubeconfig_path(), &simulator.url(), log, &args)
}

/// How many grants the operator has judged since it started, by its own metrics.
async fn judged(http: &reqwest::Client, url: &str) -> u32 {
    // It may not listen yet: then it has judged none.
    let Ok(answer) = http.get(url).send().await else {
        return 0;
    };
    let text = answer.text().await.unwrap_or_default();
    text.lines()
        .filter(|line| line.starts_with("entrapim_objects{"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u32>().ok())
        .sum()
}

/// The command as it would be typed.
fn shown(args: &[&str]) -> String {
    let quoted = args.iter().map(|arg| {
        if arg.contains([' ', '{', '"']) {
            format!("'{arg}'")
        } else {
            (*arg).to_owned()
        }
    });
    std::iter::once("kubectl".to_owned())
        .chain(quoted)
        .collect::<Vec<_>>()
        .join(" ")
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
    std::fs::File::create(path)?.flush()
}
