//! A reconciler's bookkeeping around the decisions: what it persists before a request, and after the answer.

use chrono::{DateTime, TimeDelta, Utc};

use super::entra::Entra;
use crate::{
    api::status::CreatedVia,
    pim::{
        desired::Desired,
        history::{History, recall},
        observed::{Absence, Action, Observation, Outcome, Record, Sent, assigned},
        plan::{Change, Decision, POLL, Plan, Settled, plan},
        removal::{Done, Removal, removal},
    },
};

#[derive(Clone, Debug)]
pub struct Operator {
    pub desired: Desired,
    pub record: Record,
    pub deleted: bool,
    /// When lists have been read in a row without a row of ours.
    absent: Vec<DateTime<Utc>>,
    /// When to decide again.
    pub wake: Option<DateTime<Utc>>,
    /// Every request that was sent.
    pub sent: Vec<(DateTime<Utc>, Change)>,
}

/// What a pass came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pass {
    Planned(Decision),
    Done(Done),
    Held,
}

impl Pass {
    pub fn has_settled(&self) -> bool {
        matches!(
            self,
            Self::Planned(Decision::Settled(_) | Decision::Withheld(_))
                | Self::Done(_)
                | Self::Held
        )
    }
}

impl Operator {
    pub fn new(desired: Desired) -> Self {
        Self {
            desired,
            record: Record::default(),
            deleted: false,
            absent: vec![],
            wake: None,
            sent: vec![],
        }
    }

    /// The object is edited: what was asked for before says nothing about the new spec.
    pub fn edit(&mut self, desired: Desired) {
        self.desired = desired;
        if let Some(last) = &mut self.record.last {
            last.current = false;
        }
    }

    /// The cluster is lost, and the manifest applied to another: nothing is left of the record.
    pub fn rebuild(&mut self) {
        self.record = Record::default();
        self.absent.clear();
        self.wake = None;
    }

    /// One reconciliation: read, decide, act on the decision, remember.
    pub fn pass(&mut self, entra: &mut Entra, read: bool) -> Pass {
        if let Some(Sent {
            outcome: Outcome::InProgress { .. },
            ..
        }) = self.record.last
        {
            self.learn(entra.inquire(), entra.now);
        }
        let rows = entra.list();
        if read {
            if assigned(&rows).is_some() {
                self.absent.clear();
            } else {
                self.absent.push(entra.now);
            }
        }
        let mut instance = None;
        let mut history = History::Unread;
        loop {
            let observation = if read {
                Observation::Rows {
                    rows: &rows,
                    absence: self.absence(),
                    instance,
                    history,
                }
            } else {
                Observation::Unknown
            };
            let plan = match self.decide(&observation, entra.now) {
                Ok(plan) => plan,
                Err(pass) => return pass,
            };
            match plan.decision {
                Decision::Inquire => self.learn(entra.inquire(), entra.now),
                Decision::ReadInstances => {
                    instance = Some(entra.instance());
                    self.record.in_force |= instance == Some(true);
                }
                Decision::Recall => {
                    history = recall(&self.desired, &entra.requests(), entra.now);
                }
                _ => return self.act(plan, entra),
            }
        }
    }

    fn absence(&self) -> Option<Absence> {
        let from = self.record.reads_count_from();
        let counts = |at: &&DateTime<Utc>| from.is_none_or(|from| **at >= from);
        Some(Absence {
            since: *self.absent.iter().find(counts)?,
            until: *self.absent.last()?,
        })
    }

    fn decide(&self, observation: &Observation<'_>, now: DateTime<Utc>) -> Result<Plan, Pass> {
        let Desired {
            deletion_policy,
            mode,
            ..
        } = self.desired;
        if !self.deleted {
            return Ok(plan(&self.desired, &self.record, observation, now));
        }
        match removal(deletion_policy, mode, &self.record, observation, now) {
            Removal::First(plan) => Ok(plan),
            Removal::Done(done) => Err(Pass::Done(done)),
            Removal::Held => Err(Pass::Held),
        }
    }

    fn act(&mut self, plan: Plan, entra: &mut Entra) -> Pass {
        if self.record.anchor != plan.anchor {
            self.record.anchor = plan.anchor;
            self.record.granted = false;
            self.record.in_force = false;
        }
        self.wake = plan.wake;
        match &plan.decision {
            Decision::Settled(
                Settled::Provisioned { adopted } | Settled::Scheduled { adopted },
            ) if plan.anchor.is_some() => {
                let via = if *adopted {
                    CreatedVia::Adopted
                } else {
                    CreatedVia::Operator
                };
                self.record.created_via.get_or_insert(via);
                self.record.granted = true;
                self.record.confirmed = true;
            }
            Decision::Send(change, why) => {
                let now = entra.now;
                entra.suffix = Some((*why, self.desired.declared.end));
                self.sent.push((now, change.clone()));
                self.record.confirmed = false;
                let before = self.record.last.take();
                let failing = before
                    .filter(|sent| matches!(sent.outcome, Outcome::Failed | Outcome::Refused(_)));
                self.record.last = Some(Sent {
                    action: action(change),
                    at: now,
                    outcome: Outcome::Unknown,
                    failures: failing.as_ref().map_or(0, |sent| sent.failures),
                    failing_since: failing.and_then(|sent| sent.failing_since),
                    current: true,
                    only_granted: false,
                });
                let answer = entra.send(change);
                self.learn(answer, now);
                self.wake = Some(now + TimeDelta::seconds(1));
            }
            _ => {}
        }
        Pass::Planned(plan.decision)
    }

    fn learn(&mut self, outcome: Outcome, now: DateTime<Utc>) {
        let Some(sent) = &mut self.record.last else {
            return;
        };
        match outcome {
            Outcome::Failed | Outcome::Refused(_) => {
                sent.failures += 1;
                sent.failing_since.get_or_insert(now);
            }
            Outcome::Succeeded { .. } if !sent.action.is_removal() => {
                self.record.granted = true;
                self.record.created_via.get_or_insert(CreatedVia::Operator);
            }
            _ => {}
        }
        sent.outcome = outcome;
    }

    /// Passes at every wake until the object is settled and lists have caught up; the number of passes is bounded.
    pub fn settle(&mut self, entra: &mut Entra) -> Result<Pass, String> {
        entra.fault = None;
        entra.empty_until = None;
        let mut trace = vec![];
        for _ in 0..400 {
            let pass = self.pass(entra, true);
            let caught_up = entra.caught_up();
            if matches!(pass, Pass::Done(_)) || pass.has_settled() && entra.now >= caught_up {
                return Ok(pass);
            }
            let wake = if pass.has_settled() {
                caught_up
            } else {
                self.wake.unwrap_or(entra.now + POLL)
            };
            trace.push((entra.now, pass));
            entra.advance(wake);
        }
        let tail = trace.split_off(trace.len() - 12);
        Err(format!(
            "never settles: {tail:#?}\n{:#?}\n{entra:#?}",
            self.record
        ))
    }
}

pub fn action(change: &Change) -> Action {
    match change {
        Change::Assign(_) => Action::AdminAssign,
        Change::Update(_) => Action::AdminUpdate,
        Change::Extend(_) => Action::AdminExtend,
        Change::Remove => Action::AdminRemove,
        Change::Cancel { .. } => Action::Cancel,
    }
}
