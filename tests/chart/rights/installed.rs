//! An installation by Helm on a control plane of its own: everything that the chart has, where the documentation has it.

use std::{path::Path, sync::Mutex};

use pim_harness::{Bed, bed::client};
use pim_simulator::Simulator;
use pim_testbed::ControlPlane;
use serde_json::{Value, json};

use super::stage::{Stage, options, values};
use crate::{
    helm::{NAMESPACE, RELEASE, ValuesFile, helm_on, merge, parse},
    server::kubectl,
};

impl Stage {
    /// A stage by `helm install` of a packaged chart.
    pub async fn install(
        cluster: &'static ControlPlane,
        package: &Path,
        further: &Value,
        name: &str,
    ) -> Self {
        for namespace in [&format!("argocd-{NAMESPACE}"), "payments"] {
            // It may be there already.
            let _ = kubectl(cluster, &["create", "namespace", namespace], "").await;
        }
        let mut stage = Self {
            bed: Bed {
                control_plane: cluster,
                client: client(cluster, "pim-harness").await.unwrap(),
                simulator: Simulator::start(options(name).simulator).await.unwrap(),
                namespace: "payments".to_owned(),
                tenant: "contoso".to_owned(),
            },
            namespace: NAMESPACE.to_owned(),
            account: RELEASE.to_owned(),
            rendered: vec![],
            kubeconfig: cluster.folder().join("operator.kubeconfig"),
            requests: Mutex::default(),
        };
        let notes = stage.release(&["install", "--create-namespace"], package, further);
        assert!(notes.contains("Nothing is granted yet"), "{notes}");
        stage.kinds_are_served().await;
        stage.write_secret("simulated-secret").await;
        stage.bed.create_tenant(json!({})).await.unwrap();
        stage.prepare().await;
        stage
    }

    /// `helm install` or `helm upgrade`, with the stage's values and others; what Helm notes.
    pub fn release(&mut self, command: &[&str], package: &Path, further: &Value) -> String {
        let mut all = values(NAMESPACE);
        merge(&mut all, further);
        let file = ValuesFile::new(&all);
        let rest = [
            RELEASE,
            package.to_str().unwrap(),
            "--namespace",
            NAMESPACE,
            "--values",
            file.path().to_str().unwrap(),
        ];
        let notes = self.helm(&[command, &rest].concat());
        self.read_manifest();
        notes
    }

    /// `helm rollback` to a revision.
    pub fn roll_back(&mut self, revision: &str) {
        self.helm(&["rollback", RELEASE, revision, "--namespace", NAMESPACE]);
        self.read_manifest();
    }

    /// `helm uninstall`; what Helm says.
    pub fn uninstall(&self) -> String {
        self.helm(&["uninstall", RELEASE, "--namespace", NAMESPACE])
    }

    fn helm(&self, arguments: &[&str]) -> String {
        helm_on(self.bed.control_plane, arguments)
    }

    fn read_manifest(&mut self) {
        let manifest = self.helm(&["get", "manifest", RELEASE, "--namespace", NAMESPACE]);
        self.rendered = parse(&manifest);
    }

    /// Waits until the API server serves all CustomResourceDefinitions.
    async fn kinds_are_served(&self) {
        let established = [
            "wait",
            "--for=condition=Established",
            "crd",
            "--all",
            "--timeout=60s",
        ];
        // It fails at once where one has no conditions yet.
        self.bed
            .eventually("served kinds", || async {
                kubectl(self.bed.control_plane, &established, "")
                    .await
                    .is_ok()
            })
            .await;
    }

    /// What kubectl prints.
    pub async fn kubectl(&self, arguments: &[&str]) -> String {
        let (printed, _) = kubectl(self.bed.control_plane, arguments, "")
            .await
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
        printed
    }
}
