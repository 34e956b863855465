//! The time, as the operator knows it. Injected, so that a test can let sixty days pass.

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::BoxFuture;

/// Where the operator takes the time from.
pub trait Clock: Send + Sync + 'static {
    /// The time, UTC.
    fn now(&self) -> DateTime<Utc>;

    /// Waits until the clock shows `instant`.
    fn sleep_until(&self, instant: DateTime<Utc>) -> BoxFuture<'static, ()>;
}

/// The machine's wall clock.
///
/// Windows end by the wall clock, so a wait looks at it again at least every half minute: a sleep of the machine or a
/// corrected clock shifts monotonic timers, and an end must not be noticed hours late.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

const LONGEST_NAP: TimeDelta = TimeDelta::seconds(30);

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn sleep_until(&self, instant: DateTime<Utc>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            while let Ok(rest) = (instant - Utc::now()).min(LONGEST_NAP).to_std() {
                if rest.is_zero() {
                    return;
                }
                tokio::time::sleep(rest).await;
            }
        })
    }
}
