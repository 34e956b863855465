//! Eligible and active roles that delete each other.
//!
//! A principal may hold a role both ways. But where the active one is permanent, Entra deletes the one of the two when it changes
//! the other, and reports success. Two objects that declare both would restore what the other destroys for ever; and what nobody
//! declares would be gone without a trace. So neither is written. A limited assignment beside an eligibility is safe. Of groups
//! no such thing is known.

use chrono::{DateTime, Utc};

use super::{
    observed::{Row, assigned},
    plan::Change,
    window::{End, Window},
};

/// Whether an eligible and an active grant of the same principal, role and scope delete each other.
#[must_use]
pub const fn delete_each_other(active_is_permanent: bool) -> bool {
    active_is_permanent
}

/// Whether a change is one for which the grants of the other kind have to be looked at.
#[must_use]
pub fn may_delete(change: &Change, active: bool) -> bool {
    window_of(change).is_some_and(|window| !active || window.end == End::Never)
}

/// The row of the other kind that a change would delete, sooner or later. `others` are the rows of the same principal, role and
/// scope.
#[must_use]
pub fn endangered<'a>(
    change: &Change,
    active: bool,
    others: &'a [Row],
    now: DateTime<Utc>,
) -> Option<&'a Row> {
    if !may_delete(change, active) {
        return None;
    }
    let live = assigned(others).filter(|row| !row.has_lapsed(now));
    live.filter(|row| delete_each_other(active || row.window.end == End::Never))
}

fn window_of(change: &Change) -> Option<&Window> {
    match change {
        Change::Assign(window) | Change::Update(window) | Change::Extend(window) => Some(window),
        Change::Remove | Change::Cancel { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::pim::observed::Standing;

    fn now() -> DateTime<Utc> {
        "2026-12-01T12:00:00Z".parse().expect("an instant")
    }

    fn window(end: End) -> Window {
        Window {
            start: now() - TimeDelta::hours(1),
            end,
        }
    }

    fn limited() -> Window {
        window(End::At(now() + TimeDelta::hours(8)))
    }

    fn row(window: Window, standing: Standing) -> Row {
        Row {
            id: "schedule".to_owned(),
            status: "Provisioned".to_owned(),
            created_using: None,
            standing,
            active: false,
            window,
        }
    }

    fn is_endangered(change: &Change, active: bool, other: Row) -> bool {
        endangered(change, active, &[other], now()).is_some()
    }

    #[test]
    fn only_a_permanent_active_role_and_an_eligible_one_delete_each_other() {
        let assigned = |window| row(window, Standing::Assigned);
        let permanent = || window(End::Never);
        for change in [Change::Assign, Change::Update, Change::Extend] {
            // Active, beside an eligible one.
            assert!(is_endangered(
                &change(permanent()),
                true,
                assigned(limited())
            ));
            assert!(is_endangered(
                &change(permanent()),
                true,
                assigned(permanent())
            ));
            assert!(!is_endangered(
                &change(limited()),
                true,
                assigned(permanent())
            ));
            // Eligible, beside an active one.
            assert!(is_endangered(
                &change(limited()),
                false,
                assigned(permanent())
            ));
            assert!(!is_endangered(
                &change(permanent()),
                false,
                assigned(limited())
            ));
        }
    }

    #[test]
    fn what_ends_a_grant_endangers_no_other() {
        let other = || row(window(End::Never), Standing::Assigned);
        let cancel = Change::Cancel {
            request_id: "q".to_owned(),
        };
        for change in [Change::Remove, cancel] {
            assert!(!is_endangered(&change, true, other()));
            assert!(!is_endangered(&change, false, other()));
        }
    }

    #[test]
    fn an_activation_an_inherited_role_and_one_that_has_lapsed_are_not_endangered() {
        let change = Change::Assign(limited());
        let past = window(End::At(now() - TimeDelta::minutes(1)));
        for other in [
            row(window(End::Never), Standing::Activated),
            row(window(End::Never), Standing::Foreign),
            row(past, Standing::Assigned),
        ] {
            assert!(!is_endangered(&change, false, other));
        }
    }
}
