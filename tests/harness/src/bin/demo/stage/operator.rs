//! The operator's process.

use std::time::Instant;

use pim_harness::process::OperatorProcess;

use super::{OPERATOR_NAMESPACE, PATIENCE, POLL, Stage};
use crate::failure::Failure;

impl Stage {
    /// Starts the operator, for all namespaces and all tenants; answers its process id.
    pub(super) fn start_operator(&mut self) -> Result<u32, Failure> {
        let operator = OperatorProcess::start(
            self.control_plane.kubeconfig_path(),
            &self.simulator.url(),
            &self.log,
            &[
                "--namespace",
                OPERATOR_NAMESPACE,
                "--metrics-address",
                &self.metrics,
            ],
        )?;
        Ok(self.operator.insert(operator).pid())
    }

    /// `kill -9`.
    pub fn kill_operator(&mut self) -> Result<(), Failure> {
        if let Some(mut operator) = self.operator.take() {
            self.screen.command(&format!("kill -9 {}", operator.pid()));
            operator.kill()?;
        }
        Ok(())
    }

    /// Starts the operator again, and waits until it has looked at every object.
    pub async fn restart_operator(&mut self, objects: u32) -> Result<(), Failure> {
        let begun = Instant::now();
        let pid = self.start_operator()?;
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
        self.screen.holds(&format!(
            "all {objects} objects judged {took:.1} s after the start"
        ));
        Ok(())
    }

    /// Where to look after a step that failed.
    pub fn show_operator_log(&self) {
        self.screen
            .deed(&format!("the operator's log is {}", self.log.display()));
    }
}

/// How many passes over objects have ended well since the operator started, by its own metrics: at rest, one for each object.
async fn judged(http: &reqwest::Client, url: &str) -> u32 {
    // It may not listen yet: then it has judged none.
    let Ok(answer) = http.get(url).send().await else {
        return 0;
    };
    let text = answer.text().await.unwrap_or_default();
    text.lines()
        .filter(|line| line.starts_with("entrapim_reconcile_total{"))
        .filter(|line| line.contains("result=\"success\""))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u32>().ok())
        .sum()
}
