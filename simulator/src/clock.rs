//! The virtual clock: every start, end, delay and token lifetime in the simulator reads it.
//!
//! By default virtual time runs with real time. A test freezes it, or jumps ahead by hours, and
//! nothing has to wait: no part of the simulator keeps a timer of its own. What is in force, listed
//! or expired is computed from the virtual time at each call, so that an advance is deterministic.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

use crate::lock::lock;

#[derive(Debug, Clone, Copy)]
enum Mode {
    /// Virtual time is real time plus an offset.
    Running(TimeDelta),
    /// Virtual time stands still.
    Frozen(DateTime<Utc>),
}

/// A handle to the simulator's time. Clones share the same clock.
#[derive(Debug, Clone)]
pub struct VirtualClock {
    mode: Arc<Mutex<Mode>>,
    jumps: watch::Sender<()>,
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl VirtualClock {
    /// A clock that runs with real time.
    #[must_use]
    pub fn new() -> Self {
        Self {
            mode: Arc::new(Mutex::new(Mode::Running(TimeDelta::zero()))),
            jumps: watch::Sender::new(()),
        }
    }

    /// The virtual time now.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        match *lock(&self.mode) {
            Mode::Running(offset) => shifted(Utc::now(), offset),
            Mode::Frozen(at) => at,
        }
    }

    /// Jumps ahead.
    pub fn advance(&self, by: Duration) {
        let by = TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
        self.change(|mode| match mode {
            Mode::Running(offset) => Mode::Running(offset.checked_add(&by).unwrap_or(offset)),
            Mode::Frozen(at) => Mode::Frozen(shifted(at, by)),
        });
    }

    /// Jumps to a point in time; a running clock goes on from there.
    pub fn set(&self, to: DateTime<Utc>) {
        self.change(|mode| match mode {
            Mode::Running(_) => Mode::Running(to - Utc::now()),
            Mode::Frozen(_) => Mode::Frozen(to),
        });
    }

    /// Stops virtual time until [`run`](Self::run); `advance` and `set` still move it.
    pub fn freeze(&self) {
        let now = self.now();
        self.change(|_| Mode::Frozen(now));
    }

    /// Lets virtual time run on from where it stands.
    pub fn run(&self) {
        let now = self.now();
        self.change(|_| Mode::Running(now - Utc::now()));
    }

    /// Whether the clock stands still.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        matches!(*lock(&self.mode), Mode::Frozen(_))
    }

    /// A receiver that is told of every jump (advance, set, freeze, run), so that a program that
    /// takes its time from this clock can re-plan its own timers.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.jumps.subscribe()
    }

    fn change(&self, f: impl FnOnce(Mode) -> Mode) {
        {
            let mut mode = lock(&self.mode);
            *mode = f(*mode);
        }
        self.jumps.send_replace(());
    }
}

fn shifted(at: DateTime<Utc>, by: TimeDelta) -> DateTime<Utc> {
    at.checked_add_signed(by).unwrap_or(at)
}
