//! Which object a grant belongs to: every object enters its claim before it may write, and the oldest has it.
//!
//! The eligible and the active grant of a role are two, but they can delete each other ([`crate::pim::rivalry`]). Then they
//! count as one claim, and what Entra holds without an object counts as older than any.

use chrono::{DateTime, TimeDelta, Utc};
use kube::ResourceExt;

use crate::{
    api::{RECONCILE_ANNOTATION, conditions::ConditionType, schedule_info::ExpirationType},
    graph::ScheduleKind,
    pim::{
        plan::Change,
        rivalry::{delete_each_other, endangered, may_delete},
    },
};

use super::{
    context::Context,
    grant::{Grant, NaturalKey, ObjectKey},
    pass::{Pass, Place},
    reconcile::Reconciler,
    registry::Claim,
    report::{self, Report},
    snapshots::Freshness,
    status::find_condition,
};

impl<K: Grant> Reconciler<K> {
    /// Enters the object's claim; the report is that of one that is not to have it.
    pub(super) fn claim(&self, grant: &K, place: &Place) -> Option<Report> {
        let context = &self.context;
        let claim = claim_of(grant);
        let key = place.key();
        let rival_key = key.rival();
        let rivals = rival_key.map_or_else(Vec::new, |key| context.registry.others(&key, ""));
        if context.registry.claim(&key, claim.clone()) {
            for rival in &rivals {
                context.wakeups.trigger(&rival.object);
            }
        }
        let older = |other: &&Claim| **other < claim && context.is_alive(other);
        let same = context.registry.others(&key, &claim.uid);
        if let Some(winner) = same.iter().find(older) {
            return Some(report::conflict(&winner.object.to_string()));
        }
        let active_is_permanent = |rival: &Claim| match K::SCHEDULES {
            ScheduleKind::Assignment => claim.permanent,
            ScheduleKind::Eligibility => rival.permanent,
        };
        let winner = rivals
            .iter()
            .filter(|rival| delete_each_other(active_is_permanent(rival)))
            .find(older)?;
        Some(report::rival(&claim.object, &winner.object))
    }

    /// Whether Entra holds a grant that no object declares and that the request would delete, sooner or later. The pass of an
    /// object that must not do so ends here.
    pub(super) async fn spare_rival(
        &self,
        pass: &Pass<K>,
        place: &Place,
        change: &Change,
        now: DateTime<Utc>,
    ) -> Option<Pass<K>> {
        let context = &self.context;
        let active = K::SCHEDULES == ScheduleKind::Assignment;
        let key = place.key().rival().filter(|_| may_delete(change, active))?;
        // Between objects, age has decided.
        let declared = context.registry.others(&key, "");
        if declared.iter().any(|rival| context.is_alive(rival)) {
            return None;
        }
        let generation = pass.grant.meta().generation.unwrap_or_default();
        let (client, snapshots) = (&place.tenant.client, &place.tenant.snapshots);
        let fresh = Freshness::Since(now - FRESH);
        let view = match snapshots
            .observe(client, &key.target, &key.row, fresh)
            .await
        {
            Ok(view) => view,
            Err(error) => return Some(pass.clone().fail(&error, generation, now)),
        };
        let row = endangered(change, active, view.rows(&key.row), now)?;
        let mut pass = pass.clone();
        pass.wake = Some(now + LOOK_AGAIN);
        let object = ObjectKey::of(K::KIND, &pass.grant);
        let report = report::rival_row(&object, &place.resolved, K::SCHEDULES.other(), row);
        Some(pass.say(&report, generation, now))
    }

    /// Takes in what there is before the first pass.
    pub(super) async fn prime(&self) {
        let hear_all = || async {
            // Not read only when the process ends.
            let _ = self.first_list.is_read().await;
            for guard in self.store.state() {
                // A nudge from before the start was heard then, or by the start itself.
                if let Some(value) = guard.annotations().get(RECONCILE_ANNOTATION) {
                    self.memory
                        .is_new_nudge(&guard.uid().unwrap_or_default(), value);
                }
            }
        };
        self.primed.get_or_init(hear_all).await;
        self.context.prime_claims().await;
    }
}

impl Context {
    /// Enters the claims of all objects whose ids are pinned, of every kind: after a restart the order of passes must not decide
    /// who is the oldest.
    async fn prime_claims(&self) {
        let enter_all = || async {
            for list in &self.kinds_read {
                // Not read only when the process ends.
                let _ = list.is_read().await;
            }
            for kind in &self.kinds {
                for (key, claim) in kind.claims() {
                    self.registry.claim(&key, claim);
                }
            }
        };
        self.claims_primed.get_or_init(enter_all).await;
    }
}

/// What an object claims before it is looked at: what its status says it had.
pub(super) fn earlier_claim<K: Grant>(grant: &K) -> Option<(NaturalKey, Claim)> {
    let resolved = grant.status()?.resolved.as_ref()?;
    let key = NaturalKey::of(grant, resolved).filter(|_| !is_denied(grant))?;
    Some((key, claim_of(grant)))
}

/// Whether the object was denied when it was last looked at: it claims nothing until it is looked at again.
fn is_denied<K: Grant>(grant: &K) -> bool {
    let authorized = grant
        .status()
        .and_then(|status| find_condition(status, ConditionType::Authorized));
    authorized.is_some_and(|condition| condition.status == "False")
}

/// How old a read may be by which nothing else is deleted.
const FRESH: TimeDelta = TimeDelta::minutes(1);
/// How often it is looked whether what stands in the way is gone.
const LOOK_AGAIN: TimeDelta = TimeDelta::minutes(15);

fn claim_of<K: Grant>(grant: &K) -> Claim {
    let created = grant
        .creation_timestamp()
        .and_then(|time| DateTime::from_timestamp(time.0.as_second(), 0));
    Claim {
        created: created.unwrap_or_default(),
        uid: grant.uid().unwrap_or_default(),
        object: ObjectKey::of(K::KIND, grant),
        permanent: grant.terms().schedule_info.expiration.type_ == ExpirationType::NoExpiration,
    }
}
