//! Laws of whole histories.

use chrono::TimeDelta;
use proptest::{prelude::*, test_runner::TestCaseError};

use super::{
    HISTORIES,
    any::{declared, desired, lapsing, length},
    cases,
    entra::entra,
    lives::{Life, event, eventful, events, life},
    operator::{Operator, Pass},
};
use crate::{
    api::{status::CreatedVia, terms::DeletionPolicy},
    pim::{
        desired::{Desired, Lease, Mode},
        observed::Anchor,
        plan::{Change, Decision, Settled, Wait},
        removal::Done,
        window::{Declared, DeclaredEnd, End, TOLERANCE},
    },
};

fn managed(desired: impl Strategy<Value = Desired>) -> impl Strategy<Value = Desired> {
    desired.prop_map(|desired| Desired {
        mode: Mode::Manage,
        ..desired
    })
}

/// Lives until settled; the error says how it went on instead.
fn settle(life: &mut Life) -> Result<Pass, TestCaseError> {
    life.operator
        .settle(&mut life.entra)
        .map_err(TestCaseError::fail)
}

/// That a settled grant is so in truth, whatever lists show.
fn agrees(life: &Life, pass: &Pass) -> Result<(), TestCaseError> {
    let Life { entra, operator } = life;
    let truth = entra.truth();
    let Some(Anchor { window, .. }) = operator.record.anchor else {
        return Ok(());
    };
    if operator.desired.mode != Mode::Manage {
        return Ok(());
    }
    match pass {
        Pass::Planned(Decision::Settled(
            Settled::Provisioned { .. } | Settled::Scheduled { .. },
        )) => {
            let carried = truth.is_some_and(|row| row.carries(&window, entra.now));
            // Entra ends a grant up to two seconds early, and lists show it for a while.
            let ending = window.end.has_passed(entra.now + TOLERANCE);
            prop_assert!(carried || ending, "{truth:?} does not carry {window:?}");
        }
        Pass::Planned(Decision::Settled(Settled::Expired { .. })) => {
            let outlives = truth.is_some_and(|row| {
                operator.record.granted
                    && operator.record.owns(row, entra.now)
                    && row.window.end > window.end.plus(TOLERANCE)
            });
            prop_assert!(!outlives, "{truth:?} outlives {window:?}");
        }
        _ => {}
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(HISTORIES))]

    #[test]
    fn a_carried_out_plan_leaves_nothing_to_do(life in life(managed(desired()))) {
        let mut life = Life { entra: life.entra.without_lag(), ..life };
        let settled = settle(&mut life)?;
        agrees(&life, &settled)?;
        let sent = life.operator.sent.len();
        // An end or a removal, and then the new grant.
        prop_assert!(sent <= 2, "{:?}", life.operator.sent);
        for later in [0, 1, 20] {
            let due = life.entra.now + TimeDelta::seconds(later);
            if life.operator.wake.is_none_or(|wake| due < wake) {
                life.entra.advance(due);
                let again = life.operator.pass(&mut life.entra, true);
                prop_assert!(again.has_settled(), "{again:?}");
                prop_assert_eq!(life.operator.sent.len(), sent);
            }
        }
    }

    #[test]
    fn when_faults_cease_every_object_settles_and_stays_settled(
        mut life in life(desired()), events in eventful(),
    ) {
        for (edit, event) in &events {
            if let Some(edit) = edit {
                life.edit(edit);
            }
            life.undergo(event);
        }
        let before = life.operator.sent.len();
        let settled = settle(&mut life)?;
        agrees(&life, &settled)?;
        let sent = life.operator.sent.len();
        // Lists that lag by minutes cost some refused requests.
        prop_assert!(sent - before <= 8, "{:?}", &life.operator.sent[before..]);
        let soon = life.entra.now + TimeDelta::seconds(20);
        if life.operator.wake.is_none_or(|wake| soon < wake) {
            life.entra.advance(soon);
            let again = life.operator.pass(&mut life.entra, true);
            // What is only observed may happen to look right for a moment.
            let withheld = life.operator.desired.mode != Mode::Manage;
            // What somebody else made of the grant may end in the last minutes of its window.
            let ending = again == Pass::Planned(Decision::Wait(Wait::End));
            prop_assert!(withheld || ending || again.has_settled(), "{settled:?}, then {again:?}");
            prop_assert_eq!(life.operator.sent.len(), sent);
        }
    }

    #[test]
    fn access_by_one_declaration_never_ends_later_than_its_first_grant(
        mut life in life(managed(lapsing())), events in events(),
    ) {
        let mut granted: Option<Anchor> = None;
        for event in &events {
            let before = life.operator.sent.len();
            life.undergo(event);
            let Life { entra, operator } = &life;
            if let Some(anchor) = granted {
                prop_assert_eq!(operator.record.anchor, Some(anchor));
                for (at, change) in &operator.sent[before..] {
                    if let Change::Assign(window) | Change::Update(window) | Change::Extend(window) = change {
                        prop_assert!(window.end <= anchor.window.end);
                        prop_assert!(!anchor.window.end.has_passed(*at), "granted again after it lapsed");
                    }
                }
                let ours = entra.truth().filter(|row| {
                    row.created_using.as_ref().is_some_and(|request| request.starts_with("op-"))
                });
                prop_assert!(ours.is_none_or(|row| row.window.end <= anchor.window.end.plus(TOLERANCE)));
            } else if operator.record.granted {
                granted = operator.record.anchor;
            }
        }
    }

    #[test]
    fn a_rebuilt_cluster_never_lengthens_what_its_objects_names_were_granted(
        entra in entra(), length in length(), events in events(),
        rebuilt in prop::collection::vec(prop::bool::weighted(0.2), 20),
    ) {
        let declared = Declared { start: None, end: DeclaredEnd::After(length) };
        let desired = Desired { declared, lease: None, mode: Mode::Manage, deletion_policy: DeletionPolicy::Revoke };
        let mut life = Life { entra, operator: Operator::new(desired) };
        let mut first: Option<End> = None;
        for (event, rebuilt) in events.iter().zip(rebuilt) {
            // No cluster is rebuilt within the second of a grant.
            if rebuilt && life.operator.sent.iter().all(|(at, _)| *at < life.entra.now) {
                life.operator.rebuild();
            }
            let before = life.operator.sent.len();
            life.undergo(event);
            let record = &life.operator.record;
            let end = record.anchor.filter(|_| record.granted).map(|anchor| anchor.window.end);
            // What was only adopted has no request of ours.
            let requested = record.created_via == Some(CreatedVia::Operator);
            let Some(first) = first else {
                first = end.filter(|_| requested);
                continue;
            };
            let latest = first.plus(TOLERANCE);
            // What somebody else has granted in just the declared length is taken over as it is.
            if record.created_via == Some(CreatedVia::Adopted) && end.is_some_and(|end| end > latest) {
                return Ok(());
            }
            for (at, change) in &life.operator.sent[before..] {
                if let Change::Assign(window) | Change::Update(window) | Change::Extend(window) = change {
                    prop_assert!(window.end <= latest, "{change:?} past {first:?}");
                    prop_assert!(!first.has_passed(*at), "granted again after it lapsed");
                }
            }
        }
    }

    #[test]
    fn a_lease_is_extended_before_its_end(
        entra in entra(), length in length(), percent in 5..95_i32, step in 5..30_i64,
    ) {
        // Entra changes no active row in its first five minutes, so a lease of little more cannot be kept without a gap.
        let length = length.max(TimeDelta::minutes(15));
        let renew_before = (length * percent / 100).max(TimeDelta::minutes(6));
        let declared = Declared { start: None, end: DeclaredEnd::After(length) };
        let lease = Some(Lease { length, renew_before });
        let desired = Desired { declared, lease, mode: Mode::Manage, deletion_policy: DeletionPolicy::Revoke };
        let mut life = Life { entra, operator: Operator::new(desired) };
        life.operator.pass(&mut life.entra, true);
        let first = life.entra.now + length * 3;
        while life.entra.now < first {
            let wake = life.operator.wake.unwrap_or(life.entra.now).max(life.entra.now);
            life.entra.advance(wake + TimeDelta::seconds(step));
            prop_assert!(life.entra.truth().is_some(), "a gap at {}", life.entra.now);
            life.operator.pass(&mut life.entra, true);
        }
        let extends = life.operator.sent.iter().skip(1).all(|(_, change)| matches!(change, Change::Extend(_)));
        prop_assert!(extends && life.operator.sent.len() > 1, "{:?}", life.operator.sent);
    }

    #[test]
    fn deletion_ends_with_nothing_of_ours_or_says_why_not(
        mut life in life(desired()), events in eventful(), after in prop::collection::vec(event(), 0..4),
    ) {
        for (edit, event) in &events {
            if let Some(edit) = edit {
                life.edit(edit);
            }
            life.undergo(event);
        }
        life.operator.deleted = true;
        for event in &after {
            if let Some(Pass::Done(_)) = life.undergo(event) {
                break;
            }
        }
        let settled = settle(&mut life)?;
        let Life { entra, operator } = &life;
        let Desired { deletion_policy, mode, .. } = operator.desired;
        let truth = entra.truth();
        let ours = truth.filter(|row| {
            row.created_using.as_ref().is_some_and(|request| request.starts_with("op-"))
        });
        match settled {
            Pass::Done(Done::Gone) => prop_assert!(ours.is_none(), "{ours:?} stays"),
            Pass::Done(Done::Retained) => {
                prop_assert!(deletion_policy == DeletionPolicy::Retain || mode == Mode::Observe);
            }
            Pass::Done(Done::NeverManaged) => prop_assert!(ours.is_none(), "{ours:?} stays"),
            Pass::Held => prop_assert_eq!(mode, Mode::Suspended),
            Pass::Planned(decision) => prop_assert!(false, "{decision:?}"),
        }
    }

    #[test]
    fn observing_and_suspended_objects_write_nothing_through_a_whole_life(
        life in life(desired()), events in events(), observe in any::<bool>(),
    ) {
        let mut life = life;
        life.operator.desired.mode = if observe { Mode::Observe } else { Mode::Suspended };
        for event in &events {
            life.undergo(event);
        }
        prop_assert!(life.operator.sent.is_empty());
        prop_assert_eq!(life.operator.record.anchor, None);
    }

    #[test]
    fn whatever_is_refused_or_fails_requests_grow_rarer(
        entra in entra(), declared in declared(), refusals in prop::collection::vec(super::entra::fault(), 40),
    ) {
        let desired = Desired { declared, lease: None, mode: Mode::Manage, deletion_policy: DeletionPolicy::Revoke };
        let mut life = Life { entra, operator: Operator::new(desired) };
        let start = life.entra.now;
        for fault in refusals {
            life.entra.fault = Some(fault);
            life.operator.pass(&mut life.entra, true);
            let wake = life.operator.wake.unwrap_or(life.entra.now + TimeDelta::hours(1));
            life.entra.advance(wake.max(life.entra.now + TimeDelta::seconds(1)));
        }
        let within = |minutes| {
            let until = start + TimeDelta::minutes(minutes);
            life.operator.sent.iter().filter(|(at, _)| *at < until).count()
        };
        prop_assert!(within(10) <= 25, "{} requests in ten minutes", within(10));
    }
}
