//! What became of the last request.

use super::*;

/// A first grant, sent so long ago with this outcome, and not listed.
fn asked(ago: TimeDelta, outcome: Outcome) -> Case {
    let declared = lasting(hours(8));
    let mut case = new(declared).after(sent(Action::AdminAssign, ago, outcome));
    let window = window(-ago, hours(8));
    case.record.anchor = Some(Anchor { declared, window });
    case
}

fn waits(case: &Case) -> (Wait, Option<DateTime<Utc>>) {
    let plan = case.plan();
    match plan.decision {
        Decision::Wait(wait) => (wait, plan.wake),
        other => unreachable!("{other:?}"),
    }
}

const STALLED: Wait = Wait::Retry { stalled: true };

#[test]
fn a_request_whose_fate_is_unknown_is_asked_about_before_another() {
    let plan = asked(minutes(1), Outcome::Unknown).plan();
    assert_eq!(
        (plan.decision, plan.wake),
        (Decision::Inquire, Some(now() + POLL))
    );
    let edited = asked(minutes(1), Outcome::Unknown).edited(lasting(hours(1)));
    assert_eq!(edited.decision(), Decision::Inquire);
}

#[test]
fn a_request_that_was_never_sent_is_sent_with_its_window_fixed_anew() {
    let plan = asked(hours(1), Outcome::NeverSent).plan();
    assert_eq!(
        plan.decision,
        Decision::Send(
            Change::Assign(window(minutes(0), hours(8))),
            Why::NotGranted
        )
    );
}

#[test]
fn a_request_that_entra_works_on_is_awaited() {
    let id = "request".to_owned();
    let case = asked(minutes(10), Outcome::InProgress { id });
    assert_eq!(waits(&case), (Wait::Provisioning, Some(now() + POLL)));
    assert_eq!(waits(&case.edited(lasting(hours(1)))).0, Wait::Provisioning);
}

#[test]
fn a_success_is_given_five_minutes_to_appear_in_the_list_and_is_then_repeated_to_the_same_end() {
    let mut case = asked(minutes(4), succeeded());
    case.record.granted = true;
    assert_eq!(waits(&case), (Wait::Replication, Some(now() + POLL)));
    let mut case = asked(minutes(5), succeeded());
    case.record.granted = true;
    let rest = window(minutes(0), hours(8) - minutes(5));
    assert_eq!(
        case.decision(),
        Decision::Send(Change::Assign(rest), Why::Removed)
    );
}

#[test]
fn an_update_that_the_list_does_not_show_yet_is_not_repeated() {
    let case = granted(lasting(hours(8)), window(-minutes(2), hours(8)))
        .after(sent(Action::AdminUpdate, minutes(2), succeeded()))
        .listing([row(permanent(-hours(2)))]);
    assert_eq!(waits(&case), (Wait::Replication, Some(now() + POLL)));
}

#[test]
fn an_active_row_is_left_alone_for_its_first_five_minutes() {
    let young = Row {
        active: true,
        ..row(permanent(-minutes(2)))
    };
    let until = Some(now() + minutes(3));
    let altered = granted(lasting(hours(8)), window(-hours(1), hours(8))).listing([young.clone()]);
    assert_eq!(waits(&altered), (Wait::MinimumDuration, until));
    let outlived = granted(lasting(minutes(59)), window(-hours(1), minutes(59)));
    let outlived = outlived.listing([Row {
        window: window(-minutes(2), hours(9)),
        ..young.clone()
    }]);
    assert_eq!(waits(&outlived), (Wait::MinimumDuration, until));
    let eligible = Row {
        active: false,
        ..young
    };
    let altered = altered.listing([eligible]);
    assert_eq!(
        altered.decision(),
        Decision::Send(Change::Update(window(minutes(0), hours(7))), Why::Altered)
    );
}

#[test]
fn entras_five_minutes_are_waited_out_even_after_an_edit() {
    let refused = Outcome::Refused(Refusal::MinimumDuration);
    let case = granted(lasting(hours(8)), window(-hours(1), hours(8)))
        .after(sent(Action::AdminUpdate, minutes(1), refused))
        .edited(lasting(hours(1)));
    assert_eq!(
        waits(&case),
        (Wait::MinimumDuration, Some(now() + minutes(4)))
    );
}

#[test]
fn a_refusal_by_policy_waits_an_hour_unless_the_spec_changes() {
    for refusal in [Refusal::Policy, Refusal::Permission] {
        let mut case = asked(minutes(10), Outcome::Refused(refusal));
        // The first time, the policy may have just been changed.
        case.record.last.as_mut().expect("a request").failures = 2;
        assert_eq!(waits(&case), (STALLED, Some(now() + minutes(50))));
        let edited = case.edited(lasting(hours(1)));
        assert_eq!(
            edited.decision(),
            Decision::Send(
                Change::Assign(window(minutes(0), hours(1))),
                Why::NotGranted
            )
        );
        assert!(matches!(
            asked(hours(1), Outcome::Refused(refusal)).decision(),
            Decision::Send(..)
        ));
    }
}

#[test]
fn a_new_principal_is_tried_again_soon_for_half_an_hour_and_then_hourly() {
    for outcome in [Outcome::Refused(Refusal::NotReplicated), Outcome::Failed] {
        let case = asked(TimeDelta::seconds(1), outcome);
        let again = now() + TimeDelta::seconds(3);
        assert_eq!(waits(&case), (Wait::Retry { stalled: false }, Some(again)));
        let mut case = case;
        let last = case.record.last.as_mut().expect("a request");
        last.failing_since = Some(last.at - minutes(30));
        assert_eq!(waits(&case).0, STALLED);
    }
}

#[test]
fn a_grant_that_graph_calls_existing_is_awaited_and_then_updated() {
    let case = asked(TimeDelta::seconds(30), Outcome::Refused(Refusal::Exists));
    assert_eq!(waits(&case), (Wait::Replication, Some(now() + POLL)));
    let listed = case.listing([row(permanent(-hours(24)))]);
    assert_eq!(
        listed.decision(),
        Decision::Send(
            Change::Update(window(minutes(0), hours(8))),
            Why::NotGranted
        )
    );
}

#[test]
fn a_lingering_row_that_blocks_a_new_grant_is_updated_instead() {
    let lingering = row(window(-hours(9), hours(1)));
    let case =
        asked(TimeDelta::seconds(30), Outcome::Refused(Refusal::Exists)).listing([lingering]);
    assert_eq!(
        case.decision(),
        Decision::Send(
            Change::Update(window(minutes(0), hours(8))),
            Why::NotGranted
        )
    );
}

#[test]
fn a_listed_row_that_graph_does_not_know_is_granted_over() {
    let refused = Outcome::Refused(Refusal::DoesNotExist);
    let case = granted(lasting(hours(8)), window(-hours(1), hours(8)))
        .after(sent(Action::AdminUpdate, minutes(1), refused))
        .listing([row(permanent(-hours(24)))]);
    assert_eq!(
        case.decision(),
        Decision::Send(Change::Assign(window(minutes(0), hours(7))), Why::Altered)
    );
}

#[test]
fn a_request_past_cancelling_is_removed_at_once() {
    let start = Some(now() + hours(24));
    let case = granted(declared(start, DeclaredEnd::Never), permanent(hours(24)))
        .edited(lasting(hours(8)))
        .after(sent(
            Action::Cancel,
            minutes(0),
            Outcome::Refused(Refusal::NotCancellable),
        ));
    assert_eq!(
        case.decision(),
        Decision::Send(Change::Remove, Why::WindowEdited)
    );
}

#[test]
fn what_entra_takes_and_never_carries_out_is_not_asked_for_again() {
    let mut case = asked(minutes(5), succeeded());
    case.record.granted = true;
    case.record.last.as_mut().expect("a request").only_granted = true;
    assert_eq!(waits(&case), (Wait::Stuck, Some(now() + hours(1))));
    // A row that appears after all settles it, and an edit asks anew.
    let listed = case.clone().listing([row(window(-minutes(5), hours(8)))]);
    assert_eq!(listed.decision(), PROVISIONED);
    let edited = case.edited(lasting(hours(1)));
    let asked_anew = Change::Assign(window(minutes(0), hours(1)));
    assert!(matches!(edited.decision(), Decision::Send(change, _) if change == asked_anew));
}

#[test]
fn a_start_that_lies_ahead_is_granted_only_and_not_stuck() {
    let start = now() + hours(24);
    let declared = declared(Some(start), DeclaredEnd::After(hours(8)));
    let ahead = window(hours(24), hours(8));
    let mut case = granted(declared, ahead);
    case.record.last.as_mut().expect("a request").only_granted = true;
    let scheduled = Decision::Settled(Settled::Scheduled { adopted: false });
    assert_eq!(case.decision(), scheduled);
}

#[test]
fn the_last_holder_is_tried_again_hourly_and_a_person_is_told_at_once() {
    let refused = Outcome::Refused(Refusal::LastHolder);
    let case = granted(lasting(hours(8)), window(-hours(9), hours(8)))
        .listing([row(permanent(-hours(9)))])
        .after(sent(Action::AdminRemove, minutes(1), refused));
    assert_eq!(waits(&case), (STALLED, Some(now() + minutes(59))));
}
