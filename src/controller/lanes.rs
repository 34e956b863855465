//! Lanes: how many passes a tenant has in hand at once, each tenant for itself.
//!
//! A pass waits for Graph, and a Graph that throttles or hangs makes all passes of its tenant wait. With one bound for all
//! tenants they would soon fill it, and tenants in good health would wait with them. So the controllers run without a bound, and
//! each tenant has its own. An object that finds its lane full leaves its name and goes; it is called when its turn
//! comes. Ten thousand objects that wait cost ten thousand names, not as many tasks.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex},
};

use kube::{core::DeserializeGuard, runtime::controller::Action};
use tracing::Instrument;

use super::{
    grant::{Grant, ObjectKey},
    reconcile::{ReconcileError, Reconciler, reconcile},
    spans,
    wakeups::{Wakeups, lock},
};

/// How many objects of a kind are looked at at once in a tenant. Graph's own limit lies in the tenant's limiter.
const WIDTH: usize = 32;

/// A kind and a tenant.
type LaneKey = (&'static str, String);

/// The lanes of all tenants.
pub struct Lanes {
    wakeups: Arc<Wakeups>,
    lanes: Mutex<HashMap<LaneKey, Lane>>,
}

/// One tenant's lane for one kind. `in_hand` and `called` together never exceed [`WIDTH`].
#[derive(Debug, Default)]
struct Lane {
    /// How many passes are under way.
    in_hand: usize,
    /// Whoever has been called and has not come yet; a place is kept for each.
    called: HashSet<ObjectKey>,
    /// Whoever waits, in order of arrival.
    order: VecDeque<ObjectKey>,
    /// The same, for a quick look.
    waiting: HashSet<ObjectKey>,
}

/// Leave to look at one object; given back when dropped.
pub struct Turn {
    lanes: Arc<Lanes>,
    key: LaneKey,
}

impl Lane {
    fn has_room(&self) -> bool {
        self.in_hand + self.called.len() < WIDTH
    }

    /// Takes a place if it is kept for the object, or if there is room and nobody waits; otherwise the object waits.
    fn enter(&mut self, object: &ObjectKey) -> bool {
        let called = self.called.remove(object);
        if called || (self.order.is_empty() && self.has_room()) {
            self.in_hand += 1;
            return true;
        }
        if self.waiting.insert(object.clone()) {
            self.order.push_back(object.clone());
        }
        false
    }

    /// Whom to call now that there may be room.
    fn call(&mut self) -> Vec<ObjectKey> {
        let mut next = Vec::new();
        while self.has_room()
            && let Some(object) = self.order.pop_front()
        {
            self.waiting.remove(&object);
            self.called.insert(object.clone());
            next.push(object);
        }
        next
    }

    /// An object that is gone neither waits nor comes.
    fn forget(&mut self, object: &ObjectKey) {
        self.called.remove(object);
        if self.waiting.remove(object) {
            self.order.retain(|waiting| waiting != object);
        }
    }

    fn is_empty(&self) -> bool {
        self.in_hand == 0 && self.called.is_empty() && self.order.is_empty()
    }
}

impl Lanes {
    /// Nobody under way.
    #[must_use]
    pub fn new(wakeups: Arc<Wakeups>) -> Self {
        Self {
            wakeups,
            lanes: Mutex::default(),
        }
    }

    /// A turn for an object; none when its lane is full: then it is triggered when its turn has come.
    pub fn enter(self: &Arc<Self>, object: &ObjectKey, tenant: &str) -> Option<Turn> {
        let key = (object.kind, tenant.to_owned());
        lock(&self.lanes)
            .entry(key.clone())
            .or_default()
            .enter(object)
            .then(|| Turn {
                lanes: Arc::clone(self),
                key,
            })
    }

    /// Forgets an object that is gone, or that needs no turn; a place that was kept for it passes on.
    pub fn forget(&self, object: &ObjectKey) {
        self.change(|key| key.0 == object.kind, |lane| lane.forget(object));
    }

    /// How many passes of each kind are under way, and how many objects wait for theirs.
    pub fn count(&self) -> BTreeMap<(&'static str, &'static str), u64> {
        let mut counts = BTreeMap::new();
        for (key, lane) in lock(&self.lanes).iter() {
            let waiting = lane.order.len() + lane.called.len();
            for (state, number) in [("running", lane.in_hand), ("waiting", waiting)] {
                *counts.entry((key.0, state)).or_default() += number as u64;
            }
        }
        counts
    }

    fn change(&self, concerns: impl Fn(&LaneKey) -> bool, change: impl Fn(&mut Lane)) {
        let mut called = Vec::new();
        let mut lanes = lock(&self.lanes);
        for (_, lane) in lanes.iter_mut().filter(|(key, _)| concerns(key)) {
            change(lane);
            called.extend(lane.call());
        }
        // Manifests name tenants at will: lanes that nobody is in must not pile up.
        lanes.retain(|key, lane| !concerns(key) || !lane.is_empty());
        drop(lanes);
        for object in called {
            self.wakeups.trigger(&object);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.lanes
            .change(|key| *key == self.key, |lane| lane.in_hand -= 1);
    }
}

/// Runs a pass for an object if it is its turn in its tenant's lane.
///
/// # Errors
/// As [`reconcile`].
pub async fn reconcile_in_turn<K: Grant>(
    guard: Arc<DeserializeGuard<K>>,
    reconciler: Arc<Reconciler<K>>,
) -> Result<Action, ReconcileError> {
    if !reconciler.context.fence.leads() {
        // All are looked at when this replica begins to lead.
        return Ok(Action::await_change());
    }
    let object = ObjectKey::of(K::KIND, guard.as_ref());
    let lanes = &reconciler.context.lanes;
    let mut turn = None;
    if let Ok(grant) = &guard.0 {
        turn = lanes.enter(&object, &grant.terms().tenant_ref.name);
        if turn.is_none() {
            return Ok(Action::await_change());
        }
    } else {
        // What cannot be read has no tenant, and nothing of it waits for Graph.
        lanes.forget(&object);
    }
    let span = spans::reconcile(&object);
    let pass = reconcile(guard, Arc::clone(&reconciler)).instrument(span.clone());
    let outcome = Box::pin(pass).await;
    spans::ended(&span, outcome.is_ok());
    drop(turn);
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::clock::SystemClock;

    fn lanes() -> (Arc<Lanes>, tokio::sync::mpsc::UnboundedReceiver<ObjectKey>) {
        let wakeups = Arc::new(Wakeups::new(Arc::new(SystemClock)));
        let triggers = wakeups.triggers("GroupEligibility");
        (Arc::new(Lanes::new(wakeups)), triggers)
    }

    fn object(kind: &'static str, number: usize) -> ObjectKey {
        ObjectKey {
            kind,
            namespace: "payments".to_owned(),
            name: number.to_string(),
        }
    }

    fn eligibility(number: usize) -> ObjectKey {
        object("GroupEligibility", number)
    }

    #[test]
    fn a_full_lane_leaves_the_others_free_and_calls_the_first_who_waits_when_a_turn_ends() {
        let (lanes, mut triggers) = lanes();
        let mut turns: Vec<_> = (0..WIDTH)
            .map(|number| lanes.enter(&eligibility(number), "slow").unwrap())
            .collect();
        assert!(lanes.enter(&eligibility(900), "quick").is_some());
        assert!(lanes.enter(&object("GroupAssignment", 1), "slow").is_some());
        for waiting in [100, 101, 100] {
            assert!(lanes.enter(&eligibility(waiting), "slow").is_none());
        }
        turns.pop();
        assert_eq!(triggers.try_recv().unwrap(), eligibility(100));
        assert!(triggers.try_recv().is_err());
        // The place is kept: whoever comes in between waits behind.
        assert!(lanes.enter(&eligibility(102), "slow").is_none());
        assert!(lanes.enter(&eligibility(100), "slow").is_some());
        assert_eq!(triggers.try_recv().unwrap(), eligibility(101));
    }

    #[test]
    fn a_place_that_is_kept_for_an_object_that_is_gone_passes_on() {
        let (lanes, mut triggers) = lanes();
        let mut turns: Vec<_> = (0..WIDTH)
            .map(|number| lanes.enter(&eligibility(number), "slow").unwrap())
            .collect();
        for waiting in 100..103 {
            assert!(lanes.enter(&eligibility(waiting), "slow").is_none());
        }
        turns.clear();
        for called in 100..103 {
            assert_eq!(triggers.try_recv().unwrap(), eligibility(called));
        }
        let mut turns: Vec<_> = (0..WIDTH - 3)
            .map(|number| lanes.enter(&eligibility(number), "slow").unwrap())
            .collect();
        assert!(lanes.enter(&eligibility(200), "slow").is_none());
        lanes.forget(&eligibility(101));
        assert_eq!(triggers.try_recv().unwrap(), eligibility(200));
        turns.push(lanes.enter(&eligibility(200), "slow").unwrap());
    }

    #[test]
    fn those_under_way_and_those_who_wait_are_counted_by_kind() {
        let (lanes, _triggers) = lanes();
        let mut turns: Vec<_> = (0..WIDTH)
            .map(|number| lanes.enter(&eligibility(number), "slow").unwrap())
            .collect();
        turns.extend(lanes.enter(&eligibility(900), "quick"));
        turns.extend(lanes.enter(&object("GroupAssignment", 1), "slow"));
        assert!(lanes.enter(&eligibility(100), "slow").is_none());
        let expected = BTreeMap::from([
            (("GroupAssignment", "running"), 1),
            (("GroupAssignment", "waiting"), 0),
            (("GroupEligibility", "running"), WIDTH as u64 + 1),
            (("GroupEligibility", "waiting"), 1),
        ]);
        assert_eq!(lanes.count(), expected);
    }

    #[test]
    fn empty_lanes_do_not_pile_up() {
        let (lanes, _triggers) = lanes();
        for number in 0..1000 {
            drop(lanes.enter(&eligibility(1), &number.to_string()));
        }
        assert!(lock(&lanes.lanes).is_empty());
    }
}
