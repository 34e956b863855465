//! Whether a failed call goes out again, and after which delay.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    config::RetryLimits,
    error::{GraphError, Intent},
};

/// The retries of one call.
pub(super) struct Retries {
    limits: RetryLimits,
    intent: Intent,
    attempts: u32,
    first_failure: Option<Instant>,
}

impl Retries {
    pub(super) fn new(limits: RetryLimits, intent: Intent) -> Self {
        Self {
            limits,
            intent,
            attempts: 0,
            first_failure: None,
        }
    }

    /// The delay before the next try, or `None` if this failure is final.
    ///
    /// Delays are random below a bound that doubles, so that callers who failed together do not come back together.
    /// After a 429 the delay is zero, as the limiter holds everyone back until the pause is over.
    pub(super) fn after(&mut self, failure: &GraphError) -> Option<Duration> {
        self.attempts += 1;
        let failed = *self.first_failure.get_or_insert_with(Instant::now);
        if self.attempts >= self.limits.max_attempts || !self.may_repeat(failure) {
            return None;
        }
        let left = self.limits.max_elapsed.saturating_sub(failed.elapsed());
        let (delay, needed) = match failure {
            GraphError::Throttled { retry_after, .. } => (Duration::ZERO, *retry_after),
            GraphError::Refused(refusal) => {
                let delay = self.random_delay();
                (delay, delay.max(refusal.retry_after().unwrap_or_default()))
            }
            _ => {
                let delay = self.random_delay();
                (delay, delay)
            }
        };
        (needed <= left).then_some(delay)
    }

    /// A write is repeated only if Graph certainly did not look at it.
    fn may_repeat(&self, failure: &GraphError) -> bool {
        let read = self.intent == Intent::Read;
        match failure {
            GraphError::Throttled { .. } => true,
            GraphError::SignIn(error) => error.is_transient(),
            GraphError::Refused(refusal) => read && refusal.is_passing(),
            GraphError::NoAnswer { .. } | GraphError::Unreadable { .. } => read,
            GraphError::ForeignNextLink { .. } | GraphError::Withheld | GraphError::Invalid(_) => {
                false
            }
        }
    }

    fn random_delay(&self) -> Duration {
        let doublings = self.attempts.saturating_sub(1).min(16);
        let bound = self.limits.base_delay.saturating_mul(1 << doublings);
        rand::random_range(Duration::ZERO..=bound.min(self.limits.max_delay))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::error::{NoAnswer, Refusal, SignInError};
    use super::*;

    fn retries(intent: Intent) -> Retries {
        let limits = RetryLimits {
            max_attempts: 3,
            max_elapsed: Duration::from_secs(10),
            base_delay: Duration::from_millis(100),
            max_delay: Duration::from_millis(150),
        };
        Retries::new(limits, intent)
    }

    fn refused(status: u16, retry_after: Option<Duration>) -> GraphError {
        let refusal = Refusal::read(status, b"", None, retry_after, Intent::Read);
        GraphError::Refused(Box::new(refusal))
    }

    fn throttled(seconds: u64) -> GraphError {
        GraphError::Throttled {
            retry_after: Duration::from_secs(seconds),
            request_id: None,
        }
    }

    fn timeout(write: bool) -> GraphError {
        GraphError::NoAnswer {
            reason: NoAnswer::Timeout,
            detail: None,
            write,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn reads_are_repeated_a_bounded_number_of_times_with_bounded_delays() {
        let mut retries = retries(Intent::Read);
        assert!(retries.after(&refused(503, None)).unwrap() <= Duration::from_millis(100));
        assert!(retries.after(&timeout(false)).unwrap() <= Duration::from_millis(150));
        assert_eq!(retries.after(&timeout(false)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn writes_are_repeated_only_when_graph_did_not_look_at_them() {
        assert_eq!(retries(Intent::Write).after(&refused(503, None)), None);
        assert_eq!(retries(Intent::Removal).after(&timeout(true)), None);
        assert_eq!(
            retries(Intent::Write).after(&throttled(1)),
            Some(Duration::ZERO)
        );
        let unavailable = GraphError::SignIn(SignInError::unavailable(String::new()));
        assert!(retries(Intent::Write).after(&unavailable).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_of_the_call_itself_are_final() {
        for status in [400, 403, 404, 409, 501] {
            assert_eq!(retries(Intent::Read).after(&refused(status, None)), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_beyond_the_budget_is_left_to_the_caller() {
        assert_eq!(retries(Intent::Read).after(&throttled(11)), None);
        let busy = refused(503, Some(Duration::from_secs(11)));
        assert_eq!(retries(Intent::Read).after(&busy), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_budget_counts_from_the_first_failure() {
        let mut retries = retries(Intent::Read);
        tokio::time::advance(Duration::from_mins(1)).await;
        assert!(retries.after(&timeout(false)).is_some());
        tokio::time::advance(Duration::from_secs(11)).await;
        assert_eq!(retries.after(&timeout(false)), None);
    }
}
