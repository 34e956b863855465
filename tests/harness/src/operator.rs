//! The operator in the process of the test.

use std::time::Duration;

use pim_operator::controller::run::{Operator as Controller, RunError};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long an operator may take to stop. Longer than any pass, so that it is passed only by one that never ends.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running operator in this process.
pub struct Operator {
    stop: CancellationToken,
    task: JoinHandle<Result<(), RunError>>,
}

impl Operator {
    /// Starts an operator in this process.
    #[must_use]
    pub fn start(controller: Controller) -> Self {
        let stop = CancellationToken::new();
        Self {
            task: tokio::spawn(controller.run(stop.clone())),
            stop,
        }
    }

    /// Asks it to stop, as SIGTERM does, and waits until the passes in hand are finished.
    ///
    /// # Panics
    /// When it ended badly, or not at all.
    pub async fn stop(self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(PATIENCE, self.task).await;
        assert!(
            matches!(ended, Ok(Ok(Ok(())))),
            "the operator ended badly: {ended:?}"
        );
    }

    /// Ends it at once, wherever it is.
    pub async fn abort(self) {
        self.task.abort();
        // It ends by being cancelled.
        let _ = self.task.await;
    }
}
