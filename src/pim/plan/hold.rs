//! Holds Entra to a window that is open.

use chrono::{DateTime, Utc};

use super::super::{
    desired::Desired,
    observed::{Anchor, Outcome, Record, Refusal, Row},
    retry::{LIST_LAG, STALLED_RECHECK},
    window::{TOLERANCE, Window},
};
use super::{
    Change, Decision, POLL, Plan, Seen, Settled, Wait, Why, absence_proof,
    open::{open, settled_on},
    request::{ending, gate, grant, minimum_duration, on_its_way},
};

/// A window that is open, and all that bears on it.
pub(super) struct Held<'a> {
    pub(super) desired: &'a Desired,
    pub(super) record: &'a Record,
    pub(super) anchor: Anchor,
    pub(super) seen: Seen<'a>,
}

pub(super) fn hold(held: &Held<'_>, now: DateTime<Utc>) -> Plan {
    let Held {
        desired,
        record,
        anchor,
        seen,
    } = *held;
    let window = anchor.window;
    if window.end.has_passed(now) {
        return ended(held, now);
    }
    let Some(row) = seen.row else {
        return absent(held, now);
    };
    if !row.carries(&window, now) || just_removed(record, now) {
        return differing(held, row, now);
    }
    if held.lease_is_due(now) {
        return renew(held, row, now);
    }
    // We asked before the start, and it has come: the schedule turns into access some forty seconds after it.
    let asked_ahead = desired.declared.start == Some(window.start)
        && record
            .last
            .as_ref()
            .is_some_and(|sent| sent.at < window.start);
    let just_started = window.start <= now && now < window.start + LIST_LAG;
    if asked_ahead && just_started && !record.in_force {
        match seen.instance {
            None => {
                return Plan {
                    decision: Decision::ReadInstances,
                    anchor: Some(anchor),
                    wake: Some(now + POLL),
                };
            }
            Some(false) => return Plan::wait(Wait::Provisioning, Some(anchor), now + POLL),
            Some(true) => {}
        }
    }
    settled_on(anchor, desired.lease, false, now)
}

/// Whether our own last request ended the row, so that one that is still listed is a memory.
fn just_removed(record: &Record, now: DateTime<Utc>) -> bool {
    !record.confirmed
        && record.last.as_ref().is_some_and(|sent| {
            sent.action.is_removal()
                && matches!(sent.outcome, Outcome::Succeeded { .. })
                && now < sent.at + LIST_LAG
        })
}

impl Held<'_> {
    fn lease_is_due(&self, now: DateTime<Utc>) -> bool {
        let end = self.anchor.window.end;
        self.desired
            .lease
            .is_some_and(|lease| end.has_passed(now + lease.renew_before))
    }

    /// The next window, from now: only a lease opens one without an edit.
    fn next(&self, now: DateTime<Utc>) -> Anchor {
        Anchor {
            window: self.desired.declared.anchor(now),
            ..self.anchor
        }
    }

    /// What to put back, and the window to remember with it: what is left of the open one, never longer; for a lease that
    /// is due or nearly over, the next one. None when too little is left to be granted.
    fn restoration(&self, now: DateTime<Utc>) -> Option<(Window, Anchor)> {
        let window = Window {
            start: self.anchor.window.start.max(now),
            end: self.anchor.window.end,
        };
        if self.desired.lease.is_some() && (self.lease_is_due(now) || window.is_spent(now)) {
            let next = self.next(now);
            return Some((next.window, next));
        }
        (!window.is_spent(now)).then_some((window, self.anchor))
    }

    fn wait_for_end(&self) -> Plan {
        Plan {
            decision: Decision::Wait(Wait::End),
            anchor: Some(self.anchor),
            wake: self.anchor.window.end.instant(),
        }
    }
}

/// The window has ended: the grant lapses, a lease opens the next window, and nothing may outlive it.
fn ended(held: &Held<'_>, now: DateTime<Utc>) -> Plan {
    let (record, row) = (held.record, held.seen.row);
    if held.desired.lease.is_some() {
        let next = held.next(now);
        return grant(row, record, next.window, Why::LeaseDue, Some(next), now);
    }
    let anchor = Some(held.anchor);
    let live = row.filter(|row| !row.has_lapsed(now));
    // What a window that was never granted finds is not ours, even where it began before its end.
    let owned = live.filter(|row| record.granted && record.owns(row, now));
    let last = held.anchor.window.end.plus(TOLERANCE);
    match owned {
        Some(row) if row.window.end > last => ending(row, record, Why::Outlived, anchor, now),
        _ => {
            let regranted = live.is_some() && owned.is_none();
            Plan::settled(Settled::Expired { regranted }, anchor, None)
        }
    }
}

/// The window is open and Entra lists no row of ours.
fn absent(held: &Held<'_>, now: DateTime<Utc>) -> Plan {
    let (record, anchor) = (held.record, Some(held.anchor));
    let Some((window, next)) = held.restoration(now) else {
        return held.wait_for_end();
    };
    if let Some(wait) = on_its_way(record, now) {
        return wait;
    }
    // Graph says that it is there: the list is behind.
    if let Some(sent) = &record.last
        && sent.outcome == Outcome::Refused(Refusal::Exists)
        && now < sent.at + LIST_LAG
    {
        return Plan::wait(Wait::Replication, anchor, now + POLL);
    }
    if !record.granted {
        return open(held.desired, record, None, held.seen, now);
    }
    // To ask once more would have the same result. An edit or a person's word asks again.
    if record.stuck(now).is_some() && record.last.as_ref().is_some_and(|sent| sent.current) {
        return Plan::wait(Wait::Stuck, anchor, now + STALLED_RECHECK);
    }
    if record.confirmed
        && let Some(again) = absence_proof(held.seen.absence, now)
    {
        return Plan::wait(Wait::AbsenceProof, anchor, again);
    }
    grant(None, record, window, Why::Removed, Some(next), now)
}

/// The row says otherwise: our own request is on its way, was never carried out, or somebody changed the grant.
fn differing(held: &Held<'_>, row: &Row, now: DateTime<Utc>) -> Plan {
    let (record, anchor) = (held.record, Some(held.anchor));
    if let Some(sent) = &record.last {
        match sent.outcome {
            Outcome::InProgress { .. } => {
                return Plan::wait(Wait::Provisioning, anchor, now + POLL);
            }
            // Also where the list already shows our request with another window than we asked for: asking again at once
            // would have the same result.
            Outcome::Succeeded { .. } if !record.confirmed && now < sent.at + LIST_LAG => {
                return Plan::wait(Wait::Replication, anchor, now + POLL);
            }
            _ => {}
        }
    }
    if !record.granted {
        return open(held.desired, record, anchor, held.seen, now);
    }
    if row.is_ahead(now) || held.anchor.window.is_ahead(now) {
        return ending(row, record, Why::Altered, anchor, now);
    }
    match held.restoration(now) {
        Some((window, next)) => grant(Some(row), record, window, Why::Altered, Some(next), now),
        None => held.wait_for_end(),
    }
}

fn renew(held: &Held<'_>, row: &Row, now: DateTime<Utc>) -> Plan {
    let next = held.next(now);
    if let Some(plan) = gate(held.record, now) {
        return plan;
    }
    if let Some(until) = minimum_duration(row, now) {
        return Plan::wait(Wait::MinimumDuration, Some(held.anchor), until);
    }
    Plan::send(Change::Extend(next.window), Why::LeaseDue, Some(next))
}
