//! Drift, ends and leases.

use super::*;

fn held() -> Case {
    granted(lasting(hours(8)), window(-hours(1), hours(8)))
}

fn absence(until: TimeDelta, lasting: TimeDelta) -> Absence {
    let until = now() - until;
    Absence {
        since: until - lasting,
        until,
    }
}

#[test]
fn a_grant_that_is_listed_as_anchored_needs_nothing_until_its_end() {
    let plan = held().plan();
    assert_eq!(plan.decision, PROVISIONED);
    assert_eq!(plan.wake, Some(now() + hours(7)));
}

#[test]
fn a_removed_grant_is_restored_to_its_old_end_once_two_reads_fifteen_seconds_apart_agree() {
    let mut case = held().listing([]);
    case.absence = Some(absence(minutes(0), minutes(0)));
    let plan = case.plan();
    assert_eq!(plan.decision, Decision::Wait(Wait::AbsenceProof));
    assert_eq!(plan.wake, Some(now() + ABSENCE_PROOF));
    case.absence = Some(absence(minutes(0), ABSENCE_PROOF));
    let plan = case.plan();
    assert_eq!(
        plan.decision,
        Decision::Send(Change::Assign(window(minutes(0), hours(7))), Why::Removed)
    );
    assert_eq!(plan.anchor, case.record.anchor);
}

#[test]
fn a_proof_that_is_overdue_is_awaited_without_haste() {
    let mut case = held().listing([]);
    case.absence = Some(absence(minutes(2), minutes(0)));
    assert_eq!(case.plan().wake, Some(now() + POLL));
}

#[test]
fn an_altered_grant_gets_its_old_end_back() {
    for theirs in [
        permanent(-minutes(10)),
        window(-minutes(10), hours(1)),
        window(-minutes(10), hours(70)),
    ] {
        let plan = held().listing([row(theirs)]).plan();
        assert_eq!(
            plan.decision,
            Decision::Send(Change::Update(window(minutes(0), hours(7))), Why::Altered)
        );
        assert_eq!(plan.anchor, held().record.anchor);
    }
}

#[test]
fn a_grant_moved_into_the_future_is_cancelled_and_then_restored() {
    let case = held().listing([row(window(hours(1), hours(6)))]);
    assert_eq!(case.decision(), Decision::Send(cancel(), Why::Altered));
    let case = case.after(sent(Action::Cancel, TimeDelta::seconds(20), succeeded()));
    assert_eq!(case.decision(), Decision::Wait(Wait::Replication));
    assert_eq!(
        case.listing([]).decision(),
        Decision::Send(Change::Assign(window(minutes(0), hours(7))), Why::Removed)
    );
}

#[test]
fn a_row_that_lists_still_show_after_our_removal_is_no_grant() {
    let case = held().after(sent(Action::Cancel, TimeDelta::seconds(20), succeeded()));
    assert_eq!(case.decision(), Decision::Wait(Wait::Replication));
}

#[test]
fn activations_and_indirect_memberships_are_ignored() {
    for standing in [Standing::Activated, Standing::Foreign] {
        let theirs = Row {
            standing,
            ..row(permanent(-hours(2)))
        };
        let alone = held().listing([theirs.clone()]);
        assert_eq!(alone.decision(), Decision::Wait(Wait::AbsenceProof));
        let mut beside = held();
        beside.rows.insert(0, theirs);
        assert_eq!(beside.decision(), PROVISIONED);
    }
}

#[test]
fn a_lapsed_grant_is_not_granted_again() {
    let case = granted(lasting(hours(8)), window(-hours(9), hours(8)));
    assert_eq!(case.clone().listing([]).decision(), EXPIRED);
    assert_eq!(
        case.plan().decision,
        EXPIRED,
        "also where its row lingers, as the last owner's does"
    );
    assert_eq!(case.plan().wake, None);
}

#[test]
fn a_grant_made_to_outlive_its_window_is_removed() {
    let case = granted(lasting(hours(8)), window(-hours(9), hours(8)));
    let case = case.listing([row(permanent(-hours(2)))]);
    assert_eq!(
        case.decision(),
        Decision::Send(Change::Remove, Why::Outlived)
    );
}

#[test]
fn access_granted_anew_after_the_window_is_left_alone() {
    let case = granted(lasting(hours(8)), window(-hours(9), hours(8)));
    let regranted = Decision::Settled(Settled::Expired { regranted: true });
    assert_eq!(
        case.clone()
            .listing([row(permanent(-minutes(30)))])
            .decision(),
        regranted
    );
    let plain = Row {
        created_using: None,
        ..row(permanent(-hours(900)))
    };
    assert_eq!(case.listing([plain]).decision(), regranted);
}

#[test]
fn in_the_last_minutes_of_a_window_nothing_is_restored() {
    let case = granted(lasting(hours(8)), window(-minutes(477), hours(8)));
    let plan = case.clone().listing([]).plan();
    assert_eq!(
        (plan.decision, plan.wake),
        (Decision::Wait(Wait::End), Some(now() + minutes(3)))
    );
    let altered = case.listing([row(permanent(-minutes(10)))]);
    assert_eq!(altered.decision(), Decision::Wait(Wait::End));
}

#[test]
fn a_lease_is_extended_when_it_is_due() {
    let lease = |age: TimeDelta| {
        granted(lasting(hours(8)), window(-age, hours(8))).renewed(hours(8), hours(2))
    };
    let plan = lease(hours(5)).plan();
    assert_eq!(
        (plan.decision, plan.wake),
        (PROVISIONED, Some(now() + hours(1)))
    );
    let plan = lease(hours(6)).plan();
    let next = window(minutes(0), hours(8));
    assert_eq!(
        plan.decision,
        Decision::Send(Change::Extend(next), Why::LeaseDue)
    );
    assert_eq!(plan.anchor.map(|anchor| anchor.window), Some(next));
}

#[test]
fn a_lease_that_has_lapsed_is_granted_again() {
    let case = granted(lasting(hours(8)), window(-hours(9), hours(8))).renewed(hours(8), hours(2));
    assert_eq!(
        case.listing([]).decision(),
        Decision::Send(Change::Assign(window(minutes(0), hours(8))), Why::LeaseDue)
    );
}

#[test]
fn a_due_lease_that_was_altered_gets_its_next_window_at_once() {
    let case = granted(lasting(hours(8)), window(-hours(7), hours(8))).renewed(hours(8), hours(2));
    let case = case.listing([row(window(-hours(7), hours(9)))]);
    assert_eq!(
        case.decision(),
        Decision::Send(Change::Update(window(minutes(0), hours(8))), Why::Altered)
    );
}

#[test]
fn a_lease_made_to_lapse_is_left_to_end() {
    let case = granted(lasting(hours(8)), window(-hours(7), hours(8)));
    let plan = case.plan();
    assert_eq!(
        (plan.decision, plan.wake),
        (PROVISIONED, Some(now() + hours(1)))
    );
}

#[test]
fn a_start_that_has_come_is_provisioned_once_its_instance_is_seen() {
    let start = now() - TimeDelta::seconds(20);
    let declared = declared(Some(start), DeclaredEnd::After(hours(8)));
    let mut case = granted(declared, window(-TimeDelta::seconds(20), hours(8)));
    assert_eq!(case.decision(), Decision::ReadInstances);
    case.instance = Some(false);
    let plan = case.plan();
    assert_eq!(
        (plan.decision, plan.wake),
        (Decision::Wait(Wait::Provisioning), Some(now() + POLL))
    );
    case.instance = Some(true);
    assert_eq!(case.decision(), PROVISIONED);
    let before = case.plan_at(start - TimeDelta::seconds(30));
    assert_eq!(
        before.decision,
        Decision::Settled(Settled::Scheduled { adopted: false })
    );
    assert_eq!(before.wake, Some(start));
}
