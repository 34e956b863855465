//! The programs that tests run, each built before the first test that wants it. `make test` begins with this: a build takes both
//! cores for minutes, and tests beside it would wait for each other longer than they should.

#![allow(
    clippy::unwrap_used,
    reason = "a failed set-up step should fail the test"
)]

use std::{path::Path, process::Command};

use pim_testbed::{Binaries, Release, gitops_verdicts, helm, monitoring_crds, promtool};

/// What a program says of its version.
fn says(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", program.display());
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8(said).unwrap()
}

#[tokio::test]
async fn every_program_is_there_and_runs() {
    let newest = Binaries::of(Release::Newest).await.unwrap();
    assert!(says(&newest.etcd, &["--version"]).contains("etcd Version"));
    assert!(says(&newest.kubectl, &["version", "--client"]).contains("Client Version"));
    let api_server = says(&newest.kube_apiserver, &["--version"]);
    assert!(api_server.contains("Kubernetes v1."), "{api_server}");
    let oldest = Binaries::of(Release::Oldest).await.unwrap();
    let api_server = says(&oldest.kube_apiserver, &["--version"]);
    assert!(api_server.contains("Kubernetes v1.34."), "{api_server}");
    assert!(says(&helm().await.unwrap(), &["version", "--short"]).starts_with('v'));
    assert!(says(&promtool().await.unwrap(), &["--version"]).contains("promtool"));
    assert!(gitops_verdicts().await.unwrap().is_file());
    assert!(!monitoring_crds().await.unwrap().is_empty());
}
