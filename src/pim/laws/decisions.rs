//! Laws of single decisions, on arbitrary states.

use proptest::prelude::*;

use super::{
    DECISIONS,
    any::{State, base, state, window},
    cases,
};
use crate::pim::{
    desired::Mode,
    history::{History, concerns},
    observed::{Observation, Outcome, Standing},
    plan::{Change, Decision, Plan, Settled, Wait, Why, plan},
    removal::{Removal, removal},
    retry::retry,
    window::{End, MINIMUM, Window},
};

fn planned(state: &State) -> Plan {
    plan(&state.desired, &state.record, &state.observation(), base())
}

fn removed(state: &State) -> Removal {
    let desired = &state.desired;
    removal(
        desired.deletion_policy,
        desired.mode,
        &state.record,
        &state.observation(),
        base(),
    )
}

/// The change that the plan, and the removal, would send.
fn changes(state: &State) -> [Option<Change>; 2] {
    [change(&planned(state)), removed(state).change().cloned()]
}

fn change(plan: &Plan) -> Option<Change> {
    match &plan.decision {
        Decision::Send(change, _) => Some(change.clone()),
        _ => None,
    }
}

fn granted(change: &Change) -> Option<Window> {
    match change {
        Change::Assign(window) | Change::Update(window) | Change::Extend(window) => Some(*window),
        Change::Remove | Change::Cancel { .. } => None,
    }
}

proptest! {
    #![proptest_config(cases(DECISIONS))]

    #[test]
    fn a_failed_read_never_leads_to_a_write(state in state()) {
        let desired = &state.desired;
        let plan = plan(desired, &state.record, &Observation::Unknown, base());
        prop_assert_eq!(plan.decision, Decision::Wait(Wait::Observation));
        prop_assert_eq!(plan.anchor, state.record.anchor);
        let removal = removal(
            desired.deletion_policy, desired.mode, &state.record, &Observation::Unknown, base(),
        );
        prop_assert_eq!(removal.change(), None);
        prop_assert!(!matches!(removal, Removal::Done(crate::pim::removal::Done::Gone)));
    }

    #[test]
    fn without_an_assigned_and_direct_row_nothing_is_changed_or_ended(state in state()) {
        let mut rows = state.rows.clone();
        rows.retain(|row| row.standing != Standing::Assigned);
        // But for a request of our own that Entra took and never carried out: it may be withdrawn.
        let stuck = state.record.stuck(base()).map(str::to_owned);
        for change in changes(&state.with_rows(rows)).into_iter().flatten() {
            let withdrawn = matches!(&change, Change::Cancel { request_id } if Some(request_id) == stuck.as_ref());
            prop_assert!(withdrawn || matches!(change, Change::Assign(_)), "{change:?}");
        }
    }

    #[test]
    fn activated_and_foreign_rows_make_no_difference(state in state()) {
        let mut rows = state.rows.clone();
        rows.retain(|row| row.standing == Standing::Assigned);
        let alone = state.with_rows(rows);
        prop_assert_eq!(planned(&state), planned(&alone));
        prop_assert_eq!(removed(&state), removed(&alone));
    }

    #[test]
    fn nothing_is_sent_before_the_last_request_is_settled_and_its_time_has_come(state in state()) {
        if let Some(last) = &state.record.last {
            let unsettled = matches!(last.outcome, Outcome::Unknown | Outcome::InProgress { .. });
            let early = retry(last).is_some_and(|retry| base() < retry.at);
            if unsettled || early {
                prop_assert_eq!(changes(&state), [None, None]);
            }
        }
    }

    #[test]
    fn observing_and_suspended_objects_never_write_and_open_no_window(mut state in state()) {
        for mode in [Mode::Observe, Mode::Suspended] {
            state.desired.mode = mode;
            prop_assert_eq!(changes(&state), [None, None]);
            prop_assert_eq!(planned(&state).anchor, state.record.anchor);
        }
    }

    #[test]
    fn restoring_never_lengthens_a_granted_window(mut state in state()) {
        state.desired.lease = None;
        if let Some(mut anchor) = state.record.anchor {
            anchor.declared = state.desired.declared;
            state.record.anchor = Some(anchor);
            state.record.granted = true;
            let plan = planned(&state);
            prop_assert_eq!(plan.anchor, Some(anchor));
            if let Some(window) = change(&plan).as_ref().and_then(granted) {
                prop_assert!(window.end <= anchor.window.end);
                prop_assert!(!anchor.window.end.has_passed(base()), "granted again after it lapsed");
            }
        }
    }

    #[test]
    fn what_is_asked_for_starts_now_or_later_and_is_long_enough_for_entra(state in state()) {
        for change in changes(&state).into_iter().flatten() {
            if let Some(window) = granted(&change) {
                prop_assert!(window.start >= base());
                prop_assert!(window.end >= End::At(window.start + MINIMUM));
            }
        }
    }

    #[test]
    fn only_a_listed_request_is_cancelled_and_a_young_active_row_is_left_alone(state in state()) {
        for change in changes(&state).into_iter().flatten() {
            let row = crate::pim::observed::assigned(&state.rows);
            match (change, row) {
                (Change::Cancel { request_id }, Some(row)) => {
                    prop_assert_eq!(Some(request_id), row.created_using.clone());
                    prop_assert!(row.is_ahead(base()));
                }
                (Change::Update(_) | Change::Extend(_) | Change::Remove, Some(row)) => {
                    let age = base() - row.window.start;
                    let young = age >= chrono::TimeDelta::zero() && age < MINIMUM;
                    prop_assert!(!(row.active && young && row.created_using.is_some()));
                }
                _ => {}
            }
        }
    }

    #[test]
    fn every_wait_ends_by_itself(state in state()) {
        let removal = match removed(&state) {
            Removal::First(plan) => Some(plan),
            _ => None,
        };
        for plan in [Some(planned(&state)), removal].into_iter().flatten() {
            match plan.decision {
                Decision::Send(..) => prop_assert_eq!(plan.wake, None),
                Decision::Wait(_)
                | Decision::Inquire
                | Decision::ReadInstances
                | Decision::Recall => {
                    prop_assert!(plan.wake.is_some_and(|wake| wake > base()), "{plan:?}");
                }
                // An adopted lease may be due at once.
                Decision::Settled(Settled::Provisioned { adopted: true }) => {}
                Decision::Settled(_) | Decision::Withheld(_) => {
                    prop_assert!(plan.wake.is_none_or(|wake| wake > base()), "{plan:?}");
                }
            }
        }
    }

    #[test]
    fn what_was_never_managed_is_neither_revoked_nor_called_outlived(mut state in state()) {
        state.record.created_via = None;
        prop_assert!(removed(&state).change().is_none());
        prop_assert!(!matches!(planned(&state).decision, Decision::Send(_, Why::Outlived)));
    }

    #[test]
    fn with_history_the_end_is_never_later_than_without(mut state in state(), earlier in window()) {
        state.history = History::Granted(earlier);
        let with = planned(&state);
        state.history = History::Silent;
        let without = planned(&state);
        if state.record.anchor.is_some() || !concerns(&state.desired) {
            prop_assert_eq!(&with, &without);
        }
        if let Some(window) = change(&with).as_ref().and_then(granted) {
            let plain = change(&without).as_ref().and_then(granted);
            prop_assert!(plain.is_some_and(|plain| window.end <= plain.end), "{with:?}, {without:?}");
        }
    }

    #[test]
    fn a_window_that_ran_out_is_never_granted_again(mut state in state(), mut earlier in window()) {
        state.record.anchor = None;
        earlier.end = earlier.end.min(End::At(base()));
        state.history = History::Granted(earlier);
        if concerns(&state.desired) {
            let granted = change(&planned(&state)).as_ref().and_then(granted);
            prop_assert_eq!(granted, None);
        }
    }

    #[test]
    fn history_is_asked_only_for_a_relative_window_that_nothing_recorded(mut state in state()) {
        state.history = History::Unread;
        if planned(&state).decision == Decision::Recall {
            prop_assert!(state.record.anchor.is_none() && concerns(&state.desired));
            prop_assert_eq!(state.desired.mode, Mode::Manage);
            state.history = History::Silent;
            prop_assert!(!matches!(planned(&state).decision, Decision::Settled(_) | Decision::Recall));
        }
    }
}
