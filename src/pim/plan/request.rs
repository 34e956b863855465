//! The requests themselves, each behind the same gate: none leaves while the last one is unsettled or failed too recently.

use chrono::{DateTime, Utc};

use super::super::{
    observed::{Absence, Action, Anchor, Outcome, Record, Refusal, Row},
    retry::{LIST_LAG, retry},
    window::{MINIMUM, Window},
};
use super::{Change, POLL, Plan, Wait, Why, absence_proof};

/// Asks for a window: by an update where a row is listed, by a new grant where none is. Where Graph has just said that the
/// list is behind, Graph is believed.
pub(super) fn grant(
    row: Option<&Row>,
    record: &Record,
    window: Window,
    why: Why,
    anchor: Option<Anchor>,
    now: DateTime<Utc>,
) -> Plan {
    if let Some(plan) = gate(record, now) {
        return plan;
    }
    let refused = |action, refusal| {
        let last = record.last.as_ref();
        last.is_some_and(|sent| sent.action == action && sent.outcome == Outcome::Refused(refusal))
    };
    let listed = row.filter(|row| {
        if row.has_lapsed(now) {
            refused(Action::AdminAssign, Refusal::Exists)
        } else {
            !refused(Action::AdminUpdate, Refusal::DoesNotExist)
        }
    });
    let Some(row) = listed else {
        return Plan::send(Change::Assign(window), why, anchor);
    };
    if let Some(until) = minimum_duration(row, now) {
        return Plan::wait(Wait::MinimumDuration, record.anchor, until);
    }
    Plan::send(Change::Update(window), why, anchor)
}

/// Ends a row: a scheduled one by cancelling its request, one in force by removing it.
pub(in super::super) fn ending(
    row: &Row,
    record: &Record,
    why: Why,
    anchor: Option<Anchor>,
    now: DateTime<Utc>,
) -> Plan {
    if let Some(plan) = gate(record, now) {
        return plan;
    }
    let last = record.last.as_ref();
    let removed = last.is_some_and(|sent| {
        sent.action.is_removal()
            && matches!(sent.outcome, Outcome::Succeeded { .. })
            && now < sent.at + LIST_LAG
    });
    if removed {
        return Plan::wait(Wait::Replication, record.anchor, now + POLL);
    }
    let cancellable =
        last.is_none_or(|sent| sent.outcome != Outcome::Refused(Refusal::NotCancellable));
    if let Some(request_id) = &row.created_using
        && row.is_ahead(now)
        && cancellable
    {
        let request_id = request_id.clone();
        return Plan::send(Change::Cancel { request_id }, why, anchor);
    }
    if let Some(until) = minimum_duration(row, now) {
        return Plan::wait(Wait::MinimumDuration, record.anchor, until);
    }
    Plan::send(Change::Remove, why, anchor)
}

/// A grant that was asked for and is not listed yet: what to wait for before its absence means anything.
pub(in super::super) fn on_its_way(record: &Record, now: DateTime<Utc>) -> Option<Plan> {
    let anchor = record.anchor;
    let sent = record
        .last
        .as_ref()
        .filter(|sent| !sent.action.is_removal())?;
    match sent.outcome {
        Outcome::Unknown => Some(Plan::inquire(anchor, now)),
        Outcome::InProgress { .. } => Some(Plan::wait(Wait::Provisioning, anchor, now + POLL)),
        Outcome::Succeeded { .. } if !record.confirmed && now < sent.at + LIST_LAG => {
            Some(Plan::wait(Wait::Replication, anchor, now + POLL))
        }
        _ => None,
    }
}

/// What to wait for before a grant that this object manages, and that no list shows, may be called gone. Entra's own word
/// suffices, or the end of its window; otherwise one empty list proves nothing.
pub(in super::super) fn gone(
    record: &Record,
    absence: Option<Absence>,
    now: DateTime<Utc>,
) -> Option<Plan> {
    if let Some(plan) = on_its_way(record, now) {
        return Some(plan);
    }
    let removed = record.last.as_ref().is_some_and(|sent| {
        sent.action.is_removal()
            && matches!(
                sent.outcome,
                Outcome::Succeeded { .. } | Outcome::Refused(Refusal::DoesNotExist)
            )
    });
    let ended = record
        .anchor
        .is_none_or(|anchor| anchor.window.end.has_passed(now));
    if removed || ended || record.created_via.is_none() {
        return None;
    }
    // Nothing of ours was listed since the last request, whatever became of it: an earlier grant may not be either.
    if !record.confirmed && record.reads_count_from().is_some_and(|from| now < from) {
        return Some(Plan::wait(Wait::Replication, record.anchor, now + POLL));
    }
    absence_proof(absence, now).map(|again| Plan::wait(Wait::AbsenceProof, record.anchor, again))
}

/// Holds a request back while the last one is unsettled, or failed too recently. The window that is remembered stays.
pub(super) fn gate(record: &Record, now: DateTime<Utc>) -> Option<Plan> {
    let anchor = record.anchor;
    let sent = record.last.as_ref()?;
    match sent.outcome {
        Outcome::Unknown => return Some(Plan::inquire(anchor, now)),
        Outcome::InProgress { .. } => {
            return Some(Plan::wait(Wait::Provisioning, anchor, now + POLL));
        }
        _ => {}
    }
    let retry = retry(sent)?;
    let wait = match sent.outcome {
        Outcome::Refused(Refusal::MinimumDuration) => Wait::MinimumDuration,
        _ => Wait::Retry {
            stalled: retry.stalled,
        },
    };
    (now < retry.at).then(|| Plan::wait(wait, anchor, retry.at))
}

/// Until when Entra refuses to change the row. A membership made outside PIM has no start of its own.
pub(super) fn minimum_duration(row: &Row, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let until = row.window.start + MINIMUM;
    (row.active && row.created_using.is_some() && !row.is_ahead(now) && now < until)
        .then_some(until)
}
