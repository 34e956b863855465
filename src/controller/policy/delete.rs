//! The pass of a deleted `PimPolicy`: put back what was found, where that was asked for, and only then let the object go.

use chrono::{DateTime, TimeDelta, Utc};
use kube::{
    Api, Resource, ResourceExt,
    api::{DynamicObject, Patch, PatchParams},
    core::{ApiResource, DeserializeGuard},
    runtime::events::EventType,
};
use serde_json::json;
use tracing::warn;

use crate::{
    api::{
        ABANDON_ANNOTATION, RESTORE_FINALIZER,
        conditions::{Announcement, Reason},
        pim_policy::{PimPolicy, PolicyDeletion},
        terms::ManagementPolicy,
    },
    controller::{
        authority::{Judged, Purpose},
        delete::left_behind,
        grant::ObjectKey,
        policy::{
            KIND,
            act::{Changed, is_held, let_go},
            pass::{Pass, Place, not_judged},
            reconcile::PolicyReconciler,
            report, resolve,
        },
        reconcile::ReconcileError,
        report::denial,
        snapshots::Freshness,
    },
    pim::policy::{Stated, baseline, plan},
};

/// Decides about a deleted object; none when it has been let go.
pub(super) async fn pass(
    reconciler: &PolicyReconciler,
    pass: Pass,
    now: DateTime<Utc>,
) -> Result<Option<Pass>, ReconcileError> {
    if !is_held(&pass.object) {
        return Ok(None);
    }
    let context = &reconciler.context;
    if let Some(leave) = left_behind::<PimPolicy>(context, &pass.object.metadata).await? {
        let note = format!("{leave}: the rules stay in Entra as they are");
        return retain(reconciler, &pass, note).await;
    }
    let spec = &pass.object.spec;
    let managed = spec.management_policy == ManagementPolicy::Manage
        && spec.deletion_policy == PolicyDeletion::Restore;
    if managed && !context.authority.is_policy_sealed(&pass.object) {
        let note = "the rules stay in Entra as they are: what `status.baseline` holds was not written by the operator";
        let note = note.to_owned();
        return retain(reconciler, &pass, note).await;
    }
    let (resolved, kept) = (&pass.status.resolved, &pass.status.baseline);
    let (true, Some(resolved), Some(kept)) = (managed, resolved, kept) else {
        let note = "the rules stay in Entra as they are".to_owned();
        return release(
            reconciler,
            &pass,
            EventType::Normal,
            Announcement::RetainedOnDelete,
            note,
        )
        .await;
    };
    if spec.suspend {
        let message = "deletion waits: `suspend` is true, and `deletionPolicy` is Restore";
        let report = report::waiting(Reason::Suspended, message.to_owned());
        return Ok(Some(pass.say(&report, now)));
    }
    let stated = match Stated::read(kept, baseline::approver) {
        Ok(stated) => stated,
        Err(invalid) => {
            let note = format!(
                "the rules stay in Entra as they are, because those that were found cannot be put back: {invalid}"
            );
            return retain(reconciler, &pass, note).await;
        }
    };
    let tenant = match reconciler.tenant(&pass.object).await {
        Ok(tenant) => tenant,
        Err(why) => {
            let uid = pass.object.uid().unwrap_or_default();
            let message = format!(
                "{why}; to leave the rules as they are and let this object go, annotate it with {ABANDON_ANNOTATION}={uid}"
            );
            let report = report::waiting(Reason::TenantNotReady, message);
            let mut pass = pass;
            pass.wake = Some(now + TimeDelta::minutes(1));
            return Ok(Some(pass.say(&report, now)));
        }
    };
    let place = Place {
        key: resolve::key(&pass.object, resolved),
        resolved: resolved.clone(),
        tenant,
    };
    Box::pin(restore(reconciler, pass, &place, &stated, now)).await
}

/// Puts back what was found.
async fn restore(
    reconciler: &PolicyReconciler,
    pass: Pass,
    place: &Place,
    stated: &Stated,
    now: DateTime<Utc>,
) -> Result<Option<Pass>, ReconcileError> {
    let context = &reconciler.context;
    let policy = (place.tenant.id.clone(), place.key.clone());
    let uid = pass.object.uid().unwrap_or_default();
    let others = context.policies.others(&policy, &uid);
    if let Some(heir) = others.iter().find(|other| context.is_alive(other)) {
        let note = format!(
            "the rules stay: {} states rules of the same target",
            heir.object
        );
        return release(
            reconciler,
            &pass,
            EventType::Normal,
            Announcement::HandedOver,
            note,
        )
        .await;
    }
    // What was found may be below a floor, and its authority may be gone.
    match reconciler
        .judge(&pass, place, stated, Purpose::Standing)
        .await
    {
        Judged::Allowed(_) => {}
        Judged::Denied(denied) => {
            let why = denial(&denied).message;
            let note = format!(
                "the rules stay in Entra as they are, because those that were found may not be put back: {why}"
            );
            return retain(reconciler, &pass, note).await;
        }
        Judged::Unknown(error) => return Ok(Some(not_judged(pass, &error, now))),
        Judged::NoPrincipal => return Ok(Some(pass)),
    }
    let policies = &place.tenant.policies;
    let freshness = Freshness::Since(now - TimeDelta::seconds(5));
    let read = policies.observe(&place.tenant.client, &place.key, freshness);
    let view = match read.await {
        Ok(Some(view)) => view,
        Ok(None) => return gone(reconciler, &pass).await,
        Err(error) if error.is_not_found() => return gone(reconciler, &pass).await,
        Err(error) => return Ok(Some(pass.fail(&error, now))),
    };
    let planned = match plan(&view.policy, stated) {
        Ok(planned) => planned,
        Err(obstacle) => {
            let note = format!(
                "the rules stay in Entra as they are, because those that were found cannot be put back: {obstacle}"
            );
            return retain(reconciler, &pass, note).await;
        }
    };
    if planned.steps.is_empty() {
        let note = "the rules in Entra are those that were found".to_owned();
        return release(
            reconciler,
            &pass,
            EventType::Normal,
            Announcement::Restored,
            note,
        )
        .await;
    }
    let frozen = context
        .tenants
        .object(&place.tenant.name)
        .is_none_or(|tenant| tenant.spec.freeze);
    if frozen {
        let name = &place.tenant.name;
        let message = format!(
            "deletion waits: the EntraTenant {name} is frozen, and `deletionPolicy` is Restore"
        );
        return Ok(Some(
            pass.say(&report::waiting(Reason::Frozen, message), now),
        ));
    }
    if let Some(pass) = reconciler
        .authorize_write(&pass, place, stated, now)
        .await?
    {
        return Ok(Some(pass));
    }
    let mut pass = pass;
    match reconciler.send(&mut pass, place, &planned, &view).await {
        Changed::Done(_) => {
            let note = "the rules that were found are back in Entra".to_owned();
            release(
                reconciler,
                &pass,
                EventType::Normal,
                Announcement::Restored,
                note,
            )
            .await
        }
        Changed::Failed(error) => Ok(Some(pass.fail(&error, now))),
    }
}

async fn gone(reconciler: &PolicyReconciler, pass: &Pass) -> Result<Option<Pass>, ReconcileError> {
    let note = "the target is gone from Entra, and its rules with it".to_owned();
    release(
        reconciler,
        pass,
        EventType::Normal,
        Announcement::Restored,
        note,
    )
    .await
}

/// Lets the object go with its rules in Entra, where that is not what it says.
async fn retain(
    reconciler: &PolicyReconciler,
    pass: &Pass,
    note: String,
) -> Result<Option<Pass>, ReconcileError> {
    release(
        reconciler,
        pass,
        EventType::Warning,
        Announcement::RetainedOnDelete,
        note,
    )
    .await
}

async fn release(
    reconciler: &PolicyReconciler,
    pass: &Pass,
    type_: EventType,
    reason: Announcement,
    note: String,
) -> Result<Option<Pass>, ReconcileError> {
    let context = &reconciler.context;
    if type_ == EventType::Warning {
        let key = ObjectKey::of(KIND, &pass.object);
        warn!(target: "pim_operator::audit", object = %key, note, "rules left behind");
    }
    context
        .events
        .publish(&pass.object, type_, reason, "Delete", note);
    let_go(context, &pass.object).await?;
    Ok(None)
}

/// Reports an object that this version cannot read. A deleted one is let go where its rules are to stay.
pub(super) async fn unreadable(
    reconciler: &PolicyReconciler,
    guard: &DeserializeGuard<PimPolicy>,
    error: &str,
) -> Result<(), ReconcileError> {
    let (context, meta) = (&reconciler.context, guard.meta());
    let held = guard
        .finalizers()
        .iter()
        .any(|finalizer| finalizer == RESTORE_FINALIZER);
    let deleted = held && meta.deletion_timestamp.is_some();
    if deleted && left_behind::<PimPolicy>(context, meta).await?.is_some() {
        let resource = ApiResource::erase::<PimPolicy>(&());
        let namespace = guard.namespace().unwrap_or_default();
        let api: Api<DynamicObject> =
            Api::namespaced_with(context.client.clone(), &namespace, &resource);
        let finalizers: Vec<_> = guard
            .finalizers()
            .iter()
            .filter(|finalizer| *finalizer != RESTORE_FINALIZER)
            .collect();
        let patch = json!({"metadata": {"resourceVersion": guard.resource_version(), "uid": meta.uid, "finalizers": finalizers}});
        let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
        return match api.patch(&guard.name_any(), &params, &patch).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            other => Ok(other.map(drop)?),
        };
    }
    warn!(object = %ObjectKey::of(KIND, guard), error, "an object cannot be read");
    let way_out = if deleted {
        let uid = guard.uid().unwrap_or_default();
        format!(
            "; to leave its rules as they are and let it go, annotate it with {ABANDON_ANNOTATION}={uid}"
        )
    } else {
        String::new()
    };
    let note = format!(
        "this object cannot be read by this version of the operator and is left alone{way_out}: {error}"
    );
    let reason = Reason::InvalidSpec;
    context
        .events
        .publish(guard, EventType::Warning, reason, "Read", note);
    Ok(())
}
