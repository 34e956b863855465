//! The removal guard: how many grants of a tenant may be revoked within a window before a person has to agree.
//!
//! A wrong commit that deletes every manifest looks like two hundred lawful deletions. The guard lets the first few through,
//! trips, and stays tripped until somebody acknowledges the trip by its name and for a count. What counts is what was carried
//! out: a revocation is let through under its object's uid, counts from then on, and is given back when it turns out that
//! nothing was revoked. Whoever asks while only the outcome of others decides is told to wait, so that a refusal never trips
//! the guard.
//!
//! The clock is believed when it jumps forward. When it jumps back, what was counted counts on for one window from
//! then, and no longer.

use chrono::{DateTime, TimeDelta, Utc};

use crate::api::{
    removal_guard::{
        CountedRemovals, GuardTrip, RemovalAcknowledgment, RemovalGuardStatus, RemovalUnderWay,
    },
    tenant::RemovalGuard,
};

use super::plan::{Change, Why};

/// How many revocations may be under way at once. The state has to stay small, and no operator has as many passes in hand.
const MOST_UNDER_WAY: usize = 256;
/// The finest step in which revocations are counted.
const FINEST: TimeDelta = TimeDelta::minutes(1);
/// How many steps a window has at most.
const STEPS: i32 = 10;
/// How long an acknowledgment that is not used up stays good after its last use, at least.
const UNUSED: TimeDelta = TimeDelta::hours(1);

/// What a change is to the brakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It takes away access that was granted: the guard counts it.
    Revokes,
    /// It ends what nobody declares, such as a grant that somebody prolonged in Entra.
    Corrects,
    /// It grants or changes, or makes room for a grant.
    Grants,
}

/// What a change is to the brakes.
#[must_use]
pub const fn effect(change: &Change, why: Why) -> Effect {
    let (remove, cancel) = match why {
        Why::Deleted | Why::AuthorityLost | Why::EndedByEdit => (Effect::Revokes, Effect::Revokes),
        Why::Outlived | Why::Altered => (Effect::Corrects, Effect::Corrects),
        // A grant in force that has to go until a window that lies ahead is access taken away; a scheduled one that is
        // cancelled for another window is not.
        Why::NotGranted | Why::Differs | Why::WindowEdited | Why::LeaseDue | Why::Removed => {
            (Effect::Revokes, Effect::Grants)
        }
    };
    match change {
        Change::Remove => remove,
        Change::Cancel { .. } => cancel,
        Change::Assign(_) | Change::Update(_) | Change::Extend(_) => Effect::Grants,
    }
}

/// How much is let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// So many in any case.
    pub max_removals: u32,
    /// So many percent of the managed grants.
    pub max_percent: u32,
    /// Within this time.
    pub window: TimeDelta,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_removals: 5,
            max_percent: 20,
            window: TimeDelta::minutes(10),
        }
    }
}

impl Limits {
    /// The limits that a manifest states. The schema refuses a window that cannot be read; the default takes its place.
    #[must_use]
    pub fn read(spec: Option<&RemovalGuard>) -> Self {
        let default = Self::default();
        let spec = spec.cloned().unwrap_or_default();
        let window = spec.window.as_deref().and_then(|text| {
            let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
            let number: u32 = number.parse().ok()?;
            let unit = match unit {
                "s" => TimeDelta::seconds(1),
                "m" => TimeDelta::minutes(1),
                "h" => TimeDelta::hours(1),
                _ => return None,
            };
            Some(unit * i32::try_from(number).ok()?)
        });
        Self {
            max_removals: spec.max_removals.unwrap_or(default.max_removals),
            max_percent: spec.max_percent.unwrap_or(default.max_percent),
            window: window.unwrap_or(default.window),
        }
    }

    /// How many of so many grants may be revoked within the window.
    #[must_use]
    pub fn allowed(&self, managed: u32) -> u32 {
        let share = u64::from(managed) * u64::from(self.max_percent) / 100;
        self.max_removals
            .max(u32::try_from(share).unwrap_or(u32::MAX))
    }

    fn step(&self) -> TimeDelta {
        (self.window / STEPS).max(FINEST)
    }

    /// The end of the step that an instant lies in.
    fn step_end(&self, instant: DateTime<Utc>) -> DateTime<Utc> {
        let step = self.step().num_seconds().max(1);
        let seconds = instant.timestamp();
        let end = seconds - seconds.rem_euclid(step) + step;
        DateTime::from_timestamp(end, 0).unwrap_or(instant)
    }
}

/// Whether one more grant may be revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Yes.
    Allow {
        /// It had been let through before, and what became of it is not known: it counts once.
        again: bool,
    },
    /// Not before the outcome of those under way is known.
    Wait,
    /// Not before a person acknowledges it.
    Hold,
}

/// What an acknowledgment came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledged {
    /// It was taken: so many revocations are let through.
    Taken(u32),
    /// It was taken before; it works once.
    Earlier,
    /// Nothing waits for one.
    NotNeeded,
}

/// Why an acknowledgment is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAcknowledgment {
    /// It is not of the right form.
    #[error("it must be the name of the trip, a colon and a whole number, such as 3f9a2c01:25")]
    Malformed,
    /// It names another trip.
    #[error("it names another trip than the present one")]
    OtherTrip,
    /// The trip was acknowledged with another count.
    #[error("its trip has been acknowledged for another count, and an acknowledgment works once")]
    Used,
}

/// What the guard of a tenant remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    recent: Vec<CountedRemovals>,
    under_way: Vec<RemovalUnderWay>,
    tripped: Option<GuardTrip>,
    acknowledged: Option<RemovalAcknowledgment>,
}

impl Guard {
    /// The guard as it was recorded.
    #[must_use]
    pub fn read(status: &RemovalGuardStatus) -> Self {
        Self {
            recent: status.recent.clone(),
            under_way: status.under_way.clone(),
            tripped: status.tripped.clone(),
            acknowledged: status.acknowledged.clone(),
        }
    }

    /// The guard as it is to be recorded.
    #[must_use]
    pub fn status(&self) -> RemovalGuardStatus {
        RemovalGuardStatus {
            message: None,
            waiting: None,
            tripped: self.tripped.clone(),
            acknowledged: self.acknowledged.clone(),
            recent: self.recent.clone(),
            under_way: self.under_way.clone(),
        }
    }

    /// The trip that holds further revocations.
    #[must_use]
    pub const fn tripped(&self) -> Option<&GuardTrip> {
        self.tripped.as_ref()
    }

    /// How many revocations count at present, those under way included.
    #[must_use]
    pub fn counted(&self) -> u32 {
        self.settled().saturating_add(self.pending(None))
    }

    /// Whether an object's revocation is under way.
    #[must_use]
    pub fn is_under_way(&self, uid: &str) -> bool {
        self.under_way.iter().any(|one| one.uid == uid)
    }

    /// Asks whether an object's grant may be revoked now. `managed` are the tenant's other and this one's grants that are neither
    /// revoked nor under way; `trip` is the name of the trip, should the guard trip now.
    pub fn ask(
        &mut self,
        uid: &str,
        managed: u32,
        limits: &Limits,
        now: DateTime<Utc>,
        trip: &str,
    ) -> Answer {
        self.forget_what_is_past(limits, now);
        if let Some(one) = self.under_way.iter_mut().find(|one| one.uid == uid) {
            one.since = now;
            return Answer::Allow { again: true };
        }
        if self.tripped.is_some() {
            return Answer::Hold;
        }
        if self.under_way.len() >= MOST_UNDER_WAY {
            return Answer::Wait;
        }
        let (settled, pending) = (self.settled(), self.pending(None));
        let estate = managed.saturating_add(settled).saturating_add(pending);
        if let Some(acknowledged) = &mut self.acknowledged {
            let id = acknowledged.id.clone();
            if acknowledged.left > 0 {
                acknowledged.left -= 1;
                acknowledged.last_used = now;
                return self.let_through(uid, now, Some(id));
            }
            if self.pending(Some(&id)) > 0 {
                return Answer::Wait;
            }
        } else {
            let allowed = limits.allowed(estate);
            if settled.saturating_add(pending) < allowed {
                return self.let_through(uid, now, None);
            }
            // Those under way may turn out to have revoked nothing.
            if settled < allowed {
                return Answer::Wait;
            }
        }
        self.tripped = Some(GuardTrip {
            id: trip.to_owned(),
            since: now,
            revoked: settled,
            managed: estate,
        });
        Answer::Hold
    }

    fn let_through(
        &mut self,
        uid: &str,
        now: DateTime<Utc>,
        acknowledged_by: Option<String>,
    ) -> Answer {
        self.under_way.push(RemovalUnderWay {
            uid: uid.to_owned(),
            since: now,
            acknowledged_by,
        });
        Answer::Allow { again: false }
    }

    /// The object's grant was revoked. Whether anything was under way for it.
    pub fn carried_out(&mut self, uid: &str, limits: &Limits, now: DateTime<Utc>) -> bool {
        let Some(one) = self.take(uid) else {
            return false;
        };
        match (&one.acknowledged_by, &mut self.acknowledged) {
            (None, _) => self.count(1, limits.step_end(now)),
            (Some(by), Some(acknowledged)) if *by == acknowledged.id => {
                acknowledged.last_used = now;
            }
            (Some(_), _) => {}
        }
        true
    }

    /// Nothing was revoked: the object's place is given back. Whether it had one.
    pub fn not_carried_out(&mut self, uid: &str) -> bool {
        let Some(one) = self.take(uid) else {
            return false;
        };
        if let (Some(by), Some(acknowledged)) = (&one.acknowledged_by, &mut self.acknowledged)
            && *by == acknowledged.id
        {
            acknowledged.left = acknowledged.left.saturating_add(1).min(acknowledged.count);
        }
        true
    }

    /// Takes an acknowledgment: `<name of the trip>:<count>`.
    ///
    /// # Errors
    /// When it is none, or not one of the present trip. Nothing changes then.
    pub fn acknowledge(
        &mut self,
        value: &str,
        now: DateTime<Utc>,
    ) -> Result<Acknowledged, BadAcknowledgment> {
        let (id, count) = value
            .trim()
            .split_once(':')
            .filter(|(id, _)| !id.is_empty())
            .ok_or(BadAcknowledgment::Malformed)?;
        let count: u32 = count.parse().map_err(|_| BadAcknowledgment::Malformed)?;
        if let Some(trip) = &self.tripped
            && trip.id == id
        {
            self.tripped = None;
            self.acknowledged = Some(RemovalAcknowledgment {
                id: id.to_owned(),
                count,
                left: count,
                last_used: now,
            });
            return Ok(Acknowledged::Taken(count));
        }
        match (&self.acknowledged, &self.tripped) {
            (Some(earlier), _) if earlier.id == id && earlier.count == count => {
                Ok(Acknowledged::Earlier)
            }
            (Some(earlier), _) if earlier.id == id => Err(BadAcknowledgment::Used),
            (_, Some(_)) => Err(BadAcknowledgment::OtherTrip),
            (_, None) => Ok(Acknowledged::NotNeeded),
        }
    }

    /// Forgets what lies before the window.
    fn forget_what_is_past(&mut self, limits: &Limits, now: DateTime<Utc>) {
        let latest = limits.step_end(now);
        let counted = std::mem::take(&mut self.recent);
        for one in counted {
            if one.until + limits.window > now {
                // The clock was set back: it counts for one window from now.
                self.count(one.count, one.until.min(latest));
            }
        }
        let patience = limits.window + limits.step();
        for one in &mut self.under_way {
            one.since = one.since.min(now);
        }
        self.under_way.retain(|one| one.since + patience > now);
        let Some(acknowledged) = &mut self.acknowledged else {
            return;
        };
        acknowledged.last_used = acknowledged.last_used.min(now);
        let good_for = match acknowledged.left {
            // Whoever comes next within the window was not acknowledged.
            0 => limits.window,
            _ => limits.window.max(UNUSED),
        };
        let used = |one: &RemovalUnderWay| one.acknowledged_by.as_ref() == Some(&acknowledged.id);
        if acknowledged.last_used + good_for <= now && !self.under_way.iter().any(used) {
            self.acknowledged = None;
        }
    }

    fn take(&mut self, uid: &str) -> Option<RemovalUnderWay> {
        let position = self.under_way.iter().position(|one| one.uid == uid)?;
        Some(self.under_way.remove(position))
    }

    fn count(&mut self, count: u32, until: DateTime<Utc>) {
        if let Some(one) = self.recent.iter_mut().find(|one| one.until == until) {
            one.count = one.count.saturating_add(count);
        } else {
            self.recent.push(CountedRemovals { until, count });
            self.recent.sort_by_key(|one| one.until);
        }
    }

    /// Those that were carried out and not acknowledged.
    fn settled(&self) -> u32 {
        let counts = self.recent.iter().map(|one| one.count);
        counts.fold(0, u32::saturating_add)
    }

    /// Those under way by an acknowledgment, or by none.
    fn pending(&self, acknowledgment: Option<&str>) -> u32 {
        let theirs = |one: &&RemovalUnderWay| one.acknowledged_by.as_deref() == acknowledgment;
        u32::try_from(self.under_way.iter().filter(theirs).count()).unwrap_or(u32::MAX)
    }
}
