//! What happens to an object in a generated history.

use chrono::TimeDelta;
use proptest::{option, prelude::*, sample::select};

use super::{
    any::{desired, mode},
    entra::{Entra, Fault, entra, fault},
    operator::{Operator, Pass},
};
use crate::pim::{
    desired::{Desired, Lease, Mode},
    observed::Standing,
    window::{End, Window},
};

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Event {
    /// The object is reconciled; the read may fail.
    Pass { read: bool },
    /// Time passes until the operator wakes by itself, and it is reconciled.
    Wake,
    /// Time passes.
    Time(TimeDelta),
    /// The next request goes wrong.
    Fault(Fault),
    /// Lists read empty for a moment.
    Empty,
    /// Somebody else sets the window, as so long from so much later, by PIM or as a plain membership.
    Meddle {
        ahead: TimeDelta,
        length: Option<TimeDelta>,
        plain: bool,
    },
    /// Somebody else ends the grant.
    Remove,
    /// The person activates, or holds the access through another group.
    Other(Standing),
    /// The activations end.
    NoOthers,
}

fn span() -> impl Strategy<Value = TimeDelta> {
    let edges = select(vec![1, 10, 15, 30, 61, 240, 300, 301, 3_600, 86_400]);
    prop_oneof![3 => edges, 1 => 0..3_600_i64, 1 => 0..40 * 86_400_i64].prop_map(TimeDelta::seconds)
}

pub fn event() -> impl Strategy<Value = Event> {
    let ahead = prop_oneof![3 => Just(TimeDelta::zero()), 1 => span()];
    prop_oneof![
        4 => prop::bool::weighted(0.9).prop_map(|read| Event::Pass { read }),
        6 => Just(Event::Wake),
        4 => span().prop_map(Event::Time),
        3 => fault().prop_map(Event::Fault),
        1 => Just(Event::Empty),
        3 => (ahead, option::weighted(0.8, span()), prop::bool::weighted(0.2))
            .prop_map(|(ahead, length, plain)| Event::Meddle { ahead, length, plain }),
        2 => Just(Event::Remove),
        1 => select(vec![Standing::Activated, Standing::Foreign]).prop_map(Event::Other),
        1 => Just(Event::NoOthers),
    ]
}

/// Something done to the object by its author.
#[derive(Clone, Debug)]
pub enum Edit {
    Spec(Desired),
    Mode(Mode),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![desired().prop_map(Edit::Spec), mode().prop_map(Edit::Mode)]
}

pub fn events() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(event(), 0..20)
}

/// Events with edits among them.
pub fn eventful() -> impl Strategy<Value = Vec<(Option<Edit>, Event)>> {
    prop::collection::vec((option::weighted(0.1, edit()), event()), 0..20)
}

/// An object and the tenant it lives in.
#[derive(Clone, Debug)]
pub struct Life {
    pub entra: Entra,
    pub operator: Operator,
}

/// A lease that is due again before lists show its last extension never comes to rest: leave those out.
fn keepable(desired: Desired) -> Desired {
    let ample = |lease: &Lease| lease.length - lease.renew_before >= TimeDelta::minutes(10);
    Desired {
        lease: desired.lease.filter(ample),
        ..desired
    }
}

/// A fresh object that asks for this, in a tenant where the access may exist already.
pub fn life(desired: impl Strategy<Value = Desired>) -> impl Strategy<Value = Life> {
    (entra(), desired, option::weighted(0.3, event())).prop_map(|(entra, desired, before)| {
        let desired = keepable(desired);
        let operator = Operator::new(desired);
        let mut life = Life { entra, operator };
        if let Some(event @ (Event::Meddle { .. } | Event::Other(_))) = before {
            life.undergo(&event);
        }
        life
    })
}

impl Life {
    pub fn undergo(&mut self, event: &Event) -> Option<Pass> {
        let Self { entra, operator } = self;
        let now = entra.now;
        match *event {
            Event::Pass { read } => return Some(operator.pass(entra, read)),
            Event::Wake => {
                entra.advance(operator.wake.unwrap_or(now));
                return Some(operator.pass(entra, true));
            }
            Event::Time(by) => entra.advance(now + by),
            Event::Fault(fault) => entra.fault = Some(fault),
            Event::Empty => entra.empty_until = Some(now + TimeDelta::seconds(10)),
            Event::Meddle {
                ahead,
                length,
                plain,
            } => {
                let start = now + ahead;
                let end = if plain {
                    None
                } else {
                    length.map(|length| start + length)
                };
                entra.meddle(
                    Some(Window {
                        start,
                        end: End::from(end),
                    }),
                    plain,
                );
            }
            Event::Remove => entra.meddle(None, false),
            Event::Other(standing) => entra.add_other(standing),
            Event::NoOthers => entra.others.clear(),
        }
        None
    }

    pub fn edit(&mut self, edit: &Edit) {
        let desired = match *edit {
            Edit::Spec(desired) => keepable(desired),
            Edit::Mode(mode) => Desired {
                mode,
                ..self.operator.desired
            },
        };
        self.operator.edit(desired);
    }
}
