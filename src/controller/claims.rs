//! Which object a grant belongs to: every object enters its claim before it may write, and the oldest has it.

use chrono::DateTime;
use kube::ResourceExt;

use crate::api::{RECONCILE_ANNOTATION, conditions::ConditionType};

use super::{
    grant::{Grant, NaturalKey, ObjectKey},
    pass::Place,
    reconcile::Reconciler,
    registry::Claim,
    status::find_condition,
};

impl<K: Grant> Reconciler<K> {
    /// Enters the object's claim and names the object that has a better one.
    pub(super) fn claim(&self, grant: &K, place: &Place) -> Option<ObjectKey> {
        let claim = claim_of(grant);
        let key = place.key();
        self.context.registry.claim(&key, claim.clone());
        self.context
            .registry
            .others(&key, &claim.uid)
            .into_iter()
            .find(|other| *other < claim && self.context.is_alive(other))
            .map(|other| other.object)
    }

    /// Enters the claims of all objects whose ids are pinned, before the first pass: after a restart the order of
    /// passes must not decide who is the oldest.
    pub(super) async fn prime(&self) {
        let enter_all = || async {
            // Not read only when the process ends.
            let _ = self.first_list.is_read().await;
            for guard in self.store.state() {
                // A nudge from before the start was heard then, or by the start itself.
                if let Some(value) = guard.annotations().get(RECONCILE_ANNOTATION) {
                    self.memory
                        .is_new_nudge(&guard.uid().unwrap_or_default(), value);
                }
                if let Ok(grant) = &guard.0
                    && !is_denied(grant)
                    && let Some(resolved) =
                        grant.status().and_then(|status| status.resolved.as_ref())
                    && let Some(key) = NaturalKey::of(grant, resolved)
                {
                    self.context.registry.claim(&key, claim_of(grant));
                }
            }
        };
        self.primed.get_or_init(enter_all).await;
    }
}

/// Whether the object was denied when it was last looked at: it claims nothing until it is looked at again.
fn is_denied<K: Grant>(grant: &K) -> bool {
    let authorized = grant
        .status()
        .and_then(|status| find_condition(status, ConditionType::Authorized));
    authorized.is_some_and(|condition| condition.status == "False")
}

fn claim_of<K: Grant>(grant: &K) -> Claim {
    let created = grant
        .creation_timestamp()
        .and_then(|time| DateTime::from_timestamp(time.0.as_second(), 0));
    Claim {
        created: created.unwrap_or_default(),
        uid: grant.uid().unwrap_or_default(),
        object: ObjectKey::of(K::KIND, grant),
    }
}
