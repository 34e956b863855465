//! How a pass ends: the status of a settled grant, and writing a status where it changed.

use chrono::{DateTime, Utc};
use kube::core::DeserializeGuard;
use tracing::debug;

use crate::{
    api::{
        conditions::{ConditionType, Reason},
        status::CreatedVia,
    },
    pim::{desired::Mode, observed::assigned, plan::Settled},
};

use super::{
    act::{hold, write_status},
    context::Remembered,
    grant::{Grant, ObjectKey, access_text},
    pass::{Pass, Place},
    reconcile::{ReconcileError, Reconciler},
    report::{self, Subject},
    snapshots::View,
    status::{find_condition, schedule_status},
};

impl<K: Grant> Reconciler<K> {
    #[expect(
        clippy::too_many_arguments,
        reason = "everything a settled grant's status is made of, gathered in one place"
    )]
    pub(super) async fn settled(
        &self,
        mut pass: Pass<K>,
        mode: Mode,
        place: &Place,
        settled: Settled,
        anchor: Option<crate::pim::observed::Anchor>,
        view: &View,
        wake: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<Pass<K>, ReconcileError> {
        let generation = pass.grant.meta().generation.unwrap_or_default();
        let adopted = matches!(
            settled,
            Settled::Provisioned { adopted: true } | Settled::Scheduled { adopted: true }
        );
        if adopted && mode == Mode::Manage {
            if let Some(anchor) = &anchor
                && let Some(pass) = self
                    .authorize_adoption(&pass, place, &anchor.window, now)
                    .await?
            {
                return Ok(pass);
            }
            pass.grant = hold(&self.context, &pass.grant).await?;
        }
        if mode == Mode::Manage && pass.status.created_via.is_some() | adopted {
            // What an earlier version recorded carries no seal, nor does what is taken over.
            self.context
                .authority
                .seal_into(&mut pass.status, &pass.grant, place);
        }
        if mode == Mode::Manage && !matches!(settled, Settled::Expired { .. }) {
            let via = if adopted {
                CreatedVia::Adopted
            } else {
                CreatedVia::Operator
            };
            pass.status.created_via.get_or_insert(via);
        }
        if let Some(anchor) = anchor {
            let mut schedule = schedule_status(
                &anchor,
                &pass.grant.terms().schedule_info,
                pass.status.schedule.as_ref(),
            );
            match (settled, assigned(view.rows(&place.row))) {
                (Settled::Expired { .. }, _) => {
                    // The id stays: it says that this window was granted once, should the clock ever be set back.
                    schedule.status = None;
                    pass.status.instance = None;
                }
                (_, Some(row)) => {
                    schedule.id = Some(row.id.clone());
                    schedule.status = Some(row.status.clone());
                }
                (_, None) => {}
            }
            pass.status.schedule = Some(schedule);
        }
        if let Some(last) = pass
            .status
            .last_request
            .as_mut()
            .filter(|last| last.error.is_some() || last.failures.is_some())
        {
            // What failed on the way is over: the next failure begins a run of its own.
            last.failures = None;
            last.failing_since = None;
        }
        let subject = Subject {
            names: &place.resolved,
            schedules: K::SCHEDULES,
            access: access_text(&pass.grant),
        };
        let report = report::settled(settled, mode, anchor.as_ref(), &subject);
        pass.remembered = Remembered::default();
        pass = pass.say(&report, generation, now);
        pass.wake = wake;
        Ok(pass)
    }

    /// Report: writes the status if it changed, and says so where people look.
    pub(super) async fn publish(&self, pass: Pass<K>) -> Result<(), ReconcileError> {
        let Pass { grant, status, .. } = pass;
        let key = ObjectKey::of(K::KIND, &grant);
        let ready = find_condition(&status, ConditionType::Ready).cloned();
        if ready
            .as_ref()
            .is_none_or(|ready| ready.reason != Reason::RemovalGuardTripped.as_str())
        {
            self.context.removals.waits_no_longer(&key);
        }
        if grant.status() == Some(&status) {
            return Ok(());
        }
        let before = grant
            .status()
            .and_then(|status| find_condition(status, ConditionType::Ready))
            .cloned();
        let written = write_status(&self.context, &grant, status).await?;
        self.memory.note_written(&written);
        debug!(object = %key, reason = ready.as_ref().map(|ready| &ready.reason), "status written");
        if let Some(ready) = ready
            && before
                .is_none_or(|before| before.reason != ready.reason || before.status != ready.status)
            && let Some(reason) = Reason::read(&ready.reason)
        {
            let type_ = match ready.status.as_str() {
                "True" => kube::runtime::events::EventType::Normal,
                _ => kube::runtime::events::EventType::Warning,
            };
            self.context
                .events
                .publish(&grant, type_, reason, "Reconcile", ready.message);
        }
        Ok(())
    }

    pub(super) fn report_unreadable(
        &self,
        guard: &DeserializeGuard<K>,
        error: &str,
        way_out: Option<&str>,
    ) {
        let way_out = way_out.map(|text| format!("; {text}")).unwrap_or_default();
        let note = format!(
            "this object cannot be read by this version of the operator and is left alone{way_out}: {error}"
        );
        let type_ = kube::runtime::events::EventType::Warning;
        self.context
            .events
            .publish(guard, type_, Reason::InvalidSpec, "Read", note);
    }
}
