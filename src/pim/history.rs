//! What earlier requests for an object's name say of its window: a rebuilt cluster must not open again what has lapsed.
//!
//! A relative window is fixed in the object's status when it is first granted. Where that record is lost, with the cluster or by
//! a person's hand, Entra's request history is the only memory of it, for about 45 days. [`recall`] reads it:
//!
//! - The last request of ours that granted something decides. It must have granted this declaration: the same length, and the
//!   same start where that lies ahead. Then its window is the object's, and the end it had is the end it keeps.
//! - Where our last request ended the access because the object was deleted, or was withdrawn before its start, the name begins
//!   anew: somebody deleted the object and made another on purpose. A removal for another reason is a step in the same life.
//! - A request that failed says nothing.
//!
//! A lease has no history: it is extended for as long as its manifest exists, which is what its manifest asks for. Neither have
//! absolute and permanent windows: they cannot start over.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    desired::Desired,
    observed::{Action, Anchor},
    plan::Why,
    window::{Declared, DeclaredEnd, End, TOLERANCE, Window},
};

/// What earlier requests say of an object's window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum History {
    /// They were not asked.
    #[default]
    Unread,
    /// Nothing.
    Silent,
    /// It was granted already, as this.
    Granted(Window),
}

/// A request of ours for an object's name, as Entra's history keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// When Entra took it.
    pub at: DateTime<Utc>,
    /// What it did.
    pub action: Action,
    /// Why, where its suffix says so.
    pub why: Option<String>,
    /// What became of it.
    pub fate: Fate,
    /// The window it asked for; none for a removal.
    pub window: Option<Window>,
    /// The declared length of the window, where its suffix says so: a restored grant is shorter.
    pub lasting: Option<TimeDelta>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was carried out, or Entra is still working on it.
    Done,
    /// It granted something that was cancelled before its start.
    Withdrawn,
    /// It changed nothing.
    Failed,
}

impl Past {
    /// Whether it begins or ends a life of the object's name.
    fn counts(&self) -> bool {
        let step = self.action.is_removal()
            && self
                .why
                .as_deref()
                .is_some_and(|why| why != Why::Deleted.as_str());
        self.fate != Fate::Failed && !step
    }
}

/// Whether a window that is about to be opened may have been opened before: only a relative one that lapses can start over.
#[must_use]
pub const fn concerns(desired: &Desired) -> bool {
    matches!(desired.declared.end, DeclaredEnd::After(_)) && desired.lease.is_none()
}

/// What our earlier requests for an object's name and row say of the window it declares.
#[must_use]
pub fn recall(desired: &Desired, requests: &[Past], now: DateTime<Utc>) -> History {
    let declared = &desired.declared;
    let DeclaredEnd::After(length) = declared.end else {
        return History::Silent;
    };
    let last = requests
        .iter()
        .filter(|request| request.counts())
        .max_by_key(|request| request.at)
        .filter(|request| request.fate == Fate::Done && !request.action.is_removal());
    let Some((request, window)) = last.and_then(|request| Some((request, request.window?))) else {
        return History::Silent;
    };
    let End::At(end) = window.end else {
        return History::Silent;
    };
    let lasting = request.lasting.unwrap_or(end - window.start);
    let same_length = (lasting - length).abs() <= TOLERANCE;
    let same_start = match declared.start {
        Some(start) if start > now + TOLERANCE => (window.start - start).abs() <= TOLERANCE,
        _ => !window.is_ahead(now),
    };
    if concerns(desired) && same_length && same_start {
        History::Granted(window)
    } else {
        History::Silent
    }
}

/// What is left of an earlier window for a declaration: never more than the declaration would grant now.
pub(super) fn remainder(declared: &Declared, earlier: Window, now: DateTime<Utc>) -> Window {
    let whole = declared.anchor(now);
    let end = whole.end.min(earlier.end);
    // One that is over is remembered as it was.
    let start = if end.has_passed(now) {
        earlier.start
    } else {
        whole.start
    };
    Window { start, end }
}

/// The window of an anchor that is shorter than its declaration. Only history fixes one so; while it has not been granted, it
/// must not grow back to its full length.
pub(super) fn cut_short(anchor: &Anchor) -> Option<Window> {
    let DeclaredEnd::After(length) = anchor.declared.end else {
        return None;
    };
    let window = anchor.window;
    (window.end < End::At(window.start + length)).then_some(window)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{api::terms::DeletionPolicy, pim::desired::Mode};

    fn now() -> DateTime<Utc> {
        "2026-12-01T12:00:00Z".parse().expect("an instant")
    }

    fn days(days: i64) -> TimeDelta {
        TimeDelta::days(days)
    }

    fn lasting(length: TimeDelta) -> Desired {
        Desired {
            declared: Declared {
                start: None,
                end: DeclaredEnd::After(length),
            },
            lease: None,
            mode: Mode::Manage,
            deletion_policy: DeletionPolicy::Revoke,
        }
    }

    /// From so many days ago, for so many, declared for so many.
    fn granted(ago: i64, length: i64, declared: i64) -> Past {
        let start = now() - days(ago);
        Past {
            at: start,
            action: Action::AdminAssign,
            why: Some(Why::NotGranted.as_str().to_owned()),
            fate: Fate::Done,
            window: Some(Window {
                start,
                end: End::At(start + days(length)),
            }),
            lasting: Some(days(declared)),
        }
    }

    fn removed(ago: i64, why: Why) -> Past {
        Past {
            at: now() - days(ago),
            action: Action::AdminRemove,
            why: Some(why.as_str().to_owned()),
            fate: Fate::Done,
            window: None,
            lasting: None,
        }
    }

    fn end(history: History) -> Option<DateTime<Utc>> {
        match history {
            History::Granted(window) => window.end.instant(),
            History::Silent | History::Unread => None,
        }
    }

    #[test]
    fn the_last_grant_of_the_declaration_fixes_the_end() {
        let recalled = |requests: &[Past]| end(recall(&lasting(days(30)), requests, now()));
        assert_eq!(recalled(&[]), None);
        assert_eq!(recalled(&[granted(40, 30, 30)]), Some(now() - days(10)));
        assert_eq!(recalled(&[granted(10, 30, 30)]), Some(now() + days(20)));
        // Granted thirty days, restored after ten: the first may be forgotten.
        assert_eq!(recalled(&[granted(10, 20, 30)]), Some(now() + days(10)));
        // Listed in any order; another length is another declaration.
        let edited = [granted(5, 30, 30), granted(20, 60, 60)];
        assert_eq!(recalled(&edited), Some(now() + days(25)));
        assert_eq!(recalled(&[granted(20, 30, 30), granted(5, 60, 60)]), None);
    }

    #[test]
    fn what_was_deleted_and_made_anew_begins_anew_and_any_other_removal_is_a_step() {
        let recalled = |why| {
            let requests = [granted(10, 30, 30), removed(2, why)];
            recall(&lasting(days(30)), &requests, now())
        };
        assert_eq!(recalled(Why::Deleted), History::Silent);
        for why in [Why::Outlived, Why::Altered, Why::WindowEdited] {
            assert_eq!(end(recalled(why)), Some(now() + days(20)));
        }
        let mut unsaid = removed(2, Why::Deleted);
        unsaid.why = None;
        let requests = [granted(10, 30, 30), unsaid];
        assert_eq!(
            recall(&lasting(days(30)), &requests, now()),
            History::Silent
        );
    }

    #[test]
    fn a_withdrawn_grant_begins_anew_and_a_failed_request_says_nothing() {
        let with_fate = |fate| {
            let last = Past {
                fate,
                ..granted(2, 30, 30)
            };
            recall(&lasting(days(30)), &[granted(10, 30, 30), last], now())
        };
        assert_eq!(with_fate(Fate::Withdrawn), History::Silent);
        assert_eq!(end(with_fate(Fate::Failed)), Some(now() + days(20)));
        let failed = Past {
            fate: Fate::Failed,
            ..removed(2, Why::Deleted)
        };
        let requests = [granted(10, 30, 30), failed];
        assert_eq!(
            end(recall(&lasting(days(30)), &requests, now())),
            Some(now() + days(20))
        );
    }

    #[test]
    fn a_start_ahead_must_be_the_same() {
        let mut desired = lasting(days(30));
        desired.declared.start = Some(now() + days(5));
        let mut scheduled = granted(-5, 30, 30);
        scheduled.at = now() - days(1);
        let requests = [scheduled];
        assert_eq!(
            end(recall(&desired, &requests, now())),
            Some(now() + days(35))
        );
        assert_eq!(
            recall(&lasting(days(30)), &requests, now()),
            History::Silent
        );
        desired.declared.start = Some(now() + days(6));
        assert_eq!(recall(&desired, &requests, now()), History::Silent);
    }
}
