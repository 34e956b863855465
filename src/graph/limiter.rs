//! The throttling rule of a tenant, in one place. Every call to Graph passes here, whichever way it takes.
//!
//! 1. **Concurrency**: at most `max_concurrency` exchanges at once. Background calls may hold three quarters of them at
//!    most, so that a person's edit never waits behind a full house of bulk reads.
//! 2. **Rate**: at most `requests_per_second` calls, bursts of one second's worth; each item of a `$batch` counts.
//!    Background calls may use four fifths of the rate.
//! 3. **Gate**: when Graph says `Retry-After`, nobody sends anything before that time, whoever was told.
//! 4. **Slow lane**: when Graph reports that 80 % of a quota is used, every call costs double for ten seconds,
//!    which halves both concurrency and rate.
//!
//! Interactive calls go first only in this sense of a reserved share; they can in turn take everything that is left.

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, sleep_until},
};

use super::{
    config::{Limits, Priority},
    http::AnswerHeaders,
    observer::GraphObserver,
};

/// The pause after a 429 that names none.
const DEFAULT_PAUSE: Duration = Duration::from_secs(2);
/// How long the slow lane lasts after the last warning.
const SLOW_FOR: Duration = Duration::from_secs(10);
/// Used share of a quota from which on Graph's warning counts.
const SLOW_FROM: f32 = 0.8;

/// Graph's pause lasts longer than the caller may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed {
    /// The rest of the pause.
    pub(super) remaining: Duration,
}

/// See the module's description.
pub(super) struct Limiter {
    everyone: Share,
    background: Share,
    pauses: Mutex<Pauses>,
    patience: Duration,
    observer: Arc<dyn GraphObserver>,
}

#[derive(Default)]
struct Pauses {
    closed_until: Option<Instant>,
    slow_until: Option<Instant>,
}

/// Leave to have one exchange under way; given back when dropped.
pub(super) struct Slot {
    limiter: Arc<Limiter>,
    priority: Priority,
    _permits: [Option<OwnedSemaphorePermit>; 2],
}

impl Limiter {
    /// `patience` is the longest pause that callers wait for; longer ones are an error at once.
    pub(super) fn new(
        limits: Limits,
        patience: Duration,
        observer: Arc<dyn GraphObserver>,
    ) -> Option<Arc<Self>> {
        let rate = NonZeroU32::new(limits.requests_per_second)?;
        let exchanges = u32::try_from(limits.max_concurrency)
            .ok()
            .and_then(NonZeroU32::new)?;
        Some(Arc::new(Self {
            everyone: Share::new(exchanges, rate),
            background: Share::new(all_but(exchanges, 4), all_but(rate, 5)),
            pauses: Mutex::default(),
            patience,
            observer,
        }))
    }

    /// The most calls that one batch may hold.
    pub(super) fn burst(&self, priority: Priority) -> u32 {
        match priority {
            Priority::Interactive => self.everyone.rate.burst.get(),
            Priority::Background => self.background.rate.burst.get(),
        }
    }

    /// Waits for a free exchange. The calls it carries are paid for with [`Slot::spend`].
    pub(super) async fn enter(self: &Arc<Self>, priority: Priority) -> Result<Slot, Closed> {
        self.pass_gate().await?;
        let cost = self.cost();
        let own = match priority {
            Priority::Interactive => None,
            Priority::Background => self.background.exchange(cost).await,
        };
        let common = self.everyone.exchange(cost).await;
        Ok(Slot {
            limiter: Arc::clone(self),
            priority,
            _permits: [own, common],
        })
    }

    /// Learns from the headers of an answer, or of an item in a batch.
    pub(super) fn learn(&self, status: u16, headers: &AnswerHeaders) {
        let pause = match (status, headers.retry_after) {
            (429 | 503, Some(pause)) => Some(pause),
            (429, None) => Some(DEFAULT_PAUSE),
            _ => None,
        };
        let slow = headers
            .throttle_percentage
            .is_some_and(|used| used >= SLOW_FROM);
        if pause.is_none() && !slow {
            return;
        }
        let now = Instant::now();
        let mut pauses = self.pauses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pause) = pause {
            tracing::info!(
                status,
                seconds = pause.as_secs(),
                "Microsoft Graph asks for a pause"
            );
            pauses.closed_until = pauses.closed_until.max(now.checked_add(pause));
        }
        if slow {
            pauses.slow_until = Some(now + SLOW_FOR);
        }
    }

    /// The pause to tell a caller whose call got 429.
    pub(super) fn pause_for(headers: &AnswerHeaders) -> Duration {
        headers.retry_after.unwrap_or(DEFAULT_PAUSE)
    }

    async fn pass_gate(&self) -> Result<(), Closed> {
        let started = Instant::now();
        let mut waited = false;
        while let Some(until) = self.closed_until() {
            let remaining = until.saturating_duration_since(Instant::now());
            if remaining > self.patience {
                return Err(Closed { remaining });
            }
            waited = true;
            sleep_until(until).await;
        }
        if waited {
            self.observer.throttled(started.elapsed());
        }
        Ok(())
    }

    fn closed_until(&self) -> Option<Instant> {
        let pauses = self.pauses.lock().unwrap_or_else(PoisonError::into_inner);
        pauses.closed_until.filter(|until| *until > Instant::now())
    }

    /// How many units a call costs now.
    fn cost(&self) -> u32 {
        let pauses = self.pauses.lock().unwrap_or_else(PoisonError::into_inner);
        if pauses
            .slow_until
            .is_some_and(|until| until > Instant::now())
        {
            2
        } else {
            1
        }
    }
}

impl Slot {
    /// Waits until the rate allows this many calls and the gate is open. To be called right before sending.
    pub(super) async fn spend(&self, calls: u32) -> Result<(), Closed> {
        self.limiter.pass_gate().await?;
        let units = calls.saturating_mul(self.limiter.cost());
        if self.priority == Priority::Background {
            self.limiter.background.rate.take(units).await;
        }
        self.limiter.everyone.rate.take(units).await;
        // The gate may have closed during the wait for the rate.
        self.limiter.pass_gate().await
    }
}

/// All but one part in `parts` (rounded up), yet at least one.
fn all_but(whole: NonZeroU32, parts: u32) -> NonZeroU32 {
    let reserved = whole.get().div_ceil(parts);
    NonZeroU32::new(whole.get() - reserved).unwrap_or(NonZeroU32::MIN)
}

/// A number of exchanges and a rate.
struct Share {
    exchanges: Arc<Semaphore>,
    size: u32,
    rate: Rate,
}

impl Share {
    fn new(exchanges: NonZeroU32, rate: NonZeroU32) -> Self {
        Self {
            exchanges: Arc::new(Semaphore::new(exchanges.get() as usize)),
            size: exchanges.get(),
            rate: Rate::new(rate),
        }
    }

    /// `None` only if the semaphore were closed, which never happens.
    async fn exchange(&self, cost: u32) -> Option<OwnedSemaphorePermit> {
        let permits = cost.min(self.size);
        Arc::clone(&self.exchanges)
            .acquire_many_owned(permits)
            .await
            .ok()
    }
}

/// A token bucket whose waiters stand in line, so that a large batch is not overtaken for ever by single calls.
struct Rate {
    bucket: RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Duration>>,
    line: tokio::sync::Mutex<()>,
    clock: TokioClock,
    burst: NonZeroU32,
}

impl Rate {
    fn new(per_second: NonZeroU32) -> Self {
        let clock = TokioClock(Instant::now());
        Self {
            bucket: RateLimiter::direct_with_clock(Quota::per_second(per_second), clock),
            line: tokio::sync::Mutex::default(),
            clock,
            burst: per_second,
        }
    }

    async fn take(&self, units: u32) {
        let _place = self.line.lock().await;
        let Some(mut left) = NonZeroU32::new(units) else {
            return;
        };
        loop {
            let now = left.min(self.burst);
            match self.bucket.check_n(now) {
                Ok(Ok(())) => match NonZeroU32::new(left.get() - now.get()) {
                    Some(rest) => left = rest,
                    None => return,
                },
                Ok(Err(full)) => sleep(full.wait_time_from(self.clock.now())).await,
                // More than the bucket holds: excluded by the `min` above.
                Err(_) => return,
            }
        }
    }
}

/// Tokio's clock for governor, so that both wait by the same time.
#[derive(Clone, Copy)]
struct TokioClock(Instant);

impl Clock for TokioClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "limiter_tests.rs"]
mod tests;
