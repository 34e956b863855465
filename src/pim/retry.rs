//! When a request that failed or was refused may be sent again, and when no repetition helps.
//!
//! The count of failures lives in the object's status, so that a restart does not begin hammering afresh.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    observed::{Outcome, Refusal, Sent},
    window::MINIMUM,
};

/// How long a new group or principal may be unknown to PIM before that is a fault: replication
/// takes tens of seconds as a rule and has been seen to take many minutes.
pub const REPLICATION_DEADLINE: TimeDelta = TimeDelta::minutes(30);

/// How long lists may lag behind a request that succeeded.
pub const LIST_LAG: TimeDelta = TimeDelta::minutes(5);

/// How long to leave a request alone that only a person's change can make succeed.
const STALLED_RECHECK: TimeDelta = TimeDelta::hours(1);

/// What to do about a request that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// When it may be sent again.
    pub at: DateTime<Utc>,
    /// Whether only a person's change can help.
    pub stalled: bool,
}

/// When the request may be repeated; none when nothing failed, or the spec has changed since.
#[must_use]
pub fn retry(sent: &Sent) -> Option<Retry> {
    if !sent.current && sent.outcome != Outcome::Refused(Refusal::MinimumDuration) {
        return None;
    }
    let backoff = |base: TimeDelta, cap: TimeDelta| {
        let doubled = base * 2_i32.saturating_pow(sent.failures.saturating_sub(1).min(12));
        Retry {
            at: sent.at + doubled.min(cap),
            stalled: false,
        }
    };
    let stalled = Retry {
        at: sent.at + STALLED_RECHECK,
        stalled: true,
    };
    let young = sent
        .failing_since
        .is_none_or(|since| sent.at - since < REPLICATION_DEADLINE);
    match &sent.outcome {
        Outcome::Unknown
        | Outcome::NeverSent
        | Outcome::InProgress { .. }
        | Outcome::Succeeded { .. } => None,
        Outcome::Refused(Refusal::MinimumDuration) => Some(Retry {
            at: sent.at + MINIMUM,
            stalled: false,
        }),
        Outcome::Refused(Refusal::NotCancellable) => None,
        Outcome::Refused(Refusal::Exists | Refusal::DoesNotExist) => {
            Some(backoff(TimeDelta::seconds(10), TimeDelta::minutes(5)))
        }
        Outcome::Refused(Refusal::Pending) => {
            Some(backoff(TimeDelta::seconds(30), TimeDelta::minutes(15)))
        }
        Outcome::Refused(Refusal::Policy | Refusal::Permission) => Some(stalled),
        Outcome::Refused(Refusal::NotReplicated) | Outcome::Failed if young => {
            Some(backoff(TimeDelta::seconds(4), TimeDelta::minutes(2)))
        }
        Outcome::Refused(Refusal::NotReplicated) | Outcome::Failed => Some(stalled),
        Outcome::Refused(Refusal::Other) => {
            let mut retry = backoff(TimeDelta::seconds(30), TimeDelta::minutes(30));
            retry.stalled = sent.failures >= 5;
            Some(retry)
        }
    }
}
