//! How a pass over a policy ends: what people want to know of it, and writing a status where it changed.

use chrono::{DateTime, Utc};
use kube::runtime::events::EventType;

use crate::{
    api::conditions::{ConditionType, Reason},
    controller::{grant::ObjectKey, reconcile::ReconcileError},
    pim::policy::{Difference, Stated, describe},
};

use super::{
    KIND, PolicyView,
    act::write_status,
    lint,
    pass::{Pass, Place},
    reconcile::PolicyReconciler,
    report::{self, find},
};

impl PolicyReconciler {
    /// Fills in what people want to know of the policy in force.
    pub(super) async fn describe(
        &self,
        pass: &mut Pass,
        place: &Place,
        stated: &Stated,
        view: &PolicyView,
        now: DateTime<Utc>,
    ) {
        let count = |number: usize| u32::try_from(number).ok();
        pass.status.policy_id = Some(view.id.clone());
        pass.status.rules_managed = count(stated.count());
        pass.status.rules_drifted = count(stated.differences(&view.policy).len());
        pass.status.summary = Some(describe::summary(&view.policy));
        let found = lint::find(place, stated, &view.policy).await;
        let sound = report::sound(&found);
        let said = find(&pass.status, ConditionType::Sound).map(|said| said.message.clone());
        for lint in &found {
            let text = lint.to_string();
            if said.as_ref().is_none_or(|said| !said.contains(&text)) {
                let reason = lint.reason();
                let events = &self.context.events;
                events.publish(&pass.object, EventType::Warning, reason, "Lint", text);
            }
        }
        pass.set(ConditionType::Sound, &sound, now);
    }

    /// Says that rules were found to differ from what was in force before, and are restored: an event and a count for each.
    pub(super) fn tell_drift(&self, pass: &Pass, place: &Place, differences: &[&Difference]) {
        for one in differences {
            let (from, to) = (describe::rule(&one.from), describe::rule(&one.to));
            let note = format!(
                "{} was changed in Entra to {from} and is restored to {to}",
                one.rule
            );
            let (object, reason) = (&pass.object, Reason::Drifted);
            let events = &self.context.events;
            events.publish(object, EventType::Warning, reason, "Restore", note);
            let metrics = &self.context.metrics;
            metrics.policy_drift(&place.tenant.name, one);
        }
    }

    /// Writes the status if it changed, and says so where people look.
    pub(super) async fn publish(&self, pass: Pass) -> Result<(), ReconcileError> {
        let Pass {
            object, mut status, ..
        } = pass;
        status.seal = self.context.authority.seal_policy(&object, &status);
        let key = ObjectKey::of(KIND, &object);
        let ready = find(&status, ConditionType::Ready).cloned();
        let settled = ready.as_ref().is_some_and(|ready| {
            ready.status == "True" || status.conditions.iter().any(|one| one.type_ == "Stalled")
        });
        if settled {
            self.context.policies.note_settled(&key);
        }
        if object.status.as_ref() == Some(&status) {
            return Ok(());
        }
        let before = object
            .status
            .as_ref()
            .and_then(|status| find(status, ConditionType::Ready))
            .cloned();
        let written = write_status(&self.context, &object, status).await?;
        self.memory.note_written(&written);
        if let Some(ready) = ready
            && before
                .is_none_or(|before| before.reason != ready.reason || before.status != ready.status)
            && let Some(reason) = Reason::read(&ready.reason)
        {
            let type_ = match ready.status.as_str() {
                "True" => EventType::Normal,
                _ => EventType::Warning,
            };
            let events = &self.context.events;
            events.publish(&object, type_, reason, "Reconcile", ready.message);
        }
        Ok(())
    }
}
