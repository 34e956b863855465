//! The decision for a grant whose object is being deleted: revoke what the operator manages, and let the object go once
//! Entra no longer lists it.

use chrono::{DateTime, Utc};

use crate::api::terms::DeletionPolicy;

use super::{
    desired::Mode,
    observed::{Observation, Outcome, Record, Refusal, Sent, assigned},
    plan::{Change, Decision, POLL, Plan, Wait, Why, absence_proof, ending},
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
    let Some(anchor) = record.anchor else {
        return Removal::Done(Done::NeverManaged);
    };
    let last = record.last.as_ref();
    let grant = last.filter(|sent| !sent.action.is_removal());
    let unsettled = match grant.map(|sent| &sent.outcome) {
        Some(Outcome::Unknown) => Some(Decision::Inquire),
        Some(Outcome::InProgress { .. }) => Some(Decision::Wait(Wait::Provisioning)),
        _ => None,
    };
    if record.created_via.is_none() && unsettled.is_none() {
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
    let Observation::Rows { rows, absence, .. } = *observation else {
        return first(Decision::Wait(Wait::Observation), None);
    };
    // A grant that was asked for and is not listed yet would outlive its object.
    if let Some(decision) = unsettled {
        return first(decision, Some(now + POLL));
    }
    let row = assigned(rows);
    if let Some(row) = row
        && !row.has_lapsed(now)
        && record.owns(row, now)
    {
        return Removal::First(ending(row, record, Why::Deleted, record.anchor, now));
    }
    if let Some(Sent {
        outcome: Outcome::Succeeded { .. },
        at,
        ..
    }) = grant
        && !record.confirmed
        && now < *at + LIST_LAG
    {
        return first(Decision::Wait(Wait::Replication), Some(now + POLL));
    }
    let removed = last.is_some_and(|sent| {
        sent.action.is_removal()
            && matches!(
                sent.outcome,
                Outcome::Succeeded { .. } | Outcome::Refused(Refusal::DoesNotExist)
            )
    });
    // Entra's own word that it is gone, or a row that shows it; without either, one empty list proves nothing.
    if removed || row.is_some() || anchor.window.end.has_passed(now) {
        return Removal::Done(Done::Gone);
    }
    match absence_proof(absence, now) {
        Some(again) => first(Decision::Wait(Wait::AbsenceProof), Some(again)),
        None => Removal::Done(Done::Gone),
    }
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
