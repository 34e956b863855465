//! Laws of the removal guard, on generated histories: objects ask, requests are carried out, refused or never answered, time
//! passes, people acknowledge, and the process is restarted.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::{GUARD, any::base, cases};
use crate::{
    api::{removal_guard::RemovalGuardStatus, tenant::RemovalGuard},
    pim::{
        guard::{Acknowledged, Answer, BadAcknowledgment, Effect, Guard, Limits, effect},
        plan::{Change, Why},
        window::{End, Window},
    },
};

/// How many grants the tenant of a history has.
const ESTATE: u32 = 60;

#[derive(Clone, Debug)]
enum Step {
    /// An object asks.
    Ask(u32),
    /// The request of an object was carried out, or was not.
    Outcome(u32, bool),
    /// So many seconds pass.
    Pass(i64),
    /// Somebody acknowledges the present trip for a count.
    Acknowledge(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..ESTATE).prop_map(Step::Ask),
        4 => (0..ESTATE, prop::bool::weighted(0.7)).prop_map(|(uid, done)| Step::Outcome(uid, done)),
        2 => prop_oneof![0_i64..30, 0_i64..1200].prop_map(Step::Pass),
        1 => (0_u32..8).prop_map(Step::Acknowledge),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    (0_u32..8, 0_u32..30, 1_i64..30).prop_map(|(max_removals, max_percent, minutes)| Limits {
        max_removals,
        max_percent,
        window: TimeDelta::minutes(minutes),
    })
}

/// One revocation that was let through.
#[derive(Clone, Debug)]
struct Sent {
    uid: u32,
    at: DateTime<Utc>,
    acknowledged: bool,
    /// None while nobody knows.
    done: Option<bool>,
}

/// A history: the guard, and what really happened.
struct History {
    guard: Guard,
    limits: Limits,
    now: DateTime<Utc>,
    trips: u32,
    sent: Vec<Sent>,
    /// The acknowledgments that were taken, and how many each has let through.
    taken: Vec<(String, u32, u32)>,
}

fn uid(number: u32) -> String {
    format!("uid-{number}")
}

impl History {
    fn new(limits: Limits) -> Self {
        Self {
            guard: Guard::default(),
            limits,
            now: base(),
            trips: 0,
            sent: Vec::new(),
            taken: Vec::new(),
        }
    }

    fn managed(&self) -> u32 {
        let gone = self.sent.iter().filter(|sent| sent.done != Some(false));
        ESTATE.saturating_sub(u32::try_from(gone.count()).unwrap())
    }

    fn ask(&mut self, number: u32) -> Answer {
        let managed = self.managed();
        let trip = format!("trip-{}", self.trips);
        let tripped = self.guard.tripped().is_some();
        let left = |guard: &Guard| guard.status().acknowledged.map(|one| one.left);
        let before = left(&self.guard);
        let answer = self
            .guard
            .ask(&uid(number), managed, &self.limits, self.now, &trip);
        if !tripped && self.guard.tripped().is_some() {
            self.trips += 1;
        }
        match answer {
            Answer::Allow { again: false } => {
                let acknowledged = left(&self.guard) < before && left(&self.guard).is_some();
                if acknowledged {
                    self.taken.last_mut().unwrap().2 += 1;
                }
                self.sent.push(Sent {
                    uid: number,
                    at: self.now,
                    acknowledged,
                    done: None,
                });
            }
            Answer::Allow { again: true } => {
                let now = self.now;
                self.open(number).unwrap().at = now;
            }
            Answer::Wait | Answer::Hold => {}
        }
        answer
    }

    /// The last request of an object, while nobody knows its outcome.
    fn open(&mut self, number: u32) -> Option<&mut Sent> {
        let of_object = |sent: &&mut Sent| sent.uid == number && sent.done.is_none();
        self.sent.iter_mut().rev().find(of_object)
    }

    fn outcome(&mut self, number: u32, done: bool) {
        let Some(sent) = self.open(number) else {
            return;
        };
        sent.done = Some(done);
        let acknowledged = sent.acknowledged;
        if done {
            self.guard.carried_out(&uid(number), &self.limits, self.now);
        } else if self.guard.not_carried_out(&uid(number)) && acknowledged {
            self.taken.last_mut().unwrap().2 -= 1;
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Ask(number) => {
                self.ask(number);
            }
            Step::Outcome(number, done) => self.outcome(number, done),
            Step::Pass(seconds) => self.now += TimeDelta::seconds(seconds),
            Step::Acknowledge(count) => {
                if let Some(trip) = self.guard.tripped().cloned() {
                    let value = format!("{}:{count}", trip.id);
                    let taken = self.guard.acknowledge(&value, self.now);
                    assert_eq!(taken, Ok(Acknowledged::Taken(count)));
                    self.taken.push((value, count, 0));
                }
            }
        }
    }

    /// The most that may have been revoked within one window without an acknowledgment.
    fn most_in_a_window(&self) -> usize {
        let counts = |sent: &&Sent| !sent.acknowledged && sent.done != Some(false);
        let times: Vec<_> = self
            .sent
            .iter()
            .filter(counts)
            .map(|sent| sent.at)
            .collect();
        let within = |from: &DateTime<Utc>| {
            let to = *from + self.limits.window;
            times.iter().filter(|at| (*from..to).contains(*at)).count()
        };
        times.iter().map(within).max().unwrap_or_default()
    }
}

/// A guard that has just tripped, at its limit.
fn tripped(limits: Limits) -> History {
    let mut history = History::new(limits);
    for number in 0..ESTATE {
        if history.ask(number) == Answer::Hold {
            break;
        }
        history.outcome(number, true);
    }
    history
}

fn narrow() -> impl Strategy<Value = Limits> {
    limits().prop_map(|limits| Limits {
        max_percent: limits.max_percent.min(20),
        ..limits
    })
}

proptest! {
    #![proptest_config(cases(GUARD))]

    #[test]
    fn no_more_than_the_limit_goes_within_any_window_without_an_acknowledgment(
        limits in limits(), steps in prop::collection::vec(step(), 0..80),
    ) {
        let mut history = History::new(limits);
        for step in &steps {
            history.step(step);
        }
        let allowed = limits.allowed(ESTATE) as usize;
        prop_assert!(history.most_in_a_window() <= allowed, "{:?}", history.sent);
    }

    #[test]
    fn an_acknowledgment_lets_no_more_through_than_its_count_and_never_works_again(
        limits in limits(), steps in prop::collection::vec(step(), 0..80),
    ) {
        let mut history = History::new(limits);
        for step in &steps {
            history.step(step);
            for (value, count, used) in history.taken.clone() {
                prop_assert!(used <= count);
                let before = history.guard.clone();
                let again = history.guard.acknowledge(&value, history.now);
                prop_assert!(!matches!(again, Ok(Acknowledged::Taken(_))));
                prop_assert_eq!(&history.guard, &before);
            }
        }
    }

    #[test]
    fn an_acknowledgment_lets_exactly_its_count_through_refusals_not_counted(
        limits in narrow(), count in 0_u32..20, refused in prop::collection::vec(any::<bool>(), 0..20),
    ) {
        let mut history = tripped(limits);
        let trip = history.guard.tripped().unwrap().id.clone();
        let value = format!("{trip}:{count}");
        prop_assert_eq!(history.guard.acknowledge(&value, history.now), Ok(Acknowledged::Taken(count)));
        history.taken.push((value, count, 0));
        let mut refusals = refused.into_iter();
        let mut done = 0;
        for number in 0..200 {
            match history.ask(1000 + number) {
                Answer::Allow { .. } => {
                    let refused = refusals.next().unwrap_or_default();
                    history.outcome(1000 + number, !refused);
                    done += u32::from(!refused);
                }
                Answer::Hold => break,
                Answer::Wait => prop_assert!(false, "nothing is under way"),
            }
        }
        prop_assert_eq!(done, count);
        prop_assert_ne!(&history.guard.tripped().unwrap().id, &trip);
    }

    #[test]
    fn a_restart_at_any_point_changes_nothing(
        limits in limits(), steps in prop::collection::vec(step(), 0..80),
    ) {
        let mut history = History::new(limits);
        for step in &steps {
            history.step(step);
            let recorded = serde_json::to_string(&history.guard.status()).unwrap();
            let read: RemovalGuardStatus = serde_json::from_str(&recorded).unwrap();
            prop_assert_eq!(&Guard::read(&read), &history.guard);
            history.guard = Guard::read(&read);
        }
        let status = history.guard.status();
        prop_assert!(status.recent.len() <= 64 && status.under_way.len() <= 512);
    }

    #[test]
    fn the_order_in_which_objects_ask_makes_no_difference(
        limits in limits(), steps in prop::collection::vec(step(), 0..40),
        order in Just((100..160_u32).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let run = |order: &[u32]| {
            let mut history = History::new(limits);
            for step in &steps {
                history.step(step);
            }
            let answers: Vec<_> = order.iter().map(|number| history.ask(*number)).collect();
            let allowed = answers.iter().filter(|one| matches!(one, Answer::Allow { .. })).count();
            let held = answers.iter().filter(|one| **one == Answer::Hold).count();
            (allowed, held, history.guard.counted())
        };
        let mut sorted = order.clone();
        sorted.sort_unstable();
        prop_assert_eq!(run(&order), run(&sorted));
    }

    #[test]
    fn a_clock_that_is_set_back_neither_forgets_nor_holds_for_longer_than_a_window(
        limits in narrow(), back in 1_i64..10_000_000,
    ) {
        let limits = Limits { max_removals: limits.max_removals.max(1), ..limits };
        let mut history = History::new(limits);
        let mut done = 0;
        while done < limits.allowed(ESTATE) {
            prop_assert_eq!(history.ask(done), Answer::Allow { again: false });
            history.outcome(done, true);
            done += 1;
        }
        history.now -= TimeDelta::seconds(back);
        let counted = history.guard.counted();
        let mut early = history.guard.clone();
        prop_assert_eq!(early.ask("other", 0, &limits, history.now, "trip"), Answer::Hold);
        prop_assert_eq!(early.counted(), counted);
        let mut late = early.clone();
        let value = "trip:0";
        prop_assert_eq!(late.acknowledge(value, history.now), Ok(Acknowledged::Taken(0)));
        let later = history.now + limits.window * 2 + TimeDelta::minutes(4);
        prop_assert_eq!(late.ask("other", ESTATE, &limits, later, "next"), Answer::Allow { again: false });
        prop_assert_eq!(late.counted(), 1);
    }
}

#[test]
fn a_refusal_gives_its_place_back_and_trips_nothing() {
    let limits = Limits::default();
    let mut guard = Guard::default();
    let now = base();
    for number in 0..5 {
        let answer = guard.ask(&uid(number), 10 - number, &limits, now, "a");
        assert_eq!(answer, Answer::Allow { again: false });
    }
    assert_eq!(guard.ask("six", 5, &limits, now, "a"), Answer::Wait);
    assert!(guard.not_carried_out(&uid(0)));
    assert_eq!(
        guard.ask("six", 6, &limits, now, "a"),
        Answer::Allow { again: false }
    );
    assert_eq!(
        guard.ask("six", 5, &limits, now, "a"),
        Answer::Allow { again: true }
    );
    for number in (1..5).map(uid).chain(["six".to_owned()]) {
        assert!(guard.carried_out(&number, &limits, now));
    }
    assert!(guard.tripped().is_none());
    assert_eq!(guard.ask("seven", 5, &limits, now, "a"), Answer::Hold);
    let trip = guard.tripped().unwrap();
    assert_eq!((trip.revoked, trip.managed), (5, 10));
}

#[test]
fn once_tripped_it_stays_tripped_however_long_nobody_looks() {
    let limits = Limits::default();
    let mut history = tripped(limits);
    history.now += TimeDelta::days(30);
    assert_eq!(history.ask(59), Answer::Hold);
}

#[test]
fn acknowledgments_that_are_none_are_refused_each_in_its_own_words() {
    let mut history = tripped(Limits::default());
    let now = history.now;
    let id = history.guard.tripped().unwrap().id.clone();
    let guard = &mut history.guard;
    for malformed in [
        "", "yes", ":3", "trip", "trip:", "trip:-1", "trip:all", "trip:1:2",
    ] {
        let refused = guard.acknowledge(malformed, now);
        assert_eq!(refused, Err(BadAcknowledgment::Malformed), "{malformed}");
    }
    let other = guard.acknowledge("other:3", now);
    assert_eq!(other, Err(BadAcknowledgment::OtherTrip));
    let value = format!("{id}:3");
    assert_eq!(guard.acknowledge(&value, now), Ok(Acknowledged::Taken(3)));
    assert_eq!(guard.acknowledge(&value, now), Ok(Acknowledged::Earlier));
    let more = guard.acknowledge(&format!("{id}:300"), now);
    assert_eq!(more, Err(BadAcknowledgment::Used));
}

#[test]
fn an_acknowledgment_that_nobody_uses_runs_out() {
    let mut history = tripped(Limits::default());
    let id = history.guard.tripped().unwrap().id.clone();
    history
        .guard
        .acknowledge(&format!("{id}:100"), history.now)
        .unwrap();
    history.taken.push((String::new(), 100, 0));
    history.now += TimeDelta::minutes(59);
    assert_eq!(history.ask(50), Answer::Allow { again: false });
    history.outcome(50, true);
    assert_eq!(history.guard.status().acknowledged.unwrap().left, 99);
    history.now += TimeDelta::minutes(61);
    assert_eq!(history.ask(51), Answer::Allow { again: false });
    assert_eq!(history.guard.status().acknowledged, None);
}

#[test]
fn a_change_counts_if_it_takes_access_away_that_was_granted() {
    let window = Window {
        start: base(),
        end: End::Never,
    };
    let request_id = "request".to_owned();
    let cancel = Change::Cancel { request_id };
    let all = [
        (Why::Deleted, Effect::Revokes, Effect::Revokes),
        (Why::AuthorityLost, Effect::Revokes, Effect::Revokes),
        (Why::EndedByEdit, Effect::Revokes, Effect::Revokes),
        (Why::WindowEdited, Effect::Revokes, Effect::Grants),
        (Why::Differs, Effect::Revokes, Effect::Grants),
        (Why::Outlived, Effect::Corrects, Effect::Corrects),
        (Why::Altered, Effect::Corrects, Effect::Corrects),
    ];
    for (why, removed, cancelled) in all {
        assert_eq!(effect(&Change::Remove, why), removed, "{why:?}");
        assert_eq!(effect(&cancel, why), cancelled, "{why:?}");
        for change in [
            Change::Assign(window),
            Change::Update(window),
            Change::Extend(window),
        ] {
            assert_eq!(effect(&change, why), Effect::Grants, "{why:?}");
        }
    }
}

#[test]
fn limits_are_read_from_the_manifest_and_default_where_it_is_silent() {
    assert_eq!(Limits::read(None), Limits::default());
    let spec = RemovalGuard {
        max_removals: Some(0),
        max_percent: None,
        window: Some("2h".to_owned()),
    };
    let limits = Limits::read(Some(&spec));
    assert_eq!(limits.window, TimeDelta::hours(2));
    assert_eq!((limits.allowed(0), limits.allowed(99)), (0, 19));
    assert_eq!(Limits::default().allowed(10), 5);
    assert_eq!(Limits::default().allowed(200), 40);
}
