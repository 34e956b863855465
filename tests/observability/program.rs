//! The product's own executable, in a process that a test can read the log of.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use pim_harness::{Bed, process::OperatorProcess};

/// How long a process may take to end. Longer than any pass, so that it is passed only by one that never ends.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running operator.
pub struct Program {
    process: OperatorProcess,
    log: PathBuf,
}

impl Program {
    /// Starts an operator for a bed, with further arguments and variables.
    pub fn start(bed: &Bed, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let log = scratch(&format!("{}.log", bed.namespace));
        let of_bed = bed.operator_args();
        let arguments: Vec<&str> = of_bed
            .iter()
            .map(String::as_str)
            .chain(arguments.iter().copied())
            .collect();
        let process = OperatorProcess::start_program_in(
            Path::new(env!("CARGO_BIN_EXE_pim-operator")),
            bed.control_plane.kubeconfig_path(),
            &log,
            &arguments,
            variables,
        )
        .unwrap();
        Self { process, log }
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until the log holds a text.
    pub async fn until_logged(&self, bed: &Bed, text: &str) {
        bed.eventually(&format!("a line with {text}"), || async {
            self.log().contains(text)
        })
        .await;
    }

    /// SIGTERM; how long it took to end, and what it has logged.
    pub async fn stop(mut self) -> (Duration, String) {
        let started = Instant::now();
        let log = self.log.clone();
        let ended = tokio::task::spawn_blocking(move || self.process.terminate().unwrap());
        let ended = tokio::time::timeout(PATIENCE, ended)
            .await
            .unwrap()
            .unwrap();
        let text = std::fs::read_to_string(log).unwrap_or_default();
        assert!(ended, "it ended badly: {text}");
        (started.elapsed(), text)
    }
}

/// A file of this test run's own.
pub fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("observability");
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}
