//! Opens a window: the first grant, an adoption, or an edit of `scheduleInfo`.

use chrono::{DateTime, Utc};

use super::super::{
    desired::{Desired, Lease, Mode},
    history::{self, History},
    observed::{Absence, Anchor, Record},
    window::Window,
};
use super::{
    Plan, Seen, Settled, Wait, Why,
    request::{ending, gone, grant, on_its_way},
};

/// No window is open for this declaration, or the one that was opened was never granted.
pub(super) fn open(
    desired: &Desired,
    record: &Record,
    earlier: Option<Anchor>,
    seen: Seen<'_>,
    now: DateTime<Utc>,
) -> Plan {
    let declared = desired.declared;
    let live = seen.row.filter(|row| !row.has_lapsed(now));
    let recalled = recalled(desired, record, seen.history);
    let window = match recalled {
        Some(earlier) => history::remainder(&declared, earlier, now),
        None => declared.anchor(now),
    };
    if let Some(row) = live {
        let as_declared = match earlier {
            None => {
                declared.describes(&row.window, now)
                    || (recalled.is_some() && row.carries(&window, now))
            }
            Some(_) => row.carries(&window, now),
        };
        if as_declared {
            let anchor = Anchor {
                declared,
                window: row.window,
            };
            return settled_on(anchor, desired.lease, earlier.is_none(), now);
        }
    }
    if record.anchor.is_none()
        && seen.history == History::Unread
        && history::concerns(desired)
        && desired.mode == Mode::Manage
    {
        return Plan::recall(now);
    }
    let anchor = Some(Anchor { declared, window });
    let why = match (earlier, desired.lease) {
        (None, _) if live.is_some() => Why::Differs,
        (None, _) => Why::NotGranted,
        _ if record.created_via.is_none() => Why::NotGranted,
        (Some(earlier), Some(_)) if earlier.declared == declared => Why::LeaseDue,
        (Some(_), _) => Why::WindowEdited,
    };
    if live.is_none()
        && earlier.is_some()
        && let Some(wait) = unlisted(record, seen.absence, now)
    {
        return wait;
    }
    if window.is_spent(now) {
        let unsettled = match live {
            Some(row) if record.owns(row, now) => {
                return ending(row, record, Why::EndedByEdit, earlier, now);
            }
            // Not ours, unless our own request is just making it so.
            Some(_) => on_its_way(record, now),
            None => gone(record, seen.absence, now),
        };
        if let Some(wait) = unsettled {
            return wait;
        }
        return match window.end.instant() {
            Some(end) if end > now => Plan::wait(Wait::End, anchor, end),
            _ => {
                let regranted = live.is_some();
                Plan::settled(Settled::Expired { regranted }, anchor, None)
            }
        };
    }
    match live {
        // A scheduled grant carries no access yet, and one in force must not go on until a window that lies ahead: end
        // either, and the next pass grants the new window.
        Some(row) if row.is_ahead(now) || window.is_ahead(now) => {
            ending(row, record, why, earlier, now)
        }
        _ => grant(seen.row, record, window, why, anchor, now),
    }
}

/// The window that was opened for the declaration before, as far as anything remembers it: the request history where the
/// object's own record is lost, or a record that history has fixed and that was not granted since.
fn recalled(desired: &Desired, record: &Record, history: History) -> Option<Window> {
    if !history::concerns(desired) {
        return None;
    }
    match (&record.anchor, history) {
        (None, History::Granted(window)) => Some(window),
        (Some(anchor), _) if anchor.declared == desired.declared && !record.granted => {
            history::cut_short(anchor)
        }
        _ => None,
    }
}

/// The earlier window's grant is not listed, which must be sure before the next window is opened and the earlier forgotten.
fn unlisted(record: &Record, absence: Option<Absence>, now: DateTime<Utc>) -> Option<Plan> {
    if record.granted {
        gone(record, absence, now)
    } else {
        on_its_way(record, now)
    }
}

/// The grant is there: until when nothing needs to be done.
pub(super) fn settled_on(
    anchor: Anchor,
    lease: Option<Lease>,
    adopted: bool,
    now: DateTime<Utc>,
) -> Plan {
    let window = anchor.window;
    if window.start > now {
        let settled = Settled::Scheduled { adopted };
        return Plan::settled(settled, Some(anchor), Some(window.start));
    }
    let end = window.end.instant();
    let wake = match lease {
        Some(lease) => end.map(|end| end - lease.renew_before),
        None => end,
    };
    Plan::settled(Settled::Provisioned { adopted }, Some(anchor), wake)
}
