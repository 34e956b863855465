//! A Pod of the Deployment, in so far as there is one without nodes: the operator with the chart's arguments and the token of its
//! service account.

use std::net::TcpListener;

use pim_harness::process::OperatorProcess;

use crate::rights::stage::Stage;

/// A running operator.
pub struct Replica {
    process: OperatorProcess,
    address: String,
}

impl Replica {
    /// Starts one by the arguments of the Deployment as it is now, and waits until it is ready: it leads, or stands by.
    pub async fn start(stage: &Stage, number: usize) -> Self {
        // The port may be taken by then, which fails the test and is rare.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let process = stage.start(&stage.arguments_of(&format!("pim-operator-{number}"), &address));
        let replica = Self { process, address };
        stage
            .bed
            .eventually("a ready replica", || async {
                replica.get("readyz").await.is_some()
            })
            .await;
        replica
    }

    async fn get(&self, path: &str) -> Option<String> {
        let url = format!("http://{}/{path}", self.address);
        let answer = reqwest::get(url).await.ok()?.error_for_status().ok()?;
        answer.text().await.ok()
    }

    /// Waits until it has looked at an object of each of these kinds, as the leader.
    pub async fn has_looked(&self, stage: &Stage, kinds: &[&str]) {
        let passed = |metrics: &str| {
            kinds.iter().all(|kind| {
                let pass =
                    format!("entrapim_reconcile_total{{kind=\"{kind}\",result=\"success\"}}");
                metrics.contains(&pass)
            })
        };
        stage
            .bed
            .eventually("a pass over each kind", || async {
                self.get("metrics").await.is_some_and(|text| passed(&text))
            })
            .await;
    }

    /// SIGTERM, as when its Pod is deleted.
    pub fn stop(mut self) {
        assert!(
            self.process.terminate().unwrap(),
            "the operator ended badly"
        );
    }
}
