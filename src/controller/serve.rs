//! `/metrics`, `/healthz` and `/readyz`.
//!
//! Healthy means that the process moves; ready means that it has read the Kubernetes objects it works from, so that it leads or
//! could begin to. A replica that stands by is ready: a rolling update waits for it. Neither asks Graph or the API server: a restart
//! mends no outage of either.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{election::Fence, metrics::Metrics, wakeups::lock};

/// How often the runtime shows that it moves.
const BEAT: Duration = Duration::from_secs(1);
/// How long it may show nothing: longer than any pause of a busy node.
const STILL: Duration = Duration::from_secs(30);

/// Whether the operator is ready.
#[derive(Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Says so.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::SeqCst);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// What the health of this process is told by.
#[derive(Clone)]
pub struct Health {
    readiness: Readiness,
    fence: Arc<Fence>,
    lease: Duration,
    beat: Arc<Mutex<Instant>>,
}

impl Health {
    /// Well, for now.
    #[must_use]
    pub fn new(readiness: Readiness, fence: Arc<Fence>, lease: Duration) -> Self {
        Self {
            readiness,
            fence,
            lease,
            beat: Arc::new(Mutex::new(Instant::now())),
        }
    }

    /// Shows that the runtime moves, for as long as it does.
    async fn beat(&self) {
        loop {
            tokio::time::sleep(BEAT).await;
            *lock(&self.beat) = Instant::now();
        }
    }

    /// What is wrong with this process, if a restart can mend it.
    fn ailment(&self) -> Option<&'static str> {
        if lock(&self.beat).elapsed() > STILL {
            return Some("the runtime does not move\n");
        }
        // Whoever loses its lease ends by itself, an outage of the API server included. This one did not.
        let overdue = self.fence.since_renewal()? > self.lease + STILL;
        overdue.then_some("the lease ran out long ago, and the process has not ended\n")
    }
}

/// Serves until the operator stops.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    health: Health,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let app = Router::new()
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
        .route("/metrics", get(text))
        .with_state((metrics, health.clone()));
    let served =
        axum::serve(listener, app).with_graceful_shutdown(async move { stop.cancelled().await });
    tokio::select! {
        served = served => served,
        () = health.beat() => Ok(()),
    }
}

async fn healthy(State((_, health)): State<(Arc<Metrics>, Health)>) -> impl IntoResponse {
    match health.ailment() {
        None => (StatusCode::OK, "ok\n"),
        Some(ailment) => (StatusCode::SERVICE_UNAVAILABLE, ailment),
    }
}

async fn ready(State((_, health)): State<(Arc<Metrics>, Health)>) -> impl IntoResponse {
    if health.readiness.get() {
        (StatusCode::OK, "ok\n")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the objects have not been read yet\n",
        )
    }
}

async fn text(State((metrics, _)): State<(Arc<Metrics>, Health)>) -> impl IntoResponse {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match metrics.encode() {
        Ok(text) => (StatusCode::OK, [(header::CONTENT_TYPE, OPEN_METRICS)], text),
        Err(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            [(header::CONTENT_TYPE, "text/plain")],
            String::new(),
        ),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::controller::clock::SystemClock;

    fn health(fence: Fence) -> Health {
        Health::new(
            Readiness::default(),
            Arc::new(fence),
            Duration::from_secs(15),
        )
    }

    fn long_ago() -> Instant {
        Instant::now().checked_sub(STILL * 2).unwrap()
    }

    #[test]
    fn a_runtime_that_does_not_move_is_told() {
        let health = health(Fence::alone(Arc::new(SystemClock)));
        assert_eq!(health.ailment(), None);
        *lock(&health.beat) = long_ago();
        assert_eq!(health.ailment(), Some("the runtime does not move\n"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_runtime_that_moves_keeps_showing_it() {
        let health = health(Fence::alone(Arc::new(SystemClock)));
        *lock(&health.beat) = long_ago();
        let beats = tokio::time::timeout(BEAT * 2, health.beat());
        beats.await.unwrap_err();
        assert_eq!(health.ailment(), None);
    }

    #[test]
    fn a_leader_that_outlives_its_lease_is_told_and_a_standby_is_well() {
        let fence = Fence::elected(Arc::new(SystemClock), Duration::from_secs(10));
        let health = health(fence);
        assert_eq!(health.ailment(), None);
        health.fence.renewed(health.fence.moment());
        assert_eq!(health.ailment(), None);
        let lost = health.fence.moment().earlier(Duration::from_mins(2));
        health.fence.renewed(lost);
        assert!(health.ailment().unwrap().contains("lease"));
    }
}
