//! The decision for one grant: what to ask of Graph now, what to wait for, or nothing.
//!
//! [`plan`] is a total function of what is declared, what Entra lists, what the object remembers and the time. It returns at
//! most one request. Its order is its argument: first whether anything is known at all, then the
//! fate of our own last request, then the window, then the difference. Rows that are not assigned and direct are never a
//! reason to write; see [`Standing`](super::observed::Standing).

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    desired::{Desired, Lease, Mode},
    observed::{Absence, Anchor, Observation, Outcome, Record, Refusal, Row, assigned},
    retry::{LIST_LAG, retry},
    window::{End, MINIMUM, TOLERANCE, Window},
};

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
    /// The grant is there, from before this object, with another window.
    Differs,
    /// The declared window was edited.
    WindowEdited,
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
    /// The end of a window, too near to be worth a change.
    End,
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
    } = *observation
    else {
        return Plan {
            decision: Decision::Wait(Wait::Observation),
            anchor: record.anchor,
            wake: None,
        };
    };
    let row = assigned(rows);
    let planned = match record.anchor {
        Some(anchor) if anchor.declared == desired.declared => hold(
            &Held {
                desired,
                record,
                anchor,
                row,
                absence,
                instance,
            },
            now,
        ),
        earlier => open(desired, record, earlier, row, now),
    };
    withhold(desired.mode, planned, record.anchor)
}

/// No window is open for this declaration: the first grant, an adoption, or an edit of `scheduleInfo`.
fn open(
    desired: &Desired,
    record: &Record,
    earlier: Option<Anchor>,
    row: Option<&Row>,
    now: DateTime<Utc>,
) -> Plan {
    let declared = desired.declared;
    let anchored = |window: Window| Some(Anchor { declared, window });
    let window = declared.anchor(now);
    if let Some(row) = row {
        let as_declared = if earlier.is_none() {
            declared.describes(&row.window, now)
        } else {
            row.carries(&window, now)
        };
        if as_declared && !row.has_lapsed(now) {
            let anchor = anchored(row.window);
            return settled_on(row, desired.lease, anchor, earlier.is_none(), now);
        }
    }
    if window.is_spent(now) {
        return match row {
            Some(row) if earlier.is_some() && !row.has_lapsed(now) => {
                ending(row, record, Why::WindowEdited, earlier, now)
            }
            row => Plan {
                decision: Decision::Settled(Settled::Expired {
                    regranted: row.is_some_and(|row| !row.has_lapsed(now)),
                }),
                anchor: anchored(window),
                wake: None,
            },
        };
    }
    let why = match (earlier, desired.lease) {
        (None, _) if row.is_some_and(|row| !row.has_lapsed(now)) => Why::Differs,
        (None, _) => Why::NotGranted,
        (Some(earlier), Some(_)) if earlier.declared == declared => Why::LeaseDue,
        (Some(_), _) => Why::WindowEdited,
    };
    match row {
        // A scheduled grant carries no access yet: cancel it, and the next pass grants the new window.
        Some(row) if row.is_ahead(now) => ending(row, record, why, earlier, now),
        // A window that is moved into the future ends the present access first.
        Some(row) if window.is_ahead(now) && !row.has_lapsed(now) => {
            ending(row, record, why, earlier, now)
        }
        Some(row) if !row.has_lapsed(now) => {
            update(row, record, window, why, anchored(window), now)
        }
        _ => assign(record, window, why, anchored(window), now),
    }
}

/// A window is open: hold Entra to it.
struct Held<'a> {
    desired: &'a Desired,
    record: &'a Record,
    anchor: Anchor,
    row: Option<&'a Row>,
    absence: Option<Absence>,
    instance: Option<bool>,
}

fn hold(held: &Held<'_>, now: DateTime<Utc>) -> Plan {
    let Held {
        desired,
        record,
        anchor,
        row,
        ..
    } = *held;
    let window = anchor.window;
    if window.end.has_passed(now) {
        return ended(held, now);
    }
    let Some(row) = row else {
        return absent(held, now);
    };
    if !row.carries(&window, now) {
        if let Some(wait) = await_own_request(record, row, now) {
            return waiting(wait, anchor, now + POLL);
        }
        if !record.granted {
            return open(desired, record, Some(anchor), Some(row), now);
        }
        return altered(row, record, anchor, now);
    }
    if let Some(lease) = desired.lease
        && window.end <= End::At(now + lease.renew_before)
    {
        return renew(record, row, lease, anchor, now);
    }
    // An absolute start that lay ahead: the schedule turns into access some forty seconds after it.
    let was_ahead = desired.declared.start == Some(window.start);
    if was_ahead && !record.in_force && !window.is_ahead(now) && now < window.start + LIST_LAG {
        match held.instance {
            None => {
                let wake = Some(now + POLL);
                return Plan {
                    decision: Decision::ReadInstances,
                    anchor: Some(anchor),
                    wake,
                };
            }
            Some(false) => return waiting(Wait::Provisioning, anchor, now + POLL),
            Some(true) => {}
        }
    }
    settled_on(row, desired.lease, Some(anchor), false, now)
}

/// The window has ended: the grant lapses, a lease opens the next window, and nothing may outlive it.
fn ended(held: &Held<'_>, now: DateTime<Utc>) -> Plan {
    let Held {
        desired,
        record,
        anchor,
        row,
        ..
    } = *held;
    if desired.lease.is_some() {
        let window = desired.declared.anchor(now);
        let next = Some(Anchor {
            declared: desired.declared,
            window,
        });
        return match row {
            Some(row) if !row.has_lapsed(now) => {
                update(row, record, window, Why::LeaseDue, next, now)
            }
            _ => assign(record, window, Why::LeaseDue, next, now),
        };
    }
    let end = anchor.window.end;
    let regranted = match row {
        // Started within our window and was made to outlive it: that is our grant, altered.
        Some(row) if End::At(row.window.start) < end && row.window.end > end.plus(TOLERANCE) => {
            return ending(row, record, Why::Outlived, Some(anchor), now);
        }
        Some(row) => !row.has_lapsed(now),
        None => false,
    };
    Plan {
        decision: Decision::Settled(Settled::Expired { regranted }),
        anchor: Some(anchor),
        wake: None,
    }
}

/// The window is open and Entra lists no row of ours.
fn absent(held: &Held<'_>, now: DateTime<Utc>) -> Plan {
    let Held {
        desired,
        record,
        anchor,
        absence,
        ..
    } = *held;
    let window = Window {
        start: anchor.window.start.max(now),
        end: anchor.window.end,
    };
    if window.is_spent(now) {
        return waiting_for_end(anchor);
    }
    if let Some(sent) = &record.last {
        match &sent.outcome {
            Outcome::Unknown => {
                return Plan {
                    decision: Decision::Inquire,
                    anchor: Some(anchor),
                    wake: Some(now + POLL),
                };
            }
            Outcome::InProgress { .. } => return waiting(Wait::Provisioning, anchor, now + POLL),
            Outcome::Succeeded { .. }
                if !sent.action.is_removal() && !record.confirmed && now < sent.at + LIST_LAG =>
            {
                return waiting(Wait::Replication, anchor, now + POLL);
            }
            Outcome::Refused(Refusal::Exists) if now < sent.at + LIST_LAG => {
                return waiting(Wait::Replication, anchor, now + POLL);
            }
            _ => {}
        }
    }
    if !record.granted {
        return open(desired, record, None, None, now);
    }
    if !record.confirmed {
        return assign(record, window, Why::Removed, Some(anchor), now);
    }
    match absence {
        Some(absence) if absence.until - absence.since >= ABSENCE_PROOF => {
            assign(record, window, Why::Removed, Some(anchor), now)
        }
        Some(absence) => waiting(Wait::AbsenceProof, anchor, absence.since + ABSENCE_PROOF),
        None => waiting(Wait::AbsenceProof, anchor, now + ABSENCE_PROOF),
    }
}

/// Somebody changed the grant's window: put ours back, never longer than it was.
fn altered(row: &Row, record: &Record, anchor: Anchor, now: DateTime<Utc>) -> Plan {
    let window = Window {
        start: anchor.window.start.max(now),
        end: anchor.window.end,
    };
    if row.is_ahead(now) || window.is_ahead(now) {
        return ending(row, record, Why::Altered, Some(anchor), now);
    }
    if window.is_spent(now) {
        return waiting_for_end(anchor);
    }
    update(row, record, window, Why::Altered, Some(anchor), now)
}

fn renew(record: &Record, row: &Row, lease: Lease, anchor: Anchor, now: DateTime<Utc>) -> Plan {
    let window = Window {
        start: now,
        end: End::At(now + lease.length),
    };
    let next = Anchor {
        window: Window {
            start: anchor.window.start,
            end: window.end,
        },
        ..anchor
    };
    if let Some(plan) = gate(record, now) {
        return plan;
    }
    if let Some(until) = minimum_duration(row, now) {
        return waiting(Wait::MinimumDuration, anchor, until);
    }
    Plan {
        decision: Decision::Send(Change::Extend(window), Why::LeaseDue),
        anchor: Some(next),
        wake: None,
    }
}

fn assign(
    record: &Record,
    window: Window,
    why: Why,
    anchor: Option<Anchor>,
    now: DateTime<Utc>,
) -> Plan {
    if let Some(plan) = gate(record, now) {
        return plan;
    }
    Plan {
        decision: Decision::Send(Change::Assign(window), why),
        anchor,
        wake: None,
    }
}

fn update(
    row: &Row,
    record: &Record,
    window: Window,
    why: Why,
    anchor: Option<Anchor>,
    now: DateTime<Utc>,
) -> Plan {
    if let Some(plan) = gate(record, now) {
        return plan;
    }
    if let Some(until) = minimum_duration(row, now) {
        return Plan {
            decision: Decision::Wait(Wait::MinimumDuration),
            anchor: record.anchor,
            wake: Some(until),
        };
    }
    Plan {
        decision: Decision::Send(Change::Update(window), why),
        anchor,
        wake: None,
    }
}

/// Ends a row: a scheduled one by cancelling its request, one in force by removing it.
pub(super) fn ending(
    row: &Row,
    record: &Record,
    why: Why,
    anchor: Option<Anchor>,
    now: DateTime<Utc>,
) -> Plan {
    let not_cancellable = record
        .last
        .as_ref()
        .is_some_and(|sent| sent.outcome == Outcome::Refused(Refusal::NotCancellable));
    if let Some(plan) = gate(record, now) {
        return plan;
    }
    if let Some(sent) = &record.last
        && sent.action.is_removal()
        && matches!(sent.outcome, Outcome::Succeeded { .. })
        && now < sent.at + LIST_LAG
    {
        let wake = Some(now + POLL);
        return Plan {
            decision: Decision::Wait(Wait::Replication),
            anchor: record.anchor,
            wake,
        };
    }
    let change = match &row.created_using {
        Some(request_id) if row.is_ahead(now) && !not_cancellable => Change::Cancel {
            request_id: request_id.clone(),
        },
        _ => {
            if let Some(until) = minimum_duration(row, now) {
                return Plan {
                    decision: Decision::Wait(Wait::MinimumDuration),
                    anchor,
                    wake: Some(until),
                };
            }
            Change::Remove
        }
    };
    Plan {
        decision: Decision::Send(change, why),
        anchor,
        wake: None,
    }
}

/// Holds a request back while the last one is unsettled, or failed too recently. The window that is remembered stays.
fn gate(record: &Record, now: DateTime<Utc>) -> Option<Plan> {
    let anchor = record.anchor;
    let sent = record.last.as_ref()?;
    match &sent.outcome {
        Outcome::Unknown => {
            return Some(Plan {
                decision: Decision::Inquire,
                anchor,
                wake: Some(now + POLL),
            });
        }
        Outcome::InProgress { .. } => {
            return Some(Plan {
                decision: Decision::Wait(Wait::Provisioning),
                anchor,
                wake: Some(now + POLL),
            });
        }
        _ => {}
    }
    let retry = retry(sent)?;
    (now < retry.at).then(|| Plan {
        decision: Decision::Wait(match sent.outcome {
            Outcome::Refused(Refusal::MinimumDuration) => Wait::MinimumDuration,
            _ => Wait::Retry {
                stalled: retry.stalled,
            },
        }),
        anchor,
        wake: Some(retry.at),
    })
}

/// Until when Entra refuses to change the row. A membership made outside PIM has no start of its own.
fn minimum_duration(row: &Row, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let until = row.window.start + MINIMUM;
    (row.active && row.created_using.is_some() && row.window.start <= now && now < until)
        .then_some(until)
}

/// Our own last request is what the difference comes from: its result is on its way to the lists.
fn await_own_request(record: &Record, row: &Row, now: DateTime<Utc>) -> Option<Wait> {
    let sent = record.last.as_ref()?;
    match &sent.outcome {
        Outcome::InProgress { .. } => Some(Wait::Provisioning),
        Outcome::Succeeded { id }
            if now < sent.at + LIST_LAG
                && !record.confirmed
                && row.created_using.as_ref() != Some(id) =>
        {
            Some(Wait::Replication)
        }
        _ => None,
    }
}

fn settled_on(
    row: &Row,
    lease: Option<Lease>,
    anchor: Option<Anchor>,
    adopted: bool,
    now: DateTime<Utc>,
) -> Plan {
    let window = anchor.map_or(row.window, |anchor| anchor.window);
    let renewal = lease.and_then(|lease| window.end.instant().map(|end| end - lease.renew_before));
    if window.is_ahead(now) {
        let decision = Decision::Settled(Settled::Scheduled { adopted });
        return Plan {
            decision,
            anchor,
            wake: Some(window.start),
        };
    }
    Plan {
        decision: Decision::Settled(Settled::Provisioned { adopted }),
        anchor,
        wake: renewal.or(window.end.instant()),
    }
}

fn waiting(wait: Wait, anchor: Anchor, wake: DateTime<Utc>) -> Plan {
    Plan {
        decision: Decision::Wait(wait),
        anchor: Some(anchor),
        wake: Some(wake),
    }
}

fn waiting_for_end(anchor: Anchor) -> Plan {
    Plan {
        decision: Decision::Wait(Wait::End),
        anchor: Some(anchor),
        wake: anchor.window.end.instant(),
    }
}

/// In a mode that forbids writing, a request becomes a report, and no new window is opened.
fn withhold(mode: Mode, planned: Plan, anchor: Option<Anchor>) -> Plan {
    match (mode, planned.decision) {
        (Mode::Manage, decision) => Plan {
            decision,
            ..planned
        },
        (_, Decision::Send(_, why)) => Plan {
            decision: Decision::Withheld(why),
            anchor,
            wake: planned.wake,
        },
        (_, decision) => Plan {
            decision,
            anchor,
            ..planned
        },
    }
}
