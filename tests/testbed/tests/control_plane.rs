//! The test bed against itself. Tests share a control plane unless they break it.

#![allow(
    clippy::unwrap_used,
    reason = "a failed set-up step should fail the test"
)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pim_testbed::{ControlPlane, ControlPlaneOptions, WriteCounts, count_writes};

/// Runs kubectl and returns what it printed; a failure fails the test.
async fn kubectl(cluster: &ControlPlane, arguments: &str) -> String {
    let output = cluster
        .kubectl()
        .args(arguments.split(' '))
        .output()
        .await
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl {arguments}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The command lines of all running processes that mention `folder`.
fn processes_of(folder: &Path) -> Vec<String> {
    let output = Command::new("ps")
        .args(["-A", "-o", "args="])
        .output()
        .unwrap();
    let folder = folder.to_str().unwrap();
    let all = String::from_utf8_lossy(&output.stdout);
    all.lines()
        .filter(|line| line.contains(folder))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn kubectl_creates_and_reads_a_config_map() {
    let cluster = ControlPlane::shared().await.unwrap();
    kubectl(cluster, "create configmap colours --from-literal=sky=blue").await;
    let sky = kubectl(cluster, "get configmap colours -o jsonpath={.data.sky}").await;
    assert_eq!(sky, "blue");
}

/// Each `#[tokio::test]` has a runtime of its own, and the first one to ask starts the control plane.
#[test]
fn the_shared_control_plane_outlives_the_runtime_that_started_it() {
    let in_a_new_runtime = || {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let cluster = ControlPlane::shared().await.unwrap();
            assert_eq!(kubectl(cluster, "get --raw /readyz").await, "ok");
            cluster.url()
        })
    };
    assert_eq!(in_a_new_runtime(), in_a_new_runtime());
}

#[tokio::test]
async fn service_account_tokens_are_accepted() {
    let cluster = ControlPlane::shared().await.unwrap();
    kubectl(cluster, "create serviceaccount robot").await;
    let token = kubectl(cluster, "create token robot").await;
    // Without the administrator's certificate, or that would win.
    let kubeconfig = cluster.folder().join("robot.kubeconfig");
    let anonymous = cluster.kubeconfig_yaml();
    let anonymous = anonymous
        .split_once("    client-certificate-data")
        .unwrap()
        .0;
    std::fs::write(&kubeconfig, format!("{anonymous}    token: {token}\n")).unwrap();
    let whoami = format!("--kubeconfig {} auth whoami", kubeconfig.display());
    let whoami = kubectl(cluster, &whoami).await;
    assert!(
        whoami.contains("system:serviceaccount:default:robot"),
        "{whoami}"
    );
}

#[tokio::test]
async fn the_api_server_counts_writes() {
    let cluster = ControlPlane::shared().await.unwrap();
    let agent = "testbed-audit-test/1";
    let mark = cluster.audit_mark().unwrap();
    let manifest = cluster.folder().join("lease.yaml");
    let lease = "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: counted}}";
    std::fs::write(&manifest, lease).unwrap();
    // kubectl's user agent starts with the name it was called by.
    let link = cluster.folder().join("testbed-audit-test");
    std::os::unix::fs::symlink(cluster.kubectl().as_std().get_program(), &link).unwrap();
    let run = |arguments: &str| {
        let kubectl = cluster.kubectl();
        let environment = kubectl
            .as_std()
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?)));
        let status = Command::new(&link)
            .args(arguments.split(' '))
            .envs(environment)
            .output();
        assert!(status.unwrap().status.success(), "{arguments}");
    };
    let file = manifest.display();
    run(&format!("create -f {file}"));
    run("annotate lease counted a=b");
    run("delete lease counted");
    run("create configmap uncounted");

    let events = cluster.audit_since(mark).unwrap();
    let expected = WriteCounts {
        create: 1,
        patch: 1,
        delete: 1,
        update: 0,
    };
    assert_eq!(
        count_writes(&events, agent.trim_end_matches("/1")),
        [("leases".to_owned(), expected)].into()
    );
    let create = events
        .iter()
        .find(|e| e.user_agent.starts_with("testbed-audit-test"))
        .unwrap();
    assert_eq!(
        (create.verb.as_str(), create.response_code),
        ("create", 201)
    );
    assert_eq!(create.namespace, "default");
}

#[tokio::test]
async fn a_restart_of_the_api_server_keeps_data_and_controllers() {
    let cluster = ControlPlane::start(ControlPlaneOptions {
        controller_manager: true,
    })
    .await
    .unwrap();
    kubectl(&cluster, "create namespace lasting").await;
    let first = cluster.apiserver_pid().unwrap();

    cluster.stop_apiserver().await;
    assert_eq!(cluster.apiserver_pid(), None);
    let output = cluster
        .kubectl()
        .args(["get", "namespace", "lasting"])
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());

    cluster.start_apiserver().await.unwrap();
    assert_ne!(cluster.apiserver_pid().unwrap(), first);
    // Returns when the namespace is gone: the controller manager has found the new API server.
    kubectl(&cluster, "delete namespace lasting --timeout=60s").await;
}

#[tokio::test]
async fn dropping_it_leaves_nothing_behind() {
    let cluster = ControlPlane::start(ControlPlaneOptions::default())
        .await
        .unwrap();
    let folder = cluster.folder().to_owned();
    assert!(!processes_of(&folder).is_empty());
    drop(cluster);
    assert!(!folder.exists());
    let programs = processes_of(&folder)
        .into_iter()
        .filter(|line| !line.contains("supervisor"));
    assert_eq!(programs.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn kill_9_of_the_owner_leaves_nothing_behind() {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_testbed"))
        .arg("up")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(owner.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let kubeconfig = line.trim().strip_prefix("export KUBECONFIG=").unwrap();
    let folder = Path::new(kubeconfig).parent().unwrap();
    assert!(folder.exists() && !processes_of(folder).is_empty());

    owner.kill().unwrap(); // SIGKILL: the owner gets no chance to clean up
    owner.wait().unwrap();
    let start = Instant::now();
    while folder.exists() || !processes_of(folder).is_empty() {
        let left = processes_of(folder);
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "{}: {left:#?}",
            folder.display()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}
