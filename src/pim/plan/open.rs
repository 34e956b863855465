//! Opens a window: the first grant, an adoption, or an edit of `scheduleInfo`.

use chrono::{DateTime, Utc};

use super::super::{
    desired::{Desired, Lease},
    observed::{Anchor, Record, Row},
};
use super::{
    Plan, Settled, Wait, Why,
    request::{ending, grant},
};

/// No window is open for this declaration, or the one that was opened was never granted.
pub(super) fn open(
    desired: &Desired,
    record: &Record,
    earlier: Option<Anchor>,
    row: Option<&Row>,
    now: DateTime<Utc>,
) -> Plan {
    let declared = desired.declared;
    let live = row.filter(|row| !row.has_lapsed(now));
    let window = declared.anchor(now);
    if let Some(row) = live {
        let as_declared = match earlier {
            None => declared.describes(&row.window, now),
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
    let anchor = Some(Anchor { declared, window });
    let why = match (earlier, desired.lease) {
        (None, _) => Why::NotGranted,
        (Some(earlier), Some(_)) if earlier.declared == declared => Why::LeaseDue,
        (Some(_), _) => Why::WindowEdited,
    };
    if window.is_spent(now) {
        return match (live, window.end.instant()) {
            (Some(row), _) if record.owns(row, now) => ending(row, record, why, earlier, now),
            (_, Some(end)) if end > now => Plan::wait(Wait::End, anchor, end),
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
        _ => grant(row, record, window, why, anchor, now),
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
    if window.is_ahead(now) {
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
