//! When to look at an object again without being asked: window edges, polls, retries, and rows that changed in Entra.
//!
//! kube's own requeue counts in monotonic time. Grants end by the wall clock, and tests move it, so the timers live here
//! and reach the controllers as a stream of triggers.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, mpsc};

use super::{clock::Clock, grant::ObjectKey};

/// Timers for objects, at most one each.
pub struct Wakeups {
    clock: Arc<dyn Clock>,
    timers: Mutex<Timers>,
    changed: Notify,
    triggers: Mutex<HashMap<&'static str, mpsc::UnboundedSender<ObjectKey>>>,
}

#[derive(Default)]
struct Timers {
    by_time: BTreeSet<(DateTime<Utc>, ObjectKey)>,
    by_key: HashMap<ObjectKey, DateTime<Utc>>,
}

impl Wakeups {
    /// No timers yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            timers: Mutex::default(),
            changed: Notify::new(),
            triggers: Mutex::default(),
        }
    }

    /// The triggers for the objects of a kind; asked for once, by its controller.
    pub fn triggers(&self, kind: &'static str) -> mpsc::UnboundedReceiver<ObjectKey> {
        let (sender, receiver) = mpsc::unbounded_channel();
        lock(&self.triggers).insert(kind, sender);
        receiver
    }

    /// Wakes the object at `instant`, and at no other time that was asked for before.
    pub fn set(&self, key: &ObjectKey, instant: Option<DateTime<Utc>>) {
        let mut timers = lock(&self.timers);
        if let Some(earlier) = timers.by_key.remove(key) {
            timers.by_time.remove(&(earlier, key.clone()));
        }
        if let Some(instant) = instant {
            timers.by_key.insert(key.clone(), instant);
            timers.by_time.insert((instant, key.clone()));
        }
        drop(timers);
        self.changed.notify_one();
    }

    /// Wakes the object now; its timer stays.
    pub fn trigger(&self, key: &ObjectKey) {
        if let Some(sender) = lock(&self.triggers).get(key.kind) {
            // A closed channel means that the controller has ended, and with it the need.
            let _ = sender.send(key.clone());
        }
    }

    /// Fires timers until the process ends.
    pub async fn run(&self) {
        loop {
            let first = lock(&self.timers)
                .by_time
                .first()
                .map(|(instant, _)| *instant);
            let due = async {
                match first {
                    Some(instant) => self.clock.sleep_until(instant).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => self.fire(),
                () = self.changed.notified() => {}
            }
        }
    }

    fn fire(&self) {
        let now = self.clock.now();
        loop {
            let mut timers = lock(&self.timers);
            let Some((_, key)) = timers.by_time.pop_first_if(|(instant, _)| *instant <= now) else {
                return;
            };
            timers.by_key.remove(&key);
            drop(timers);
            self.trigger(&key);
        }
    }
}

/// Takes the first element when it satisfies the condition.
trait PopFirstIf<T> {
    fn pop_first_if(&mut self, condition: impl Fn(&T) -> bool) -> Option<T>;
}

impl<T: Ord> PopFirstIf<T> for BTreeSet<T> {
    fn pop_first_if(&mut self, condition: impl Fn(&T) -> bool) -> Option<T> {
        if self.first().is_some_and(condition) {
            self.pop_first()
        } else {
            None
        }
    }
}

/// A lock whose holder panicked still guards sound data here: every critical section is a single insertion or removal.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
