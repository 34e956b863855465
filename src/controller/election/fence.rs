//! The fence: whether this process may write, judged by how long ago its Lease was renewed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use super::super::clock::Clock;
use crate::graph::WritePermit;

/// A point in time, by both clocks.
///
/// The monotonic clock (`CLOCK_MONOTONIC`) cannot be set, and goes on while a process is stopped; while the whole machine sleeps
/// it stands still. The wall clock goes on in that sleep, but can be set. A lease has lasted as long as the one says that says
/// more: no clock that is set back prolongs it, and one that is set forward costs no more than the time to the next renewal.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    monotonic: Instant,
    wall: DateTime<Utc>,
}

impl Moment {
    /// So long before, by the monotonic clock.
    #[cfg(test)]
    pub(in crate::controller) fn earlier(self, by: Duration) -> Self {
        Self {
            monotonic: self.monotonic.checked_sub(by).unwrap_or(self.monotonic),
            ..self
        }
    }
}

/// Nothing may be written now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this replica does not lead, or has not renewed its lease in time: nothing is written")]
pub struct Fenced;

#[derive(Clone, Copy, Debug)]
enum State {
    /// Another replica leads, or may.
    Shut,
    /// This one does: since its last renewal, as it began.
    Open(Moment),
    /// There is no election.
    Alone,
}

/// Whether this process may write.
pub struct Fence {
    clock: Arc<dyn Clock>,
    state: watch::Sender<State>,
    renew: Duration,
}

impl Fence {
    /// The fence of a process that is alone: always open.
    #[must_use]
    pub fn alone(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: watch::Sender::new(State::Alone),
            renew: Duration::MAX,
        }
    }

    /// The fence of a candidate: shut until it leads, and whenever its last renewal is older than `renew`.
    #[must_use]
    pub fn elected(clock: Arc<dyn Clock>, renew: Duration) -> Self {
        Self {
            clock,
            state: watch::Sender::new(State::Shut),
            renew,
        }
    }

    /// Now, by both clocks.
    #[must_use]
    pub fn moment(&self) -> Moment {
        Moment {
            monotonic: Instant::now(),
            wall: self.clock.now(),
        }
    }

    /// The Lease was taken or renewed, by a request that was sent at this moment. Others count from when they see it, which is later.
    pub fn renewed(&self, sent: Moment) {
        self.state.send_replace(State::Open(sent));
    }

    /// Somebody else may lead from now on.
    pub fn shut(&self) {
        self.state.send_replace(State::Shut);
    }

    /// Whether one more write may leave now, and for how long; none means for ever.
    ///
    /// # Errors
    /// When this process does not lead, or its last renewal is too old.
    pub fn check(&self) -> Result<Option<Duration>, Fenced> {
        match *self.state.borrow() {
            State::Alone => Ok(None),
            State::Shut => Err(Fenced),
            State::Open(renewed) => {
                let now = self.moment();
                let monotonic = now.monotonic.saturating_duration_since(renewed.monotonic);
                let wall = (now.wall - renewed.wall).to_std().unwrap_or_default();
                self.renew
                    .checked_sub(monotonic.max(wall))
                    .filter(|left| !left.is_zero())
                    .map(Some)
                    .ok_or(Fenced)
            }
        }
    }

    /// Whether this process leads, or last knew that it does.
    #[must_use]
    pub fn leads(&self) -> bool {
        !matches!(*self.state.borrow(), State::Shut)
    }

    /// Whether there is an election at all.
    #[must_use]
    pub fn is_elected(&self) -> bool {
        !matches!(*self.state.borrow(), State::Alone)
    }

    /// Waits until this process leads.
    pub async fn led(&self) {
        let mut state = self.state.subscribe();
        // The sender is ours: it cannot be gone.
        let _ = state.wait_for(|state| !matches!(state, State::Shut)).await;
    }

    /// How long ago the last renewal was, by the monotonic clock; none while this process does not lead.
    #[must_use]
    pub fn since_renewal(&self) -> Option<Duration> {
        match *self.state.borrow() {
            State::Open(renewed) => Some(renewed.monotonic.elapsed()),
            State::Shut | State::Alone => None,
        }
    }
}

impl WritePermit for Fence {
    fn may_write(&self) -> bool {
        self.check().is_ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Mutex;

    use chrono::TimeDelta;
    use futures::future::BoxFuture;

    use super::*;

    struct Wall(Mutex<DateTime<Utc>>);

    impl Wall {
        fn set(&self, by: TimeDelta) {
            let mut now = self.0.lock().unwrap();
            *now += by;
        }
    }

    impl Clock for Wall {
        fn now(&self) -> DateTime<Utc> {
            *self.0.lock().unwrap()
        }

        fn sleep_until(&self, _: DateTime<Utc>) -> BoxFuture<'static, ()> {
            Box::pin(std::future::pending())
        }
    }

    const RENEW: Duration = Duration::from_secs(10);

    fn fence() -> (Arc<Wall>, Fence) {
        let wall = Arc::new(Wall(Mutex::new(DateTime::UNIX_EPOCH)));
        let clock: Arc<dyn Clock> = wall.clone();
        (wall, Fence::elected(clock, RENEW))
    }

    fn ago(fence: &Fence, by: Duration) -> Moment {
        fence.moment().earlier(by)
    }

    #[test]
    fn it_is_shut_until_a_renewal_and_again_when_the_renewal_is_too_old() {
        let (_, fence) = fence();
        assert_eq!(fence.check(), Err(Fenced));
        fence.renewed(ago(&fence, Duration::from_secs(9)));
        assert!(fence.check().unwrap().unwrap() <= Duration::from_secs(1));
        fence.renewed(ago(&fence, RENEW));
        assert_eq!(fence.check(), Err(Fenced));
        assert!(fence.leads(), "it may be renewed still");
        fence.renewed(fence.moment());
        assert!(fence.may_write());
        fence.shut();
        assert!(!fence.may_write() && !fence.leads());
    }

    #[test]
    fn a_wall_clock_that_is_set_back_prolongs_nothing() {
        let (wall, fence) = fence();
        fence.renewed(ago(&fence, Duration::from_secs(9)));
        wall.set(TimeDelta::days(-1));
        assert!(fence.check().unwrap().unwrap() <= Duration::from_secs(1));
        fence.renewed(ago(&fence, RENEW));
        wall.set(TimeDelta::days(-1));
        assert_eq!(fence.check(), Err(Fenced));
    }

    #[test]
    fn a_wall_clock_that_jumps_ahead_as_after_a_sleep_of_the_machine_shuts_it_until_the_next_renewal()
     {
        let (wall, fence) = fence();
        fence.renewed(fence.moment());
        wall.set(TimeDelta::seconds(11));
        assert_eq!(fence.check(), Err(Fenced));
        fence.renewed(fence.moment());
        assert!(fence.may_write());
    }

    #[test]
    fn without_an_election_it_is_open() {
        let (wall, _) = fence();
        let fence = Fence::alone(wall);
        assert_eq!(fence.check(), Ok(None));
        assert!(fence.leads() && !fence.is_elected());
    }

    #[tokio::test]
    async fn whoever_waits_for_leadership_is_woken_by_it() {
        let (_, fence) = fence();
        let fence = Arc::new(fence);
        let waiting = Arc::clone(&fence);
        let led = tokio::spawn(async move { waiting.led().await });
        tokio::task::yield_now().await;
        assert!(!led.is_finished());
        fence.renewed(fence.moment());
        tokio::time::timeout(Duration::from_secs(5), led)
            .await
            .unwrap()
            .unwrap();
    }
}
