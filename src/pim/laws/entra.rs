//! A model of Entra for one natural key: what Graph does with a request, what its lists show and when, and what others do.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::{
    any::{base, refusal},
    operator::action,
};
use crate::pim::{
    history::{Fate, Past},
    observed::{Outcome, Refusal, Row, Standing},
    plan::{Change, Why},
    window::{DeclaredEnd, End, MINIMUM, Window},
};

/// What befalls the next request.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Graph refuses it.
    Refuse(Refusal),
    /// Entra takes it and fails.
    Fail,
    /// Entra takes it and is done, or fails, this much later.
    Slow(TimeDelta, bool),
    /// The answer gets lost, and perhaps the request with it.
    Lost { carried_out: bool },
}

pub fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        2 => refusal().prop_map(Fault::Refuse),
        1 => Just(Fault::Fail),
        1 => (1..50_i64, any::<bool>()).prop_map(|(late, well)| Fault::Slow(TimeDelta::seconds(late), well)),
        2 => any::<bool>().prop_map(|carried_out| Fault::Lost { carried_out }),
    ]
}

/// A request that Entra has not finished.
#[derive(Clone, Debug)]
struct Pending {
    id: String,
    change: Change,
    due: DateTime<Utc>,
    well: bool,
}

#[derive(Clone, Debug)]
pub struct Entra {
    pub now: DateTime<Utc>,
    /// What befalls the next request.
    pub fault: Option<Fault>,
    /// Until when lists read empty by mistake.
    pub empty_until: Option<DateTime<Utc>>,
    /// Rows of the key that are nobody's to change.
    pub others: Vec<Row>,
    /// Whether somebody else has changed the row since, and when last.
    pub meddled: Option<DateTime<Utc>>,
    active: bool,
    lag: TimeDelta,
    shortfall: TimeDelta,
    /// Whether a membership made outside PIM can be updated, or only granted over.
    knows_plain: bool,
    ids: u32,
    /// What the assigned row was from each instant on.
    history: Vec<(DateTime<Utc>, Option<Row>)>,
    pending: Option<Pending>,
    /// What became of the last request.
    last: Option<Outcome>,
    /// What the next request says of itself: why it is sent, and the end that is declared.
    pub suffix: Option<(Why, DeclaredEnd)>,
    /// The operator's requests that were carried out, by id.
    requests: Vec<(String, Past)>,
}

pub fn entra() -> impl Strategy<Value = Entra> {
    let lag = prop_oneof![Just(0), 0..240_i64];
    (any::<[bool; 2]>(), lag, 0..=2_000_i64).prop_map(|([active, knows_plain], lag, shortfall)| {
        Entra {
            now: base(),
            fault: None,
            empty_until: None,
            others: vec![],
            meddled: None,
            active,
            lag: TimeDelta::seconds(lag),
            shortfall: TimeDelta::milliseconds(shortfall),
            knows_plain,
            ids: 0,
            history: vec![],
            pending: None,
            last: None,
            suffix: None,
            requests: vec![],
        }
    })
}

impl Entra {
    /// The same with lists that show every change at once.
    pub fn without_lag(self) -> Self {
        Self {
            lag: TimeDelta::zero(),
            ..self
        }
    }

    /// From when on lists show all that has happened, and what Entra is still working on.
    pub fn caught_up(&self) -> DateTime<Utc> {
        let last = self.history.last().map_or(base(), |(at, _)| *at);
        let due = self.pending.as_ref().map_or(last, |pending| pending.due);
        last.max(due) + self.lag
    }

    /// The assigned row as it is, whatever the lists show.
    pub fn truth(&self) -> Option<&Row> {
        self.row_at(self.now)
    }

    fn row_at(&self, at: DateTime<Utc>) -> Option<&Row> {
        let (_, row) = self.history.iter().rev().find(|(since, _)| *since <= at)?;
        row.as_ref().filter(|row| !row.has_lapsed(at))
    }

    /// The rows as Graph lists them.
    pub fn list(&self) -> Vec<Row> {
        let empty = self.empty_until.is_some_and(|until| self.now < until);
        let row = if empty {
            None
        } else {
            self.row_at(self.now - self.lag)
        };
        row.into_iter().chain(&self.others).cloned().collect()
    }

    /// Whether an instance is in force: forty seconds after its start.
    pub fn instance(&self) -> bool {
        self.truth()
            .is_some_and(|row| row.window.start + TimeDelta::seconds(40) <= self.now)
    }

    pub fn advance(&mut self, to: DateTime<Utc>) {
        self.now = self.now.max(to);
        if let Some(pending) = self.pending.take_if(|pending| pending.due <= self.now) {
            let now = std::mem::replace(&mut self.now, pending.due);
            let done = pending.well && self.apply(&pending.change, &pending.id).is_ok();
            self.now = now;
            let id = pending.id;
            self.last = Some(if done {
                Outcome::Succeeded { id }
            } else {
                Outcome::Failed
            });
        }
    }

    /// Sends the operator's request; the answer is what it learns at once.
    pub fn send(&mut self, change: &Change) -> Outcome {
        let id = self.id("op");
        let (carried_out, answer) = match self.fault.take() {
            Some(Fault::Refuse(refusal)) => (Outcome::NeverSent, Some(Outcome::Refused(refusal))),
            Some(Fault::Fail) => (Outcome::Failed, Some(Outcome::Failed)),
            Some(Fault::Slow(late, well)) if self.clone().apply(change, &id).is_ok() => {
                let (change, due) = (change.clone(), self.now + late);
                self.pending = Some(Pending {
                    id: id.clone(),
                    change,
                    due,
                    well,
                });
                (
                    Outcome::InProgress { id: id.clone() },
                    Some(Outcome::InProgress { id }),
                )
            }
            Some(Fault::Lost { carried_out: true }) => match self.apply(change, &id) {
                Ok(()) => (Outcome::Succeeded { id }, Some(Outcome::Unknown)),
                Err(_) => (Outcome::NeverSent, Some(Outcome::Unknown)),
            },
            Some(Fault::Lost { carried_out: false }) => {
                (Outcome::NeverSent, Some(Outcome::Unknown))
            }
            Some(Fault::Slow(..)) | None => match self.apply(change, &id) {
                Ok(()) => (Outcome::Succeeded { id }, None),
                Err(refusal) => (Outcome::Refused(refusal), None),
            },
        };
        self.last = Some(carried_out.clone());
        answer.unwrap_or(carried_out)
    }

    /// What Entra's request list says of the last request.
    pub fn inquire(&self) -> Outcome {
        self.last.clone().unwrap_or(Outcome::NeverSent)
    }

    fn id(&mut self, whose: &str) -> String {
        self.ids += 1;
        format!("{whose}-{}", self.ids)
    }

    /// The operator's requests as Entra's history lists them, one it is working on included.
    pub fn requests(&self) -> Vec<Past> {
        let done = self.requests.iter().map(|(_, past)| past.clone());
        let pending = self.pending.as_ref();
        done.chain(pending.map(|pending| self.past(&pending.change)))
            .collect()
    }

    fn past(&self, change: &Change) -> Past {
        let lasting = match self.suffix {
            Some((_, DeclaredEnd::After(length))) => Some(length),
            _ => None,
        };
        Past {
            at: self.now,
            action: action(change),
            why: self.suffix.map(|(why, _)| why.as_str().to_owned()),
            fate: Fate::Done,
            window: match change {
                Change::Assign(window) | Change::Update(window) | Change::Extend(window) => {
                    Some(*window)
                }
                Change::Remove | Change::Cancel { .. } => None,
            },
            lasting,
        }
    }

    fn apply(&mut self, change: &Change, id: &str) -> Result<(), Refusal> {
        self.carry_out(change, id)?;
        if let Change::Cancel { request_id } = change {
            // It has no request of its own.
            let withdrawn = |(id, past): &mut (String, Past)| {
                if id == request_id {
                    past.fate = Fate::Withdrawn;
                }
            };
            self.requests.iter_mut().for_each(withdrawn);
        } else {
            let past = self.past(change);
            self.requests.push((id.to_owned(), past));
        }
        Ok(())
    }

    fn carry_out(&mut self, change: &Change, id: &str) -> Result<(), Refusal> {
        let now = self.now;
        let row = self.truth().cloned();
        let started = row
            .as_ref()
            .filter(|row| row.created_using.is_some())
            .map(|row| row.window.start)
            .filter(|start| *start <= now);
        let young = self.active && started.is_some_and(|start| now < start + MINIMUM);
        let foreign_to_pim = |row: &Row| !self.knows_plain && row.created_using.is_none();
        match (change, row) {
            (Change::Update(_), Some(row)) if foreign_to_pim(&row) => Err(Refusal::DoesNotExist),
            (Change::Assign(_), Some(row)) if !foreign_to_pim(&row) => Err(Refusal::Exists),
            (Change::Assign(window), _) => {
                self.set(Some(self.row(*window, Some(id))));
                Ok(())
            }
            (Change::Cancel { request_id }, Some(row))
                if row.window.start > now && row.created_using.as_ref() == Some(request_id) =>
            {
                self.set(None);
                Ok(())
            }
            (Change::Cancel { .. }, _) => Err(Refusal::NotCancellable),
            (Change::Update(_) | Change::Extend(_) | Change::Remove, None) => {
                Err(Refusal::DoesNotExist)
            }
            (_, Some(_)) if young => Err(Refusal::MinimumDuration),
            (Change::Remove, Some(_)) => {
                self.set(None);
                Ok(())
            }
            (Change::Update(window) | Change::Extend(window), Some(_)) => {
                self.set(Some(self.row(*window, Some(id))));
                Ok(())
            }
        }
    }

    /// A row as Entra stores it: from now at the earliest, and a little short.
    fn row(&self, window: Window, request: Option<&str>) -> Row {
        Row {
            id: format!("schedule-{}", request.unwrap_or("plain")),
            status: "Provisioned".to_owned(),
            created_using: request.map(str::to_owned),
            standing: Standing::Assigned,
            active: self.active,
            window: Window {
                start: window.start.max(self.now),
                end: window.end.plus(-self.shortfall),
            },
        }
    }

    fn set(&mut self, row: Option<Row>) {
        self.history.push((self.now, row));
    }

    /// Somebody else gives the key this window, by PIM or as a plain membership, or takes it away.
    pub fn meddle(&mut self, window: Option<Window>, plain: bool) {
        let id = self.id("admin");
        let row = window.map(|window| self.row(window, (!plain).then_some(id.as_str())));
        self.meddled = Some(self.now);
        self.set(row);
    }

    /// A person activates the access, or somebody holds it through another group.
    pub fn add_other(&mut self, standing: Standing) {
        let id = self.id("other");
        let window = Window {
            start: self.now,
            end: End::At(self.now + TimeDelta::hours(8)),
        };
        self.others.push(Row {
            standing,
            ..self.row(window, Some(&id))
        });
    }
}
