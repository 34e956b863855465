//! Act: what was found is recorded, then the rules that differ are sent, and then they are read back.
//!
//! A policy has no version that a write could be conditional on. So it is read anew right before it is written, by its target and
//! not by an id of earlier, and compared again after.

use chrono::{DateTime, TimeDelta, Utc};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    api::{
        RESTORE_FINALIZER,
        conditions::{ConditionType, Reason},
        pim_policy::{PimPolicy, PolicyDeletion},
        pim_policy_status::{LastUpdate, PimPolicyStatus},
    },
    controller::{
        authority::{Judged, Purpose},
        context::Context,
        grant::ObjectKey,
        policy::{KIND, audit},
        reconcile::ReconcileError,
        snapshots::Freshness,
        status::whole_seconds,
    },
    graph::{Advice, GraphError},
    pim::policy::{Difference, Plan, Stated, bodies, plan},
};

use super::{
    PolicyView,
    pass::{Pass, Place, not_judged},
    reconcile::PolicyReconciler,
    report::{self, find},
};
use std::sync::Arc;

/// How old a read may be that a change is based on.
const FRESH_FOR_WRITE: TimeDelta = TimeDelta::seconds(5);
/// How long what loosens waits for others to come that tighten, as when several objects are applied together.
const COMPANY: TimeDelta = TimeDelta::seconds(2);
/// How soon what loosens looks again whether others have tightened.
const SOON: TimeDelta = TimeDelta::seconds(1);

/// How a change went.
pub(super) enum Changed {
    /// Entra holds the rules now, as this view shows, or some of them differ again already.
    Done(Arc<PolicyView>),
    /// Graph refused, or it is not known whether it did.
    Failed(GraphError),
}

impl PolicyReconciler {
    /// Changes what differs.
    pub(super) async fn change(
        &self,
        mut pass: Pass,
        place: &Place,
        stated: &Stated,
        mut view: Arc<PolicyView>,
        now: DateTime<Utc>,
    ) -> Result<Pass, ReconcileError> {
        let policies = &place.tenant.policies;
        if view.read_at < now - FRESH_FOR_WRITE {
            let freshness = Freshness::Since(now - FRESH_FOR_WRITE);
            let read = policies.observe(&place.tenant.client, &place.key, freshness);
            view = match read.await {
                Ok(Some(view)) => view,
                Ok(None) => return Ok(pass.put_off(now + SOON)),
                Err(error) => return Ok(pass.fail(&error, now)),
            };
        }
        let planned = match plan(&view.policy, stated) {
            Ok(planned) => planned,
            Err(obstacle) => return Ok(pass.say(&report::obstacle(&obstacle), now)),
        };
        if planned.steps.is_empty() {
            return self.settled(pass, place, stated, &view, now).await;
        }
        let drifted = was_in_force(&pass);
        let key = ObjectKey::of(KIND, &pass.object);
        let claims = &self.context.policies;
        claims.note_becoming(&key, stated.applied(&view.policy));
        if planned.loosens(&view.policy) {
            let since = *pass.remembered.loosening_since.get_or_insert(now);
            let others = claims.others_tighten(&place.tenant.id, &key);
            if now < since + COMPANY || others {
                return Ok(pass.put_off(now + SOON));
            }
        } else {
            claims.note_tightening(&place.tenant.id, &key, true);
        }
        let changed = self
            .carry_out(pass, place, stated, (planned, &view), drifted, now)
            .await;
        claims.note_tightening(&place.tenant.id, &key, false);
        changed
    }

    /// Asks once more whether it may, records what was found, and sends.
    async fn carry_out(
        &self,
        mut pass: Pass,
        place: &Place,
        stated: &Stated,
        (planned, view): (Plan, &Arc<PolicyView>),
        drifted: bool,
        now: DateTime<Utc>,
    ) -> Result<Pass, ReconcileError> {
        if let Some(pass) = self.authorize_write(&pass, place, stated, now).await? {
            return Ok(pass);
        }
        if pass.object.spec.deletion_policy == PolicyDeletion::Restore {
            pass.object = hold(&self.context, &pass.object).await?;
        }
        let recorded = pass.object.status.as_ref();
        if recorded.and_then(|status| status.baseline.as_ref()) != pass.status.baseline.as_ref() {
            // What is overwritten now is nowhere else.
            let differences = stated.differences(&view.policy);
            let reason = Reason::PendingProvisioning;
            pass = pass.say(
                &report::changing(reason, &differences, "the rules are sent to Entra"),
                now,
            );
            pass.status.seal = self
                .context
                .authority
                .seal_policy(&pass.object, &pass.status);
            pass.object = write_status(&self.context, &pass.object, pass.status.clone()).await?;
            self.memory.note_written(&pass.object);
        }
        match self.send(&mut pass, place, &planned, view).await {
            Changed::Done(after) => {
                let now = whole_seconds(self.context.clock.now());
                if drifted {
                    self.tell_drift(&pass, place, &planned.changes());
                }
                let differences = stated.differences(&after.policy);
                if differences.is_empty() {
                    return self.settled(pass, place, stated, &after, now).await;
                }
                self.describe(&mut pass, place, stated, &after, now).await;
                pass.wake = Some(now + TimeDelta::seconds(10));
                pass.remembered.reread_from = pass.wake;
                Ok(pass.say(&report::lost_race(&differences), now))
            }
            Changed::Failed(error) => {
                self.describe(&mut pass, place, stated, view, now).await;
                let refused = error.advice() == Advice::GiveUp;
                let mut pass = pass.fail(&error, now);
                // Another try follows, but nothing is learned by trying often.
                if refused {
                    let least = now + TimeDelta::minutes(1);
                    pass.wake = pass.wake.max(Some(least));
                }
                pass.remembered.reread_from = pass.wake;
                Ok(pass)
            }
        }
    }

    /// Judges the change that is about to be sent; none when it may be.
    pub(super) async fn authorize_write(
        &self,
        pass: &Pass,
        place: &Place,
        stated: &Stated,
        now: DateTime<Utc>,
    ) -> Result<Option<Pass>, ReconcileError> {
        let namespace = pass.object.namespace().unwrap_or_default();
        match self.judge(pass, place, stated, Purpose::Write).await {
            Judged::Allowed(permit) => {
                let authority = &self.context.authority;
                if authority
                    .confirm(&self.context, &permit, &namespace)
                    .await?
                {
                    return Ok(None);
                }
                let message = format!(
                    "the GrantBoundary {} has just changed, and is judged again before anything is written",
                    permit.name
                );
                let mut pass = pass.clone();
                pass.wake = Some(now + SOON);
                let report = report::waiting(Reason::PendingProvisioning, message);
                Ok(Some(pass.say(&report, now)))
            }
            Judged::Denied(denial) => Ok(Some(self.deny(pass.clone(), place, &denial, now).await)),
            Judged::Unknown(error) => Ok(Some(not_judged(pass.clone(), &error, now))),
            Judged::NoPrincipal => Ok(Some(pass.clone())),
        }
    }

    /// Sends each step and reads back what became of it.
    pub(super) async fn send(
        &self,
        pass: &mut Pass,
        place: &Place,
        planned: &Plan,
        view: &Arc<PolicyView>,
    ) -> Changed {
        let (policies, client) = (&place.tenant.policies, &place.tenant.client);
        let origin = self.context.origins.of_object(KIND, &pass.object).await;
        let mut view = Arc::clone(view);
        for step in &planned.steps {
            let id = Uuid::new_v4();
            let rules = bodies(&view.policy, step);
            policies.note_write(&place.key);
            let answer = client.change_policy(&view.id, &rules, id).await;
            policies.note_write(&place.key);
            let sent = audit::Sent {
                step,
                id,
                view: &view,
                answer: &answer,
            };
            audit::sent(&pass.object, place, &origin, &sent);
            self.context
                .metrics
                .write(KIND, "updatePolicy", answer.is_ok());
            let now = self.context.clock.now();
            note(pass, step, id, &answer, now);
            if let Err(error) = answer {
                return Changed::Failed(error);
            }
            policies.note_accepted(&place.key, step);
            // By its target: the first change of a group's policy gives it another id.
            match policies
                .observe(client, &place.key, Freshness::OwnWrites)
                .await
            {
                Ok(Some(after)) => view = after,
                Ok(None) => {
                    return Changed::Failed(GraphError::Invalid(
                        "Entra does not list the policy any more that was just written".to_owned(),
                    ));
                }
                Err(error) => return Changed::Failed(error),
            }
        }
        Changed::Done(view)
    }
}

/// Whether the rules were in force as this generation states them when they were last looked at.
fn was_in_force(pass: &Pass) -> bool {
    let Some(status) = &pass.object.status else {
        return false;
    };
    let in_sync = find(status, ConditionType::InSync);
    in_sync.is_some_and(|condition| {
        condition.status == "True"
            && condition.observed_generation == pass.object.metadata.generation
    })
}

/// Records a change and its answer.
fn note(
    pass: &mut Pass,
    step: &[Difference],
    id: Uuid,
    answer: &Result<(), GraphError>,
    now: DateTime<Utc>,
) {
    let generation = pass.generation();
    let status = &mut pass.status;
    let failures = status.last_update.as_ref().and_then(|last| last.failures);
    let error = answer.as_ref().err();
    let code = |error: &GraphError| {
        let unknown = || "Unknown".to_owned();
        error.code().map_or_else(unknown, str::to_owned)
    };
    status.last_update = Some(LastUpdate {
        client_request_id: id.to_string(),
        time: whole_seconds(now),
        generation,
        rules: step.iter().map(|one| one.rule.to_string()).collect(),
        error: error.map(code),
        message: error.map(|error| error.to_string().chars().take(1024).collect()),
        failures: error.map(|_| failures.unwrap_or_default().saturating_add(1)),
    });
}

/// Adds the finalizer.
///
/// # Errors
/// When the API server refuses.
pub(super) async fn hold(context: &Context, object: &PimPolicy) -> Result<PimPolicy, kube::Error> {
    if is_held(object) {
        return Ok(object.clone());
    }
    let mut finalizers = object.finalizers().to_vec();
    finalizers.push(RESTORE_FINALIZER.to_owned());
    patch_finalizers(context, object, &finalizers).await
}

/// Removes the finalizer, if there is one.
///
/// # Errors
/// When the API server refuses for another reason than that the object is gone already.
pub(super) async fn let_go(
    context: &Context,
    object: &PimPolicy,
) -> Result<PimPolicy, kube::Error> {
    if !is_held(object) {
        return Ok(object.clone());
    }
    let finalizers: Vec<_> = object
        .finalizers()
        .iter()
        .filter(|finalizer| *finalizer != RESTORE_FINALIZER)
        .cloned()
        .collect();
    match patch_finalizers(context, object, &finalizers).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(object.clone()),
        other => other,
    }
}

/// Whether the object is held by our finalizer.
pub(super) fn is_held(object: &PimPolicy) -> bool {
    let mut all = object.finalizers().iter();
    all.any(|finalizer| finalizer == RESTORE_FINALIZER)
}

async fn patch_finalizers(
    context: &Context,
    object: &PimPolicy,
    finalizers: &[String],
) -> Result<PimPolicy, kube::Error> {
    let version = object.resource_version();
    let patch = json!({"metadata": {"resourceVersion": version, "finalizers": finalizers}});
    let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
    let api = api(context, object);
    api.patch(&object.name_any(), &params, &patch).await
}

/// Replaces the status under the resource version that was read.
///
/// # Errors
/// When the API server refuses, as it does when the object has changed since.
pub(super) async fn write_status(
    context: &Context,
    object: &PimPolicy,
    status: PimPolicyStatus,
) -> Result<PimPolicy, kube::Error> {
    let mut object = object.clone();
    object.status = Some(status);
    api(context, &object)
        .replace_status(&object.name_any(), &PostParams::default(), &object)
        .await
}

fn api(context: &Context, object: &PimPolicy) -> Api<PimPolicy> {
    let namespace = object.namespace().unwrap_or_default();
    Api::namespaced(context.client.clone(), &namespace)
}
