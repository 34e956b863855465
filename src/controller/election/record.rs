//! The rules of the election, pure: what a Lease means to a candidate, and what it writes into it.
//!
//! As in Kubernetes' own elections, nobody compares the times in a Lease with a clock: a Lease has run out when it has not changed
//! for its duration, by the monotonic clock of whoever looks at it. So clocks that differ, or jump, decide nothing.

use std::time::{Duration, Instant};

use k8s_openapi::{
    api::coordination::v1::LeaseSpec, apimachinery::pkg::apis::meta::v1::MicroTime, jiff::Timestamp,
};

/// The longest duration in a Lease that is believed: a slip of the pen must not keep everybody out for years.
const LONGEST: Duration = Duration::from_mins(5);

/// The times of an election. They default to those of Kubernetes' own controllers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timings {
    /// How long a Lease must stay unchanged before another candidate takes it.
    pub lease: Duration,
    /// How long after its last renewal a leader acts as one.
    pub renew: Duration,
    /// How often it renews, and how often others look when nothing tells them of changes.
    pub retry: Duration,
}

/// Why times do not fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTimings {
    /// The leader would still act when another one takes over.
    #[error("the lease duration must be longer than the renew deadline by a second or more")]
    Lease,
    /// A single renewal that fails would end the leadership.
    #[error("the renew deadline must be at least twice the retry period")]
    Renew,
    /// The leader would do nothing but renew.
    #[error("the retry period must not be zero")]
    Retry,
    /// Nobody would believe it.
    #[error("the lease duration must not be longer than five minutes")]
    Long,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(15),
            renew: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

impl Timings {
    /// The times, if they fit together.
    ///
    /// # Errors
    /// When two leaders could overlap, or none could hold out.
    pub fn checked(self) -> Result<Self, BadTimings> {
        if self.retry.is_zero() {
            return Err(BadTimings::Retry);
        }
        if self.renew < self.retry * 2 {
            return Err(BadTimings::Renew);
        }
        if self.lease < self.renew + Duration::from_secs(1) {
            return Err(BadTimings::Lease);
        }
        if self.lease > LONGEST {
            return Err(BadTimings::Long);
        }
        Ok(self)
    }

    fn lease_seconds(self) -> i32 {
        i32::try_from(self.lease.as_secs()).unwrap_or(i32::MAX)
    }
}

/// What a Lease means to a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nobody holds it, or whoever did has let it run out.
    Free,
    /// The candidate holds it.
    Ours,
    /// Another holds it, at least for so long.
    Taken(Duration),
}

/// What a candidate has seen of the Lease.
#[derive(Clone, Debug)]
pub(super) struct Observer {
    identity: String,
    lease: Duration,
    /// The last record of another holder, and since when it has been as it is.
    seen: Option<(LeaseSpec, Instant)>,
}

impl Observer {
    pub(super) const fn new(identity: String, timings: Timings) -> Self {
        Self {
            identity,
            lease: timings.lease,
            seen: None,
        }
    }

    /// Takes in the Lease as it is now; none means that there is none.
    ///
    /// A Lease that vanished was not given back: whoever held it may still act on it, and is about to write it anew.
    pub(super) fn look(&mut self, spec: Option<&LeaseSpec>, now: Instant) -> Standing {
        let Some(spec) = spec else {
            return self.held(now).map_or(Standing::Free, Standing::Taken);
        };
        match holder(spec) {
            None => {
                self.seen = None;
                return Standing::Free;
            }
            Some(holder) if holder == self.identity => return Standing::Ours,
            Some(_) => {}
        }
        if self.seen.as_ref().is_none_or(|(seen, _)| seen != spec) {
            self.seen = Some((spec.clone(), now));
        }
        self.held(now).map_or(Standing::Free, Standing::Taken)
    }

    /// How long the last holder seen may still act.
    fn held(&self, now: Instant) -> Option<Duration> {
        let (spec, since) = self.seen.as_ref()?;
        let stated = spec.lease_duration_seconds.unwrap_or_default();
        let stated = Duration::from_secs(u64::try_from(stated).unwrap_or_default());
        // Another release may have been given other times: the holder goes by its own.
        let lease = self.lease.max(stated.min(LONGEST));
        let rest = (*since + lease).saturating_duration_since(now);
        (!rest.is_zero()).then_some(rest)
    }
}

/// Who holds a Lease. An empty name is as good as none: Go clients write one when they give it back.
pub(super) fn holder(spec: &LeaseSpec) -> Option<&str> {
    spec.holder_identity
        .as_deref()
        .filter(|holder| !holder.is_empty())
}

/// The record that makes a candidate the holder, or renews what it holds.
pub(super) fn held_by(
    identity: &str,
    timings: Timings,
    before: Option<&LeaseSpec>,
    now: Timestamp,
) -> LeaseSpec {
    let ours = before.filter(|spec| holder(spec) == Some(identity));
    let transitions = match (before, ours) {
        (None, _) => Some(0),
        (Some(before), Some(_)) => before.lease_transitions,
        (Some(before), None) => Some(before.lease_transitions.unwrap_or(0).saturating_add(1)),
    };
    LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: Some(timings.lease_seconds()),
        acquire_time: ours
            .and_then(|spec| spec.acquire_time.clone())
            .or(Some(MicroTime(now))),
        renew_time: Some(MicroTime(now)),
        lease_transitions: transitions,
        ..LeaseSpec::default()
    }
}

/// The record of a Lease that is given back.
pub(super) fn given_back(before: &LeaseSpec) -> LeaseSpec {
    LeaseSpec {
        lease_transitions: before.lease_transitions,
        ..LeaseSpec::default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn spec(holder: &str, renewed: i64) -> LeaseSpec {
        let now = Timestamp::from_second(renewed).unwrap();
        held_by(holder, Timings::default(), None, now)
    }

    fn observer() -> (Observer, Instant) {
        let us = Observer::new("us".to_owned(), Timings::default());
        (us, Instant::now())
    }

    #[test]
    fn a_lease_is_taken_until_it_has_not_changed_for_its_duration() {
        let (mut us, start) = observer();
        let taken = Standing::Taken(15 * SECOND);
        assert_eq!(us.look(Some(&spec("them", 0)), start), taken);
        let later = start + 14 * SECOND;
        assert_eq!(
            us.look(Some(&spec("them", 0)), later),
            Standing::Taken(SECOND)
        );
        // A renewal counts whatever time it states.
        assert_eq!(us.look(Some(&spec("them", -9_999_999)), later), taken);
        let at_last = later + 15 * SECOND;
        assert_eq!(
            us.look(Some(&spec("them", -9_999_999)), at_last),
            Standing::Free
        );
    }

    #[test]
    fn a_lease_that_is_given_back_is_free_at_once() {
        let (mut us, start) = observer();
        us.look(Some(&spec("them", 0)), start);
        let back = given_back(&spec("them", 0));
        assert_eq!(us.look(Some(&back), start), Standing::Free);
        let by_go = LeaseSpec {
            holder_identity: Some(String::new()),
            ..spec("them", 1)
        };
        assert_eq!(us.look(Some(&by_go), start), Standing::Free);
    }

    #[test]
    fn a_lease_that_vanished_is_its_holders_until_it_would_have_run_out() {
        let (mut us, start) = observer();
        assert_eq!(us.look(None, start), Standing::Free, "there never was one");
        us.look(Some(&spec("them", 0)), start);
        let later = start + 5 * SECOND;
        assert_eq!(us.look(None, later), Standing::Taken(10 * SECOND));
        assert_eq!(us.look(None, start + 15 * SECOND), Standing::Free);
    }

    #[test]
    fn a_longer_duration_in_the_record_is_kept_within_reason_and_a_shorter_one_is_not() {
        let lasting = |seconds| LeaseSpec {
            lease_duration_seconds: Some(seconds),
            ..spec("them", 0)
        };
        for (stated, kept) in [(1, 15), (60, 60), (i32::MAX, 300), (-3, 15)] {
            let (mut us, start) = observer();
            let standing = us.look(Some(&lasting(stated)), start);
            assert_eq!(standing, Standing::Taken(kept * SECOND), "{stated}");
        }
    }

    #[test]
    fn a_renewal_keeps_since_when_and_how_often_and_a_takeover_counts() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let first = spec("them", 0);
        assert_eq!(first.lease_transitions, Some(0));
        let renewed = held_by("them", Timings::default(), Some(&first), at(2));
        assert_eq!(renewed.acquire_time, first.acquire_time);
        assert_eq!(renewed.renew_time, Some(MicroTime(at(2))));
        let taken = held_by("us", Timings::default(), Some(&renewed), at(9));
        assert_eq!(taken.acquire_time, Some(MicroTime(at(9))));
        assert_eq!(taken.lease_transitions, Some(1));
        let again = held_by(
            "them",
            Timings::default(),
            Some(&given_back(&taken)),
            at(10),
        );
        assert_eq!(again.lease_transitions, Some(2));
    }

    #[test]
    fn times_that_let_two_lead_or_none_are_refused() {
        let timings = |lease, renew, retry| {
            let timings = Timings {
                lease: lease * SECOND,
                renew: renew * SECOND,
                retry: retry * SECOND,
            };
            timings.checked().err()
        };
        assert_eq!(timings(15, 10, 2), None);
        assert_eq!(timings(10, 10, 2), Some(BadTimings::Lease));
        assert_eq!(timings(15, 10, 6), Some(BadTimings::Renew));
        assert_eq!(timings(15, 10, 0), Some(BadTimings::Retry));
        assert_eq!(timings(301, 10, 2), Some(BadTimings::Long));
    }
}
