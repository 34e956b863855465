//! First grants, adoptions and edits.

use super::*;

#[test]
fn a_new_object_is_granted_its_window_from_now() {
    let plan = new(lasting(hours(8))).plan();
    let window = window(minutes(0), hours(8));
    assert_eq!(
        plan.decision,
        Decision::Send(Change::Assign(window), Why::NotGranted)
    );
    assert_eq!(plan.anchor.map(|anchor| anchor.window), Some(window));
}

#[test]
fn a_start_that_lies_ahead_is_asked_for_as_declared() {
    let start = now() + hours(24);
    let case = new(declared(Some(start), DeclaredEnd::After(hours(8))));
    assert_eq!(
        case.decision(),
        Decision::Send(Change::Assign(window(hours(24), hours(8))), Why::NotGranted)
    );
}

#[test]
fn a_matching_grant_is_adopted_as_it_is() {
    for (declared, window) in [
        (until(hours(5)), window(-hours(30), hours(35))),
        (
            lasting(hours(8)),
            window(-hours(3), hours(8) - TimeDelta::milliseconds(1_200)),
        ),
        (declared(None, DeclaredEnd::Never), permanent(-hours(300))),
    ] {
        let plan = new(declared).listing([row(window)]).plan();
        assert_eq!(plan.decision, ADOPTED, "{declared:?}");
        assert_eq!(plan.anchor, Some(Anchor { declared, window }));
        assert_eq!(plan.wake, window.end.instant());
    }
}

#[test]
fn a_plain_membership_is_adopted_where_a_permanent_grant_is_declared_and_bounded_where_one_is_not()
{
    let plain = Row {
        created_using: None,
        active: true,
        ..row(permanent(minutes(0)))
    };
    let case = new(declared(None, DeclaredEnd::Never)).listing([plain.clone()]);
    assert_eq!(case.decision(), ADOPTED);
    let case = new(lasting(hours(1))).listing([plain]);
    assert_eq!(
        case.decision(),
        Decision::Send(Change::Update(window(minutes(0), hours(1))), Why::Differs)
    );
}

#[test]
fn a_scheduled_grant_that_matches_is_adopted_as_scheduled() {
    let start = now() + hours(24);
    let case = new(declared(Some(start), DeclaredEnd::Never)).listing([row(permanent(hours(24)))]);
    let plan = case.plan();
    assert_eq!(
        plan.decision,
        Decision::Settled(Settled::Scheduled { adopted: true })
    );
    assert_eq!(plan.wake, Some(start));
}

#[test]
fn a_differing_grant_is_updated_in_place() {
    let case = new(lasting(hours(8))).listing([row(permanent(-hours(24)))]);
    assert_eq!(
        case.decision(),
        Decision::Send(Change::Update(window(minutes(0), hours(8))), Why::Differs)
    );
}

#[test]
fn an_edit_to_a_longer_or_shorter_window_is_an_update_from_now() {
    for length in [hours(2), hours(20)] {
        let case = granted(lasting(hours(8)), window(-hours(1), hours(8))).edited(lasting(length));
        let plan = case.plan();
        assert_eq!(
            plan.decision,
            Decision::Send(
                Change::Update(window(minutes(0), length)),
                Why::WindowEdited
            )
        );
        assert_eq!(
            plan.anchor.map(|anchor| anchor.declared),
            Some(lasting(length))
        );
    }
}

#[test]
fn an_edit_into_the_past_ends_the_grant_and_then_is_expired() {
    let mut case = granted(lasting(hours(8)), window(-hours(1), hours(8))).edited(until(-hours(1)));
    let plan = case.plan();
    assert_eq!(
        plan.decision,
        Decision::Send(Change::Remove, Why::EndedByEdit)
    );
    assert_eq!(
        plan.anchor, case.record.anchor,
        "the grant is remembered until it is gone"
    );
    case = case.after(sent(Action::AdminRemove, minutes(1), succeeded()));
    assert_eq!(
        case.decision(),
        Decision::Wait(Wait::Replication),
        "still listed"
    );
    assert_eq!(case.listing([]).decision(), EXPIRED);
}

#[test]
fn an_edit_into_the_past_is_not_done_while_the_grant_may_still_appear_in_the_list() {
    let fresh = granted(lasting(hours(8)), window(minutes(0), hours(8)))
        .after(sent(
            Action::AdminAssign,
            TimeDelta::seconds(5),
            succeeded(),
        ))
        .edited(until(-hours(1)))
        .listing([]);
    assert_eq!(fresh.decision(), Decision::Wait(Wait::Replication));
}

#[test]
fn an_edit_into_the_past_awaits_the_request_that_is_taking_a_grant_over() {
    let mut case = granted(lasting(hours(8)), window(minutes(0), hours(8)));
    case.record.created_via = None;
    let id = "request".to_owned();
    let working = Outcome::InProgress { id };
    let case = case
        .after(sent(Action::AdminUpdate, TimeDelta::seconds(5), working))
        .edited(until(-hours(1)))
        .listing([row(permanent(-hours(24)))]);
    assert_eq!(case.decision(), Decision::Wait(Wait::Provisioning));
}

#[test]
fn an_edit_waits_for_an_unlisted_grant_to_appear_or_to_be_proven_gone() {
    let fresh = granted(lasting(hours(8)), window(minutes(0), hours(8)))
        .after(sent(
            Action::AdminAssign,
            TimeDelta::seconds(5),
            succeeded(),
        ))
        .edited(lasting(hours(1)))
        .listing([]);
    assert_eq!(fresh.decision(), Decision::Wait(Wait::Replication));
    let known = granted(lasting(hours(8)), window(-hours(1), hours(8)))
        .edited(lasting(hours(1)))
        .listing([]);
    assert_eq!(known.decision(), Decision::Wait(Wait::AbsenceProof));
}

#[test]
fn an_edit_into_the_future_ends_the_grant_and_then_schedules_the_next() {
    let start = now() + hours(24);
    let later = declared(Some(start), DeclaredEnd::After(hours(8)));
    let case = granted(lasting(hours(8)), window(-hours(1), hours(8))).edited(later);
    assert_eq!(
        case.decision(),
        Decision::Send(Change::Remove, Why::WindowEdited)
    );
    let case = case
        .after(sent(Action::AdminRemove, minutes(1), succeeded()))
        .listing([]);
    assert_eq!(
        case.decision(),
        Decision::Send(
            Change::Assign(window(hours(24), hours(8))),
            Why::WindowEdited
        )
    );
}

#[test]
fn an_edited_future_grant_is_cancelled_and_then_granted_anew() {
    let start = Some(now() + hours(24));
    let before = declared(start, DeclaredEnd::After(hours(8)));
    let after = declared(start, DeclaredEnd::After(hours(4)));
    let case = granted(before, window(hours(24), hours(8))).edited(after);
    assert_eq!(case.decision(), Decision::Send(cancel(), Why::WindowEdited));
    let case = case
        .after(sent(Action::Cancel, minutes(1), succeeded()))
        .listing([]);
    assert_eq!(
        case.decision(),
        Decision::Send(
            Change::Assign(window(hours(24), hours(4))),
            Why::WindowEdited
        )
    );
}

#[test]
fn an_edit_that_describes_what_is_there_sends_nothing() {
    let case = granted(lasting(hours(8)), window(-hours(1), hours(8))).edited(until(hours(7)));
    assert_eq!(case.decision(), PROVISIONED);
}

#[test]
fn a_window_with_too_little_left_is_never_asked_for() {
    let case = new(until(minutes(4)));
    let plan = case.plan();
    assert_eq!(plan.decision, Decision::Wait(Wait::End));
    assert_eq!(plan.wake, Some(now() + minutes(4)));
    assert_eq!(case.plan_at(now() + minutes(4)).decision, EXPIRED);
}

#[test]
fn an_object_declared_into_the_past_leaves_somebody_elses_grant_alone_at_every_pass() {
    let mut case = new(until(-hours(1))).listing([row(permanent(-hours(24)))]);
    let first = case.plan();
    assert_eq!(
        first.decision,
        Decision::Settled(Settled::Expired { regranted: true })
    );
    case.record.anchor = first.anchor;
    assert_eq!(case.decision(), first.decision);
}

#[test]
fn nothing_is_concluded_from_a_read_that_failed() {
    let case = granted(lasting(hours(8)), window(-hours(1), hours(8))).edited(lasting(hours(1)));
    let plan = plan(&case.desired, &case.record, &Observation::Unknown, now());
    assert_eq!(plan.decision, Decision::Wait(Wait::Observation));
    assert_eq!(plan.anchor, case.record.anchor);
}

#[test]
fn observing_and_suspended_objects_report_what_they_would_do() {
    for mode in [Mode::Observe, Mode::Suspended] {
        let plan = new(lasting(hours(8))).in_mode(mode).plan();
        assert_eq!(plan.decision, Decision::Withheld(Why::NotGranted));
        assert_eq!(plan.anchor, None);
        let case = granted(lasting(hours(8)), window(-hours(1), hours(8))).in_mode(mode);
        assert_eq!(case.decision(), PROVISIONED);
        let altered = case.listing([row(permanent(-minutes(10)))]);
        assert_eq!(altered.decision(), Decision::Withheld(Why::Altered));
    }
}

#[test]
fn a_relative_window_without_a_record_asks_the_request_history_before_it_is_opened() {
    let mut case = new(lasting(hours(4)));
    case.history = History::Unread;
    assert_eq!(case.decision(), Decision::Recall);
    // What is listed as declared is adopted without asking, and what cannot start over has nothing to ask.
    let listed = case.clone().listing([row(window(-hours(1), hours(4)))]);
    assert!(matches!(listed.decision(), Decision::Settled(_)));
    for declared in [until(hours(4)), declared(None, DeclaredEnd::Never)] {
        let mut case = new(declared);
        case.history = History::Unread;
        assert!(matches!(
            case.decision(),
            Decision::Send(Change::Assign(_), _)
        ));
    }
    let leased = case.clone().renewed(hours(4), hours(1));
    assert!(matches!(
        leased.decision(),
        Decision::Send(Change::Assign(_), _)
    ));
    case.desired.mode = Mode::Observe;
    assert!(matches!(case.decision(), Decision::Withheld(_)));
}

#[test]
fn what_the_history_says_has_lapsed_is_expired_and_what_is_left_is_granted_to_the_old_end() {
    let mut case = new(lasting(hours(4)));
    let lapsed = window(-hours(5), hours(4));
    case.history = History::Granted(lapsed);
    let Plan {
        decision, anchor, ..
    } = case.plan();
    assert_eq!(
        decision,
        Decision::Settled(Settled::Expired { regranted: false })
    );
    assert_eq!(anchor.map(|anchor| anchor.window), Some(lapsed));

    case.history = History::Granted(window(-hours(1), hours(4)));
    let left = window(minutes(0), hours(3));
    assert_eq!(
        case.decision(),
        Decision::Send(Change::Assign(left), Why::NotGranted)
    );
    // A restored grant is shorter than its declaration, and still the one of the history.
    let restored = case
        .clone()
        .listing([row(window(-minutes(30), minutes(210)))]);
    assert_eq!(
        restored.decision(),
        Decision::Settled(Settled::Provisioned { adopted: true })
    );
    case.history = History::Granted(window(-hours(4) + minutes(3), hours(4)));
    assert_eq!(case.decision(), Decision::Wait(Wait::End));
}

#[test]
fn a_window_that_history_has_shortened_stays_so_until_it_is_granted() {
    let declared = lasting(hours(4));
    let left = window(-hours(1), hours(3));
    let mut case = granted(declared, left).listing([]);
    case.record.granted = false;
    case.record.created_via = None;
    let mut refused = sent(
        Action::AdminAssign,
        hours(1),
        Outcome::Refused(Refusal::Policy),
    );
    refused.current = false;
    let case = case.after(refused);
    let ends = |plan: &Plan| match plan.decision {
        Decision::Send(Change::Assign(window), _) => Some(window.end),
        _ => None,
    };
    assert_eq!(ends(&case.plan()), Some(left.end));
    assert_eq!(
        case.plan_at(now() + hours(2)).decision,
        Decision::Settled(Settled::Expired { regranted: false })
    );
}
