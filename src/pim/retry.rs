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

/// How long replicas may disagree about a policy that was changed.
const POLICY_LAG: TimeDelta = TimeDelta::minutes(1);

/// How long to leave a request alone that only a person's change can make succeed.
pub(super) const STALLED_RECHECK: TimeDelta = TimeDelta::hours(1);

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
        // A replica may still hold the policy that was there a moment ago.
        Refusal::Policy if sent.failures <= 1 => Retry {
            at: sent.at + POLICY_LAG,
            stalled: true,
        },
        Refusal::NotReplicated | Refusal::Policy | Refusal::Permission | Refusal::LastHolder => {
            stalled
        }
        Refusal::Other => Retry {
            stalled: sent.failures >= 5,
            ..backoff(TimeDelta::seconds(30), TimeDelta::minutes(30))
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pim::observed::Action;

    fn sent(outcome: Outcome, failures: u32, failing_for: TimeDelta) -> Sent {
        let at = DateTime::UNIX_EPOCH;
        Sent {
            action: Action::AdminAssign,
            at,
            outcome,
            failures,
            failing_since: Some(at - failing_for),
            current: true,
            only_granted: false,
        }
    }

    /// After how many seconds, and whether stalled.
    fn after(outcome: Outcome, failures: u32, failing_for: TimeDelta) -> Option<(i64, bool)> {
        let sent = sent(outcome, failures, failing_for);
        retry(&sent).map(|retry| ((retry.at - sent.at).num_seconds(), retry.stalled))
    }

    #[test]
    fn each_refusal_has_its_own_patience() {
        let young = TimeDelta::zero();
        for (refusal, first, fourth, fortieth) in [
            (Refusal::Exists, 10, 80, 300),
            (Refusal::DoesNotExist, 10, 80, 300),
            (Refusal::Pending, 30, 240, 900),
            (Refusal::NotReplicated, 4, 32, 120),
            (Refusal::MinimumDuration, 300, 300, 300),
        ] {
            for (failures, seconds) in [(1, first), (4, fourth), (40, fortieth)] {
                let retry = after(Outcome::Refused(refusal), failures, young);
                assert_eq!(
                    retry,
                    Some((seconds, false)),
                    "{refusal:?}, failure {failures}"
                );
            }
        }
    }

    #[test]
    fn what_only_a_person_can_mend_stalls_and_is_looked_at_hourly() {
        for (refusal, failures) in [
            (Refusal::Policy, 2),
            (Refusal::Permission, 1),
            (Refusal::LastHolder, 1),
        ] {
            let retry = after(Outcome::Refused(refusal), failures, TimeDelta::zero());
            assert_eq!(retry, Some((3_600, true)));
        }
    }

    #[test]
    fn a_policy_that_refuses_for_the_first_time_may_be_one_that_was_just_changed() {
        let retry = after(Outcome::Refused(Refusal::Policy), 1, TimeDelta::zero());
        assert_eq!(retry, Some((60, true)));
    }

    #[test]
    fn a_principal_unknown_for_half_an_hour_is_a_fault() {
        for outcome in [Outcome::Refused(Refusal::NotReplicated), Outcome::Failed] {
            let young = REPLICATION_DEADLINE - TimeDelta::seconds(1);
            assert_eq!(after(outcome.clone(), 9, young), Some((120, false)));
            assert_eq!(after(outcome, 9, REPLICATION_DEADLINE), Some((3_600, true)));
        }
    }

    #[test]
    fn an_unknown_refusal_is_called_stalled_at_the_fifth_time_and_still_repeated() {
        let other = || Outcome::Refused(Refusal::Other);
        assert_eq!(after(other(), 4, TimeDelta::zero()), Some((240, false)));
        assert_eq!(after(other(), 5, TimeDelta::zero()), Some((480, true)));
        assert_eq!(after(other(), 50, TimeDelta::zero()), Some((1_800, true)));
    }

    #[test]
    fn an_edit_clears_every_wait_but_entras_five_minutes() {
        let edited = |refusal| Sent {
            current: false,
            ..sent(Outcome::Refused(refusal), 3, TimeDelta::hours(1))
        };
        assert_eq!(retry(&edited(Refusal::Policy)), None);
        assert_eq!(retry(&edited(Refusal::Other)), None);
        assert!(retry(&edited(Refusal::MinimumDuration)).is_some());
    }

    #[test]
    fn what_did_not_fail_is_not_retried() {
        let id = || "request".to_owned();
        for outcome in [
            Outcome::Unknown,
            Outcome::NeverSent,
            Outcome::InProgress { id: id() },
            Outcome::Succeeded { id: id() },
            Outcome::Refused(Refusal::NotCancellable),
        ] {
            assert_eq!(after(outcome, 1, TimeDelta::zero()), None);
        }
    }
}
