//! A manifest's terms, parsed into what a plan needs.

use chrono::TimeDelta;

use crate::api::{
    schedule_info::OnExpiry,
    terms::{DeletionPolicy, GrantTerms, ManagementPolicy},
};

use super::{
    duration::{self, DurationError},
    window::{Declared, DeclaredEnd, WindowError},
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
