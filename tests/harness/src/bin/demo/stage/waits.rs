//! Time: letting it pass, and waiting for a state.
//!
//! Nothing here sleeps for a fixed time. While a step waits, it looks often, and virtual time runs fast.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::Either;
use kube::Api;
use pim_harness::bed::ready;
use pim_operator::{api::status::GrantStatus, controller::grant::Grant};

use super::{NAMESPACE, PATIENCE, POLL, Stage, broken, clock};
use crate::failure::Failure;

/// How far virtual time moves with every look: ten times as fast as it would.
const HASTE: Duration = Duration::from_millis(500);
/// How long the API server must have seen no write before a step takes it that all is quiet.
const QUIET: Duration = Duration::from_millis(400);

impl Stage {
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
                return Err(Failure::differs(
                    format!("{} {name}", K::KIND),
                    expected,
                    status,
                ));
            }
            tokio::time::sleep(POLL).await;
            self.simulator.clock().advance(HASTE);
        }
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
}
