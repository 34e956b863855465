//! A manifest's terms, parsed into what a plan needs.

use chrono::TimeDelta;

use crate::api::{
    schedule_info::OnExpiry,
    terms::{DeletionPolicy, GrantTerms, ManagementPolicy},
};

use super::{
    duration::{self, DurationError},
    window::{Declared, DeclaredEnd, MINIMUM, WindowError},
};

/// What a manifest asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Desired {
    /// The declared window.
    pub declared: Declared,
    /// For a lease: how long it is and when it is extended.
    pub lease: Option<Lease>,
    /// Whether the operator may write.
    pub mode: Mode,
    /// What deletion does.
    pub deletion_policy: DeletionPolicy,
}

/// A window that is extended while its manifest exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// How long each window is.
    pub length: TimeDelta,
    /// How long before its end a window is extended.
    pub renew_before: TimeDelta,
}

/// Whether the operator may write for an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It may.
    Manage,
    /// It only reports.
    Observe,
    /// It reports, and waits to be told to go on.
    Suspended,
}

/// Why a spec cannot be carried out; each text says what to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSpec {
    /// The window makes no sense.
    #[error("{0}")]
    Window(#[from] WindowError),
    /// `renewBefore` was not understood.
    #[error("spec.scheduleInfo.renewBefore: {0}")]
    RenewBefore(DurationError),
    /// The lease would be renewed before it started.
    #[error("spec.scheduleInfo.renewBefore must be shorter than the lease's own duration")]
    RenewBeforeTooLong,
    /// The lease might end before its extension is done.
    #[error(
        "spec.scheduleInfo.renewBefore must be at least PT5M, so that a lease is extended before it ends"
    )]
    RenewBeforeTooShort,
    /// A lease without a length.
    #[error(
        "spec.scheduleInfo.onExpiry: Renew needs expiration: {{type: afterDuration, duration: …}}"
    )]
    LeaseWithoutLength,
}

impl Desired {
    /// Parses a manifest's terms.
    ///
    /// # Errors
    /// [`InvalidSpec`] when they cannot be carried out.
    pub fn read(terms: &GrantTerms) -> Result<Self, InvalidSpec> {
        let schedule = &terms.schedule_info;
        let declared = Declared::read(schedule.start_date_time, &schedule.expiration)?;
        let lease = match (schedule.on_expiry, declared.end) {
            (OnExpiry::Lapse, _) => None,
            (OnExpiry::Renew, DeclaredEnd::After(length)) => {
                let renew_before = match schedule.renew_before.as_deref() {
                    Some(text) => duration::parse(text).map_err(InvalidSpec::RenewBefore)?,
                    None => length / 3,
                };
                if schedule.renew_before.is_some() && renew_before < MINIMUM {
                    return Err(InvalidSpec::RenewBeforeTooShort);
                }
                if renew_before >= length {
                    return Err(InvalidSpec::RenewBeforeTooLong);
                }
                Some(Lease {
                    length,
                    renew_before,
                })
            }
            (OnExpiry::Renew, _) => return Err(InvalidSpec::LeaseWithoutLength),
        };
        let mode = match (terms.suspend, terms.management_policy) {
            (_, ManagementPolicy::Observe) => Mode::Observe,
            (true, ManagementPolicy::Manage) => Mode::Suspended,
            (false, ManagementPolicy::Manage) => Mode::Manage,
        };
        Ok(Self {
            declared,
            lease,
            mode,
            deletion_policy: terms.deletion_policy,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(duration: &str, on_expiry: OnExpiry, renew_before: Option<&str>) -> GrantTerms {
        let mut terms: GrantTerms = serde_json::from_value(serde_json::json!({
            "principal": {"userPrincipalName": "alice@contoso.com"},
            "scheduleInfo": {"expiration": {"type": "afterDuration", "duration": duration}},
        }))
        .expect("terms");
        terms.schedule_info.on_expiry = on_expiry;
        terms.schedule_info.renew_before = renew_before.map(str::to_owned);
        terms
    }

    #[test]
    fn a_lease_is_extended_a_third_of_its_length_before_its_end_unless_said_otherwise() {
        for (said, hours) in [(None, 8), (Some("PT6H"), 6)] {
            let desired = Desired::read(&terms("P1D", OnExpiry::Renew, said)).expect("a lease");
            let lease = Lease {
                length: TimeDelta::days(1),
                renew_before: TimeDelta::hours(hours),
            };
            assert_eq!(desired.lease, Some(lease));
        }
    }

    #[test]
    fn a_lease_that_would_be_extended_at_once_or_too_late_is_refused() {
        let read = |before| Desired::read(&terms("P1D", OnExpiry::Renew, Some(before)));
        assert_eq!(read("PT24H"), Err(InvalidSpec::RenewBeforeTooLong));
        assert_eq!(read("PT4M"), Err(InvalidSpec::RenewBeforeTooShort));
        assert!(matches!(read("P1M"), Err(InvalidSpec::RenewBefore(_))));
    }

    #[test]
    fn observing_outranks_suspension_and_both_outrank_managing() {
        let mode = |management_policy, suspend| {
            let mut terms = terms("P1D", OnExpiry::Lapse, None);
            (terms.management_policy, terms.suspend) = (management_policy, suspend);
            Desired::read(&terms).map(|desired| desired.mode)
        };
        assert_eq!(mode(ManagementPolicy::Manage, false), Ok(Mode::Manage));
        assert_eq!(mode(ManagementPolicy::Manage, true), Ok(Mode::Suspended));
        assert_eq!(mode(ManagementPolicy::Observe, true), Ok(Mode::Observe));
    }

    #[test]
    fn one_day_and_twenty_four_hours_are_the_same_declaration() {
        let read = |duration| Desired::read(&terms(duration, OnExpiry::Lapse, None));
        assert_eq!(read("P1D"), read("PT24H"));
        assert_eq!(
            read("PT4M").map(|desired| desired.declared),
            Err(InvalidSpec::Window(WindowError::TooShort))
        );
    }
}
