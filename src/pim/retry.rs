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
    let refusal = match sent.outcome {
        // A new group or principal shows up as either; after a while it is a fault like any other.
        Outcome::Failed => Refusal::NotReplicated,
        Outcome::Refused(refusal) => refusal,
        Outcome::Unknown
        | Outcome::NeverSent
        | Outcome::InProgress { .. }
        | Outcome::Succeeded { .. } => return None,
    };
    Some(match refusal {
        // Another request is tried at once: a removal instead of the cancellation.
        Refusal::NotCancellable => return None,
        Refusal::MinimumDuration => Retry {
            at: sent.at + MINIMUM,
            stalled: false,
        },
        Refusal::Exists | Refusal::DoesNotExist => {
            backoff(TimeDelta::seconds(10), TimeDelta::minutes(5))
        }
        Refusal::Pending => backoff(TimeDelta::seconds(30), TimeDelta::minutes(15)),
        Refusal::NotReplicated if young => backoff(TimeDelta::seconds(4), TimeDelta::minutes(2)),
        Refusal::NotReplicated | Refusal::Policy | Refusal::Permission => stalled,
        Refusal::Other => Retry {
            stalled: sent.failures >= 5,
            ..backoff(TimeDelta::seconds(30), TimeDelta::minutes(30))
        },
    })
}
