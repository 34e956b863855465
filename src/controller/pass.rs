//! What a pass over a grant carries along, and the ways in which it ends without a request.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use kube::{Resource, ResourceExt};

use crate::{
    api::{
        FINALIZER, RECONCILE_ANNOTATION,
        status::{GrantStatus, ResolvedReferences},
    },
    graph::{Advice, GraphError},
    pim::{
        boundary::GrantTarget,
        observed::{Absence, Anchor, Outcome, Record, Row, assigned},
        plan::{Change, Wait, Why},
        retry::REPLICATION_DEADLINE,
    },
};

use super::{
    act::Order,
    context::{Answer, Remembered},
    grant::{Grant, NaturalKey, RowKey, Target},
    inquiry::note_success,
    reconcile::Reconciler,
    report::{self, Report},
    resolve::Unresolved,
    snapshots::View,
    tenants::Tenant,
};

/// How long after a write its result is read back. Everything written to the target in the meantime is read with it.
pub(super) const READ_BACK: TimeDelta = TimeDelta::seconds(3);
/// The longest that further writes put a read-back off.
pub(super) const READ_BACK_LATEST: TimeDelta = TimeDelta::seconds(30);

/// What a pass came to.
#[derive(Clone)]
pub(super) struct Pass<K> {
    /// The object, as last written.
    pub grant: K,
    /// The status that is to be written.
    pub status: GrantStatus,
    /// When to look again.
    pub wake: Option<DateTime<Utc>>,
    /// What the next pass is to know.
    pub remembered: Remembered,
}

/// A tenant and the row that a grant is about.
pub(super) struct Place {
    pub tenant: Arc<Tenant>,
    pub resolved: ResolvedReferences,
    pub about: GrantTarget,
    pub target: Target,
    pub row: RowKey,
}

impl Place {
    /// The place of a grant; none where what was resolved is not of the grant's sort.
    pub(super) fn new<K: Grant>(
        grant: &K,
        tenant: Arc<Tenant>,
        resolved: ResolvedReferences,
    ) -> Option<Self> {
        let about = grant.about(&resolved)?;
        Some(Self {
            tenant,
            target: Target::of(K::SCHEDULES, &about),
            row: RowKey::of(&about, &resolved.principal_id),
            resolved,
            about,
        })
    }

    /// A request about the grant, of which these rows are listed.
    pub(super) fn order<'a>(
        &'a self,
        change: &'a Change,
        why: Why,
        anchor: Option<Anchor>,
        rows: &[Row],
    ) -> Order<'a> {
        Order {
            change,
            why,
            anchor,
            listed: assigned(rows).map(|row| row.window.end),
            about: &self.about,
            resolved: &self.resolved,
        }
    }

    pub(super) fn key(&self) -> NaturalKey {
        NaturalKey {
            tenant: self.tenant.id.clone(),
            target: self.target.clone(),
            row: self.row.clone(),
        }
    }
}

impl<K: Grant> Pass<K> {
    /// Writes a report into the status.
    pub(super) fn say(mut self, report: &Report, generation: i64, now: DateTime<Utc>) -> Self {
        report.apply(&mut self.status, generation, now);
        self
    }

    /// Leaves the status as it is until a read-back: what Graph answered is written together with what is read then.
    pub(super) fn put_off(mut self, until: DateTime<Utc>) -> Self {
        self.status = self.grant.status().cloned().unwrap_or_default();
        self.wake = Some(until);
        self
    }

    /// It is not known yet whether the last request was carried out.
    pub(super) fn ask_again(
        mut self,
        later: DateTime<Utc>,
        generation: i64,
        now: DateTime<Utc>,
    ) -> Self {
        let report = report::unknown_outcome(self.status.last_request.as_ref());
        self.wake = Some(later);
        self.remembered.reread_from = Some(later);
        self.say(&report, generation, now)
    }

    /// Reports a call that failed, and looks again with growing delays.
    pub(super) fn fail(mut self, error: &GraphError, generation: i64, now: DateTime<Utc>) -> Self {
        let failures = self.remembered.failures.saturating_add(1);
        let growing = TimeDelta::seconds(5) * 2_i32.saturating_pow(failures.min(7) - 1);
        let wait = match error.advice() {
            Advice::RetryAfter(wait) => TimeDelta::from_std(wait).unwrap_or(growing).max(growing),
            Advice::FixPermissions { .. } | Advice::FixLicense => TimeDelta::minutes(10),
            _ => growing,
        };
        self.remembered.failures = failures;
        self.wake = Some(now + wait);
        self.say(&report::failed(error), generation, now)
    }
}

/// The object's status, with an answer that was not written yet.
pub(super) fn status_with_answer<K: Grant>(grant: &K, answer: Option<&Answer>) -> GrantStatus {
    let mut status = grant.status().cloned().unwrap_or_default();
    if let (Some(answer), Some(last)) = (answer, &mut status.last_request)
        && last.client_request_id == answer.last_request.client_request_id
    {
        *last = answer.last_request.clone();
        if let Some(id) = &answer.schedule_id {
            note_success(&mut status, id.clone());
        }
    }
    status
}

/// Waits as the plan says; what it waits for must be read afresh then.
pub(super) fn wait_pass<K: Grant>(
    mut pass: Pass<K>,
    wait: Wait,
    wake: Option<DateTime<Utc>>,
    generation: i64,
    now: DateTime<Utc>,
) -> Pass<K> {
    let report = report::waiting(wait, pass.status.last_request.as_ref());
    pass.remembered.failures = 0;
    pass.remembered.reread_from = wake;
    pass.wake = wake;
    pass.say(&report, generation, now)
}

pub(super) fn unresolved_pass<K: Grant>(
    mut pass: Pass<K>,
    unresolved: Unresolved,
    since: Option<DateTime<Utc>>,
    generation: i64,
    now: DateTime<Utc>,
) -> Pass<K> {
    let waited = since.map_or(TimeDelta::zero(), |since| now - since);
    let late = waited >= REPLICATION_DEADLINE;
    match unresolved {
        Unresolved::Failed(error) => pass.fail(&error, generation, now),
        Unresolved::Wrong { may_appear, .. } => {
            // New objects replicate for minutes: look often at first, and ever more rarely.
            let wait = if may_appear && !late {
                (waited / 4).clamp(TimeDelta::seconds(10), TimeDelta::minutes(2))
            } else {
                TimeDelta::minutes(15)
            };
            pass.wake = Some(now + wait);
            pass.say(&unresolved.report(late), generation, now)
        }
    }
}

/// A read-back waits until nothing has been written to the tenant for a moment: when many grants are made at once, the order in
/// which their turn comes is random, and one read of each target then serves all of them.
pub(super) fn read_back_later(
    place: &Place,
    record: &Record,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let sent = record.last.as_ref()?;
    let awaited = matches!(sent.outcome, Outcome::Succeeded { .. }) && !record.confirmed;
    let quiet = place.tenant.snapshots.last_write()? + READ_BACK;
    let stale = !place.tenant.snapshots.is_current(&place.target, &place.row);
    (awaited && stale && now < quiet && now < sent.at + READ_BACK_LATEST).then_some(quiet)
}

/// The reads that have not shown the row, as far as they count.
pub(super) fn absence(view: &View, place: &Place, record: &Record) -> Option<Absence> {
    view.absence(&place.row, record.reads_count_from())
}

/// Whether a person asked for a look now. What Entra lists is read afresh then, and a refusal is no reason to wait.
pub(super) fn nudged<K: Grant>(reconciler: &Reconciler<K>, record: &mut Record, grant: &K) -> bool {
    let asked = grant.annotations().get(RECONCILE_ANNOTATION);
    let nudged = asked.is_some_and(|value| {
        reconciler
            .memory
            .is_new_nudge(&grant.uid().unwrap_or_default(), value)
    });
    if let (true, Some(last)) = (nudged, &mut record.last) {
        last.current = false;
    }
    nudged
}

/// Whether the object is held by our finalizer.
pub(super) fn is_held<K: Resource>(grant: &K) -> bool {
    grant
        .meta()
        .finalizers
        .iter()
        .flatten()
        .any(|finalizer| finalizer == FINALIZER)
}
