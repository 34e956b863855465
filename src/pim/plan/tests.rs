//! One test for each situation, named as a sentence.

mod holding;
mod opening;
mod refusals;

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::{
    api::{status::CreatedVia, terms::DeletionPolicy},
    pim::{
        desired::Lease,
        observed::{Absence, Action, Outcome, Refusal, Sent, Standing},
        window::{Declared, DeclaredEnd, End},
    },
};

fn now() -> DateTime<Utc> {
    "2026-12-01T12:00:00Z".parse().expect("an instant")
}

fn minutes(minutes: i64) -> TimeDelta {
    TimeDelta::minutes(minutes)
}

fn hours(hours: i64) -> TimeDelta {
    TimeDelta::hours(hours)
}

/// From so much before or after now, for so long.
fn window(from: TimeDelta, length: TimeDelta) -> Window {
    let start = now() + from;
    Window {
        start,
        end: End::At(start + length),
    }
}

fn permanent(from: TimeDelta) -> Window {
    Window {
        start: now() + from,
        end: End::Never,
    }
}

const fn declared(start: Option<DateTime<Utc>>, end: DeclaredEnd) -> Declared {
    Declared { start, end }
}

const fn lasting(length: TimeDelta) -> Declared {
    declared(None, DeclaredEnd::After(length))
}

fn until(later: TimeDelta) -> Declared {
    declared(None, DeclaredEnd::At(now() + later))
}

fn row(window: Window) -> Row {
    Row {
        id: "schedule".to_owned(),
        status: "Provisioned".to_owned(),
        created_using: Some("request".to_owned()),
        standing: Standing::Assigned,
        active: false,
        window,
    }
}

/// A request sent so long ago for the present spec; its first failure, if it failed.
fn sent(action: Action, ago: TimeDelta, outcome: Outcome) -> Sent {
    let failed = matches!(outcome, Outcome::Failed | Outcome::Refused(_));
    let at = now() - ago;
    Sent {
        action,
        at,
        outcome,
        failures: u32::from(failed),
        failing_since: failed.then_some(at),
        current: true,
        only_granted: false,
    }
}

fn succeeded() -> Outcome {
    Outcome::Succeeded {
        id: "request".to_owned(),
    }
}

/// An object in a situation; each test says what is special about it.
#[derive(Clone)]
struct Case {
    desired: Desired,
    record: Record,
    rows: Vec<Row>,
    absence: Option<Absence>,
    instance: Option<bool>,
    history: History,
}

/// A new object, and nothing in Entra.
fn new(declared: Declared) -> Case {
    Case {
        desired: Desired {
            declared,
            lease: None,
            mode: Mode::Manage,
            deletion_policy: DeletionPolicy::Revoke,
        },
        record: Record::default(),
        rows: vec![],
        absence: None,
        instance: None,
        history: History::Silent,
    }
}

/// An object whose window was granted by the operator an hour ago, and is listed.
fn granted(declared: Declared, window: Window) -> Case {
    let mut case = new(declared);
    case.record = Record {
        anchor: Some(Anchor { declared, window }),
        created_via: Some(CreatedVia::Operator),
        granted: true,
        confirmed: true,
        in_force: false,
        last: Some(sent(Action::AdminAssign, hours(1), succeeded())),
    };
    case.rows = vec![row(window)];
    case
}

impl Case {
    fn plan(&self) -> Plan {
        self.plan_at(now())
    }

    fn plan_at(&self, now: DateTime<Utc>) -> Plan {
        let observation = Observation::Rows {
            rows: &self.rows,
            absence: self.absence,
            instance: self.instance,
            history: self.history,
        };
        plan(&self.desired, &self.record, &observation, now)
    }

    fn decision(&self) -> Decision {
        self.plan().decision
    }

    fn listing(mut self, rows: impl IntoIterator<Item = Row>) -> Self {
        self.rows = rows.into_iter().collect();
        self
    }

    fn edited(mut self, declared: Declared) -> Self {
        self.desired.declared = declared;
        if let Some(last) = &mut self.record.last {
            last.current = false;
        }
        self
    }

    fn after(mut self, sent: Sent) -> Self {
        self.record.last = Some(sent);
        self.record.confirmed = false;
        self
    }

    fn renewed(mut self, length: TimeDelta, renew_before: TimeDelta) -> Self {
        self.desired.lease = Some(Lease {
            length,
            renew_before,
        });
        self
    }

    fn in_mode(mut self, mode: Mode) -> Self {
        self.desired.mode = mode;
        self
    }
}

const PROVISIONED: Decision = Decision::Settled(Settled::Provisioned { adopted: false });
const ADOPTED: Decision = Decision::Settled(Settled::Provisioned { adopted: true });
const EXPIRED: Decision = Decision::Settled(Settled::Expired { regranted: false });

fn cancel() -> Change {
    Change::Cancel {
        request_id: "request".to_owned(),
    }
}
