//! The arithmetic of windows: when access starts and ends, when two ends are the same, and how a declared window is fixed.
//!
//! A declared window may be relative ("for ninety days"). It is *anchored* once, when it is first granted: from then on
//! its start and end are instants, and everything is judged against them. That is what keeps a restored grant from
//! outliving the one it replaces, and a relative window from starting over.

use std::cmp::Ordering;

use chrono::{DateTime, TimeDelta, Utc};

use crate::api::{
    schedule_info::{Expiration, ExpirationType},
    status::DeclaredWindow,
};

use super::duration::{self, DurationError};

/// Two instants closer than this are the same to us: Entra stores a duration up to two seconds short and
/// replaces a past start by the time it was done with the request.
pub const TOLERANCE: TimeDelta = TimeDelta::minutes(1);

/// Entra's shortest assignment, and the age below which an active one may not be changed.
pub const MINIMUM: TimeDelta = TimeDelta::minutes(5);

/// The end of a window. `Never` is later than every instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// At this instant, UTC.
    At(DateTime<Utc>),
    /// Permanent.
    Never,
}

impl End {
    /// The end as an instant, if there is one.
    #[must_use]
    pub const fn instant(self) -> Option<DateTime<Utc>> {
        match self {
            Self::At(at) => Some(at),
            Self::Never => None,
        }
    }

    /// Whether two ends are the same within [`TOLERANCE`].
    #[must_use]
    pub fn matches(self, other: Self) -> bool {
        match (self, other) {
            (Self::Never, Self::Never) => true,
            (Self::At(one), Self::At(two)) => (one - two).abs() <= TOLERANCE,
            _ => false,
        }
    }

    /// Whether the end has come.
    #[must_use]
    pub fn has_passed(self, now: DateTime<Utc>) -> bool {
        self <= Self::At(now)
    }

    /// This end, moved later; permanent stays permanent.
    #[must_use]
    pub fn plus(self, by: TimeDelta) -> Self {
        match self {
            Self::At(at) => Self::At(at + by),
            Self::Never => Self::Never,
        }
    }
}

impl Ord for End {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::At(one), Self::At(two)) => one.cmp(two),
            (Self::At(_), Self::Never) => Ordering::Less,
            (Self::Never, Self::At(_)) => Ordering::Greater,
            (Self::Never, Self::Never) => Ordering::Equal,
        }
    }
}

impl PartialOrd for End {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<Option<DateTime<Utc>>> for End {
    fn from(instant: Option<DateTime<Utc>>) -> Self {
        instant.map_or(Self::Never, Self::At)
    }
}

/// A window in instants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// When it starts, UTC.
    pub start: DateTime<Utc>,
    /// When it ends.
    pub end: End,
}

impl Window {
    /// Whether the start lies ahead, by more than the tolerance.
    #[must_use]
    pub fn is_ahead(&self, now: DateTime<Utc>) -> bool {
        self.start > now + TOLERANCE
    }

    /// Whether what is left of the window is too short for Entra to grant.
    #[must_use]
    pub fn is_spent(&self, now: DateTime<Utc>) -> bool {
        self.end < End::At(self.start.max(now) + MINIMUM)
    }
}

/// A window as a manifest declares it, parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The declared start; none means now.
    pub start: Option<DateTime<Utc>>,
    /// The declared end.
    pub end: DeclaredEnd,
}

/// The end of a declared window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeclaredEnd {
    /// `noExpiration`.
    Never,
    /// `afterDateTime`.
    At(DateTime<Utc>),
    /// `afterDuration`.
    After(TimeDelta),
}

/// Why a declared window cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// The duration was not understood.
    #[error("spec.scheduleInfo.expiration.duration: {0}")]
    Duration(#[from] DurationError),
    /// The duration is below Entra's minimum.
    #[error(
        "spec.scheduleInfo.expiration.duration must be at least PT5M, Entra's shortest assignment"
    )]
    TooShort,
    /// The field that the expiration type needs is missing.
    #[error("spec.scheduleInfo.expiration needs `{0}` with this type")]
    Missing(&'static str),
    /// The end lies before the start.
    #[error(
        "spec.scheduleInfo.expiration.endDateTime must be at least five minutes after startDateTime"
    )]
    EndsBeforeStart,
}

impl Declared {
    /// Reads a declared window from its parts in the API.
    ///
    /// # Errors
    /// [`WindowError`] when the parts do not make a window. Admission refuses most of these already; an
    /// object from before a rule existed still gets its sentence here.
    pub fn read(
        start: Option<DateTime<Utc>>,
        expiration: &Expiration,
    ) -> Result<Self, WindowError> {
        let end = match expiration.type_ {
            ExpirationType::NoExpiration => DeclaredEnd::Never,
            ExpirationType::AfterDateTime => DeclaredEnd::At(
                expiration
                    .end_date_time
                    .ok_or(WindowError::Missing("endDateTime"))?,
            ),
            ExpirationType::AfterDuration => {
                let text = expiration
                    .duration
                    .as_deref()
                    .ok_or(WindowError::Missing("duration"))?;
                let length = duration::parse(text)?;
                if length < MINIMUM {
                    return Err(WindowError::TooShort);
                }
                DeclaredEnd::After(length)
            }
        };
        match (start, end) {
            (Some(start), DeclaredEnd::At(end)) if end < start + MINIMUM => {
                Err(WindowError::EndsBeforeStart)
            }
            _ => Ok(Self { start, end }),
        }
    }

    /// The same, from an anchored window's record in status.
    ///
    /// # Errors
    /// As [`Declared::read`].
    pub fn from_status(declared: &DeclaredWindow) -> Result<Self, WindowError> {
        Self::read(declared.start_date_time, &declared.expiration)
    }

    /// Fixes the window in instants, as of now: a start that is absent or past is now, a duration counts from the start.
    #[must_use]
    pub fn anchor(&self, now: DateTime<Utc>) -> Window {
        let start = self.start.map_or(now, |start| start.max(now));
        let end = match self.end {
            DeclaredEnd::Never => End::Never,
            DeclaredEnd::At(end) => End::At(end),
            DeclaredEnd::After(length) => End::At(start + length),
        };
        Window { start, end }
    }

    /// Whether a window that is already there is what is declared, so that it can be adopted as it is.
    ///
    /// A relative window is recognised by its length: it was granted from the same declaration at an earlier time.
    #[must_use]
    pub fn describes(&self, window: &Window, now: DateTime<Utc>) -> bool {
        let starts_as_declared = match self.start {
            Some(start) if start > now + TOLERANCE => (window.start - start).abs() <= TOLERANCE,
            _ => !window.is_ahead(now),
        };
        let ends_as_declared = match (self.end, window.end) {
            (DeclaredEnd::Never, End::Never) => true,
            (DeclaredEnd::At(declared), End::At(end)) => (declared - end).abs() <= TOLERANCE,
            (DeclaredEnd::After(length), End::At(end)) => {
                (end - window.start - length).abs() <= TOLERANCE
            }
            _ => false,
        };
        starts_as_declared && ends_as_declared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("an instant")
    }

    #[test]
    fn a_past_start_is_now_and_a_duration_counts_from_the_start() {
        let now = at("2026-12-01T00:00:00Z");
        let declared = Declared {
            start: Some(at("2026-11-01T00:00:00Z")),
            end: DeclaredEnd::After(TimeDelta::days(90)),
        };
        assert_eq!(
            declared.anchor(now),
            Window {
                start: now,
                end: End::At(now + TimeDelta::days(90))
            }
        );
        let later = Declared {
            start: Some(now + TimeDelta::days(3)),
            ..declared
        };
        assert_eq!(later.anchor(now).end, End::At(now + TimeDelta::days(93)));
    }

    #[test]
    fn ends_are_compared_with_a_minute_of_tolerance_and_never_is_last() {
        let end = at("2026-12-01T00:00:00Z");
        assert!(End::At(end).matches(End::At(end - TimeDelta::milliseconds(1200))));
        assert!(!End::At(end).matches(End::At(end + TimeDelta::seconds(61))));
        assert!(!End::At(end).matches(End::Never));
        assert!(End::Never > End::At(end));
        assert!(!End::Never.has_passed(end));
    }

    #[test]
    fn a_relative_window_is_recognised_by_its_length() {
        let now = at("2026-12-01T01:00:00Z");
        let declared = Declared {
            start: None,
            end: DeclaredEnd::After(TimeDelta::hours(4)),
        };
        let running = Window {
            start: at("2026-12-01T00:00:00Z"),
            end: End::At(at("2026-12-01T03:59:58.8Z")),
        };
        assert!(declared.describes(&running, now));
        let longer = Window {
            end: End::At(at("2026-12-01T06:00:00Z")),
            ..running
        };
        assert!(!declared.describes(&longer, now));
    }

    #[test]
    fn a_window_shorter_than_entras_minimum_is_spent() {
        let now = at("2026-12-01T00:00:00Z");
        assert!(
            Window {
                start: now,
                end: End::At(now + TimeDelta::minutes(4))
            }
            .is_spent(now)
        );
        assert!(
            !Window {
                start: now,
                end: End::At(now + TimeDelta::minutes(5))
            }
            .is_spent(now)
        );
        assert!(
            !Window {
                start: now,
                end: End::Never
            }
            .is_spent(now)
        );
    }
}
