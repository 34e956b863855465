//! The decision for a grant whose object is being deleted: revoke what the operator manages, and let the object go once
//! Entra no longer lists it.

use chrono::{DateTime, Utc};

use crate::api::terms::DeletionPolicy;

use super::{
    desired::Mode,
    observed::{Observation, Outcome, Record, assigned},
    plan::{Change, Decision, POLL, Plan, Wait, Why, ending},
    retry::LIST_LAG,
};

/// What to do about a deleted object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Nothing of it is left in Entra, or nothing that must go: let the object go.
    Done(Done),
    /// Deletion is held by `suspend`.
    Held,
    /// Do this first.
    First(Plan),
}

/// Why a deleted object may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// The access is gone.
    Gone,
    /// `deletionPolicy: Retain`, or an object that only observed.
    Retained,
    /// The operator never granted or adopted anything for it.
    NeverManaged,
}

/// Decides about a grant whose object is being deleted.
#[must_use]
pub fn removal(
    policy: DeletionPolicy,
    mode: Mode,
    record: &Record,
    observation: &Observation<'_>,
    now: DateTime<Utc>,
) -> Removal {
    if record.anchor.is_none() {
        return Removal::Done(Done::NeverManaged);
    }
    if policy == DeletionPolicy::Retain || mode == Mode::Observe {
        return Removal::Done(Done::Retained);
    }
    if mode == Mode::Suspended {
        return Removal::Held;
    }
    let first = |decision, wake| {
        Removal::First(Plan {
            decision,
            anchor: record.anchor,
            wake,
        })
    };
    let Observation::Rows { rows, .. } = *observation else {
        return first(Decision::Wait(Wait::Observation), None);
    };
    let own_request_may_land = record
        .last
        .as_ref()
        .filter(|sent| !sent.action.is_removal());
    let Some(row) = assigned(rows).filter(|row| !row.has_lapsed(now)) else {
        // A grant that was asked for and is not listed yet would outlive its object.
        return match own_request_may_land.map(|sent| (&sent.outcome, sent.at)) {
            Some((Outcome::Unknown, _)) => first(Decision::Inquire, Some(now + POLL)),
            Some((Outcome::InProgress { .. }, _)) => {
                first(Decision::Wait(Wait::Provisioning), Some(now + POLL))
            }
            Some((Outcome::Succeeded { .. }, at)) if !record.confirmed && now < at + LIST_LAG => {
                first(Decision::Wait(Wait::Replication), Some(now + POLL))
            }
            _ => Removal::Done(Done::Gone),
        };
    };
    Removal::First(ending(row, record, Why::Deleted, record.anchor, now))
}

impl Removal {
    /// The change to send, if there is one.
    #[must_use]
    pub const fn change(&self) -> Option<&Change> {
        match self {
            Self::First(Plan {
                decision: Decision::Send(change, _),
                ..
            }) => Some(change),
            _ => None,
        }
    }
}
