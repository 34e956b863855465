//! The decision for one grant: what to ask of Graph now, what to wait for, or nothing.
//!
//! [`plan`] is a total function of what is declared, what Entra lists, what the object remembers and the time. It returns at
//! most one request. Its order is its argument: first whether anything is known at all, then whether a window is
//! open (`hold`) for this declaration or has to be opened (`open`), then the difference; and no
//! request (`request`) leaves before the fate of the last one is known. Rows that are not assigned and direct are never
//! a reason to write; see [`Standing`](super::observed::Standing).

mod hold;
mod open;
mod request;
#[cfg(test)]
mod tests;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    desired::{Desired, Mode},
    history::History,
    observed::{Absence, Anchor, Observation, Record, Row, assigned},
    window::Window,
};
use hold::{Held, hold};
use open::open;
pub(super) use request::{ending, gone, on_its_way};

/// How far apart two complete reads must lie before both together prove that a grant is gone: Entra's lists
/// have been seen to read empty for a moment after a change.
pub const ABSENCE_PROOF: TimeDelta = TimeDelta::seconds(15);

/// How often something that Entra is working on is looked at.
pub const POLL: TimeDelta = TimeDelta::seconds(10);

/// A decision, the window it rests on, and when to decide again without being asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What to do.
    pub decision: Decision,
    /// The window to remember.
    pub anchor: Option<Anchor>,
    /// The next instant at which time alone changes the decision.
    pub wake: Option<DateTime<Utc>>,
}

/// What to do about a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing: Entra is as it should be.
    Settled(Settled),
    /// Send one request.
    Send(Change, Why),
    /// Entra differs, and the mode forbids writing.
    Withheld(Why),
    /// Ask Entra's request list what became of our last request, then plan again.
    Inquire,
    /// Read the target's instances, then plan again.
    ReadInstances,
    /// Ask the target's request history about this object's name, then plan again.
    Recall,
    /// Wait; `Plan::wake` says until when.
    Wait(Wait),
}

/// How Entra agrees with the declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The grant is there.
    Provisioned {
        /// It was there already, and is taken over as it is.
        adopted: bool,
    },
    /// The grant is there, and its start lies ahead.
    Scheduled {
        /// It was there already, and is taken over as it is.
        adopted: bool,
    },
    /// The window has ended.
    Expired {
        /// Someone granted the same access anew after our window had ended: not ours, so it stays.
        regranted: bool,
    },
}

/// One change, in Graph's actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// `adminAssign`: a new grant.
    Assign(Window),
    /// `adminUpdate`: another window.
    Update(Window),
    /// `adminExtend`: a later end.
    Extend(Window),
    /// `adminRemove`: the end of the grant.
    Remove,
    /// Cancel a request whose start lies ahead.
    Cancel {
        /// The request's id.
        request_id: String,
    },
}

/// Why a change is made, or would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It was never granted.
    NotGranted,
    /// It is there, from before this object, with another window.
    Differs,
    /// The declared window was edited.
    WindowEdited,
    /// The declared window was edited to one that is over.
    EndedByEdit,
    /// A lease nears its end, or has ended.
    LeaseDue,
    /// Somebody removed the grant.
    Removed,
    /// Somebody changed the grant's window.
    Altered,
    /// The grant has been made to outlive its window.
    Outlived,
    /// The object is deleted.
    Deleted,
    /// No boundary allows the grant any more.
    AuthorityLost,
}

impl Why {
    /// The reason as justifications and audit lines carry it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotGranted => "not-granted",
            Self::Differs => "differs",
            Self::WindowEdited => "window-edited",
            Self::EndedByEdit => "ended-by-edit",
            Self::LeaseDue => "lease-due",
            Self::Removed => "removed",
            Self::Altered => "altered",
            Self::Outlived => "outlived",
            Self::Deleted => "deleted",
            Self::AuthorityLost => "authority-lost",
        }
    }
}

/// What a plan waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// A complete read of Entra.
    Observation,
    /// Entra to finish a request.
    Provisioning,
    /// Entra's lists to show what a request did.
    Replication,
    /// Entra's five minutes.
    MinimumDuration,
    /// A second read, to be sure that a grant is gone.
    AbsenceProof,
    /// The time at which a failed or refused request may be repeated.
    Retry {
        /// Whether only a person's change can help.
        stalled: bool,
    },
    /// A person: Entra took a request and does not carry it out.
    Stuck,
    /// The end of a window, too near to be worth a change.
    End,
}

/// A complete read, reduced to what is ours.
#[derive(Clone, Copy)]
struct Seen<'a> {
    row: Option<&'a Row>,
    absence: Option<Absence>,
    instance: Option<bool>,
    history: History,
}

/// Decides about a grant whose object exists.
#[must_use]
pub fn plan(
    desired: &Desired,
    record: &Record,
    observation: &Observation<'_>,
    now: DateTime<Utc>,
) -> Plan {
    let Observation::Rows {
        rows,
        absence,
        instance,
        history,
    } = *observation
    else {
        return Plan {
            decision: Decision::Wait(Wait::Observation),
            anchor: record.anchor,
            wake: None,
        };
    };
    let seen = Seen {
        row: assigned(rows),
        absence,
        instance,
        history,
    };
    let planned = match record.anchor {
        Some(anchor) if anchor.declared == desired.declared => {
            let held = Held {
                desired,
                record,
                anchor,
                seen,
            };
            hold(&held, now)
        }
        earlier => open(desired, record, earlier, seen, now),
    };
    withhold(desired.mode, planned, record.anchor, now)
}

impl Plan {
    fn settled(settled: Settled, anchor: Option<Anchor>, wake: Option<DateTime<Utc>>) -> Self {
        Self {
            decision: Decision::Settled(settled),
            anchor,
            wake,
        }
    }

    fn send(change: Change, why: Why, anchor: Option<Anchor>) -> Self {
        Self {
            decision: Decision::Send(change, why),
            anchor,
            wake: None,
        }
    }

    fn wait(wait: Wait, anchor: Option<Anchor>, wake: DateTime<Utc>) -> Self {
        Self {
            decision: Decision::Wait(wait),
            anchor,
            wake: Some(wake),
        }
    }

    fn recall(now: DateTime<Utc>) -> Self {
        Self {
            decision: Decision::Recall,
            anchor: None,
            wake: Some(now + POLL),
        }
    }

    fn inquire(anchor: Option<Anchor>, now: DateTime<Utc>) -> Self {
        Self {
            decision: Decision::Inquire,
            anchor,
            wake: Some(now + POLL),
        }
    }
}

/// When to read again until two complete reads prove an absence; none once they do.
fn absence_proof(absence: Option<Absence>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let Some(absence) = absence else {
        return Some(now + ABSENCE_PROOF);
    };
    if absence.until - absence.since >= ABSENCE_PROOF {
        return None;
    }
    let due = absence.since + ABSENCE_PROOF;
    Some(if due > now { due } else { now + POLL })
}

/// In a mode that forbids writing, a request becomes a report, and no new window is opened.
fn withhold(mode: Mode, planned: Plan, anchor: Option<Anchor>, now: DateTime<Utc>) -> Plan {
    match (mode, planned.decision) {
        (Mode::Manage, decision) => Plan {
            decision,
            ..planned
        },
        (_, Decision::Send(_, why)) => Plan {
            decision: Decision::Withheld(why),
            anchor,
            // The end of the window that is not opened is what time alone changes next.
            wake: planned
                .anchor
                .and_then(|anchor| anchor.window.end.instant())
                .filter(|end| *end > now),
        },
        (_, decision) => Plan {
            decision,
            anchor,
            ..planned
        },
    }
}
