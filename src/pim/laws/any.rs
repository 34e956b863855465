//! Generators. Instants lie around [`base`], often on the very edges that decisions turn on.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::{option, prelude::*, sample::select};

use crate::{
    api::{status::CreatedVia, terms::DeletionPolicy},
    pim::{
        desired::{Desired, Lease, Mode},
        history::History,
        observed::{
            Absence, Action, Anchor, Observation, Outcome, Record, Refusal, Row, Sent, Standing,
        },
        window::{Declared, DeclaredEnd, End, Window},
    },
};

pub fn base() -> DateTime<Utc> {
    DateTime::from_timestamp(1_796_083_200, 0).expect("an instant")
}

const DAY: i64 = 86_400;

/// Seconds, with the edges of tolerance, minimum and lag.
fn seconds() -> impl Strategy<Value = i64> {
    prop_oneof![
        select(vec![
            0, 1, 2, 14, 15, 59, 60, 61, 240, 299, 300, 301, 359, 360, 361
        ]),
        0..3_600_i64,
        0..400 * DAY,
    ]
}

fn offset() -> impl Strategy<Value = TimeDelta> {
    (any::<bool>(), seconds())
        .prop_map(|(later, by)| TimeDelta::seconds(if later { by } else { -by }))
}

pub fn instant() -> impl Strategy<Value = DateTime<Utc>> {
    offset().prop_map(|by| base() + by)
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![5 => instant().prop_map(End::At), 1 => Just(End::Never)]
}

pub fn window() -> impl Strategy<Value = Window> {
    (instant(), end()).prop_map(|(start, end)| Window { start, end })
}

pub fn length() -> impl Strategy<Value = TimeDelta> {
    prop_oneof![5..60_i64, 5..=90 * 1_440_i64].prop_map(TimeDelta::minutes)
}

/// Any declared window that a manifest may hold.
pub fn declared() -> impl Strategy<Value = Declared> {
    let end = prop_oneof![
        1 => Just(DeclaredEnd::Never),
        2 => instant().prop_map(DeclaredEnd::At),
        3 => length().prop_map(DeclaredEnd::After),
    ];
    (option::weighted(0.3, instant()), end).prop_map(|(start, end)| match (start, end) {
        (Some(start), DeclaredEnd::At(end)) if end < start + TimeDelta::minutes(5) => Declared {
            start: Some(start),
            end: DeclaredEnd::At(start + TimeDelta::minutes(5)),
        },
        (start, end) => Declared { start, end },
    })
}

pub fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![8 => Just(Mode::Manage), 1 => Just(Mode::Observe), 1 => Just(Mode::Suspended)]
}

pub fn policy() -> impl Strategy<Value = DeletionPolicy> {
    prop_oneof![4 => Just(DeletionPolicy::Revoke), 1 => Just(DeletionPolicy::Retain)]
}

/// What a manifest may ask for; a lease one time in three, where its window has a length.
pub fn desired() -> impl Strategy<Value = Desired> {
    (declared(), 0..3_u8, 1..99_i32, mode(), policy()).prop_map(
        |(declared, lease, percent, mode, deletion_policy)| Desired {
            declared,
            lease: match declared.end {
                DeclaredEnd::After(length) if lease == 0 => Some(Lease {
                    length,
                    renew_before: length * percent / 100,
                }),
                _ => None,
            },
            mode,
            deletion_policy,
        },
    )
}

/// The same without a lease.
pub fn lapsing() -> impl Strategy<Value = Desired> {
    desired().prop_map(|desired| Desired {
        lease: None,
        ..desired
    })
}

pub fn refusal() -> impl Strategy<Value = Refusal> {
    select(vec![
        Refusal::Exists,
        Refusal::DoesNotExist,
        Refusal::MinimumDuration,
        Refusal::Pending,
        Refusal::Policy,
        Refusal::Permission,
        Refusal::NotReplicated,
        Refusal::NotCancellable,
        Refusal::LastHolder,
        Refusal::Other,
    ])
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let id = || "op-1".to_owned();
    prop_oneof![
        1 => Just(Outcome::Unknown),
        1 => Just(Outcome::NeverSent),
        1 => Just(Outcome::InProgress { id: id() }),
        4 => Just(Outcome::Succeeded { id: id() }),
        1 => Just(Outcome::Failed),
        4 => refusal().prop_map(Outcome::Refused),
    ]
}

fn sent() -> impl Strategy<Value = Sent> {
    let action = select(vec![
        Action::AdminAssign,
        Action::AdminUpdate,
        Action::AdminExtend,
        Action::AdminRemove,
        Action::Cancel,
    ]);
    (
        action,
        seconds(),
        outcome(),
        0..40_u32,
        option::of(seconds()),
        any::<bool>(),
    )
        .prop_map(|(action, ago, outcome, failures, failing, current)| {
            let at = base() - TimeDelta::seconds(ago);
            let failing_since = failing.map(|before| at - TimeDelta::seconds(before));
            Sent {
                action,
                at,
                outcome,
                failures,
                failing_since,
                current,
                only_granted: ago % 7 == 0,
            }
        })
}

fn row() -> impl Strategy<Value = Row> {
    let standing = prop_oneof![
        4 => Just(Standing::Assigned),
        1 => Just(Standing::Activated),
        1 => Just(Standing::Foreign),
    ];
    (
        option::weighted(0.8, select(vec!["op-1", "admin-1"])),
        standing,
        any::<bool>(),
        window(),
    )
        .prop_map(|(created_using, standing, active, window)| Row {
            id: "schedule".to_owned(),
            status: "Provisioned".to_owned(),
            created_using: created_using.map(str::to_owned),
            standing,
            active,
            window,
        })
}

fn history() -> impl Strategy<Value = History> {
    prop_oneof![
        1 => Just(History::Unread),
        2 => Just(History::Silent),
        2 => window().prop_map(History::Granted),
    ]
}

/// All that a decision is made of, at [`base`].
#[derive(Clone, Debug)]
pub struct State {
    pub desired: Desired,
    pub record: Record,
    pub rows: Vec<Row>,
    pub absence: Option<Absence>,
    pub instance: Option<bool>,
    pub history: History,
}

impl State {
    pub fn observation(&self) -> Observation<'_> {
        Observation::Rows {
            rows: &self.rows,
            absence: self.absence,
            instance: self.instance,
            history: self.history,
        }
    }

    /// The same, with this for rows.
    pub fn with_rows(&self, rows: Vec<Row>) -> Self {
        Self {
            rows,
            ..self.clone()
        }
    }
}

/// Any state: more often than not with a window open for the declaration and a row that carries it.
pub fn state() -> impl Strategy<Value = State> {
    let anchor = (0..4_u8, declared(), window());
    let memory = (any::<[bool; 4]>(), option::of(sent()));
    let absence = option::of((seconds(), seconds())).prop_map(|absence| {
        absence.map(|(until, longer)| {
            let until = base() - TimeDelta::seconds(until);
            let since = until - TimeDelta::seconds(longer);
            Absence { since, until }
        })
    });
    let seen = (
        prop::collection::vec(row(), 0..3),
        any::<bool>(),
        absence,
        option::of(any::<bool>()),
        history(),
    );
    (desired(), anchor, memory, seen).prop_map(
        |(
            desired,
            (kind, declared, window),
            ([granted, confirmed, in_force, managed], last),
            seen,
        )| {
            let (mut rows, agree, absence, instance, history) = seen;
            let declared = if kind < 2 { desired.declared } else { declared };
            let anchor = (kind < 3).then_some(Anchor { declared, window });
            if agree && let (Some(row), Some(anchor)) = (rows.first_mut(), anchor) {
                row.window = anchor.window;
            }
            let created_via = managed.then_some(CreatedVia::Operator);
            let record = Record {
                anchor,
                created_via,
                granted,
                confirmed,
                in_force,
                last,
            };
            State {
                desired,
                record,
                rows,
                absence,
                instance,
                history,
            }
        },
    )
}
