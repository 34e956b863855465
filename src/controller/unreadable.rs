//! Objects that this version cannot read, such as one that was written by a newer one: nothing can be done for them, and nothing
//! must be done to them. A deleted one must not wait for ever, though.

use kube::{
    Api, Resource, ResourceExt,
    api::{DynamicObject, Patch, PatchParams},
    core::{ApiResource, DeserializeGuard, ObjectMeta},
    runtime::events::EventType,
};
use serde_json::json;
use tracing::warn;

use crate::{
    api::{ABANDON_ANNOTATION, FINALIZER, conditions::Announcement},
    graph::Family,
};

use super::{
    context::Context,
    delete::left_behind,
    grant::Grant,
    pass::is_held,
    reconcile::{ReconcileError, Reconciler},
    report,
};

/// Reports the object. A deleted one is let go where its access is to be left behind.
pub(super) async fn pass<K: Grant>(
    reconciler: &Reconciler<K>,
    guard: &DeserializeGuard<K>,
    error: &str,
) -> Result<(), ReconcileError> {
    let meta = guard.meta();
    let deleted = meta.deletion_timestamp.is_some() && is_held(guard);
    if !deleted {
        reconciler.report_unreadable(guard, error, None);
        return Ok(());
    }
    let Some(leave) = left_behind::<K>(&reconciler.context, meta).await? else {
        let uid = guard.uid().unwrap_or_default();
        let way_out = format!(
            "it is deleted and waits for a version that can; to leave its access in Entra and let it go, annotate it with {ABANDON_ANNOTATION}={uid}"
        );
        reconciler.report_unreadable(guard, error, Some(&way_out));
        return Ok(());
    };
    let stays = let_go::<K>(&reconciler.context, meta).await?;
    let note = format!("{leave}: {stays}");
    warn!(target: "pim_operator::audit", kind = K::KIND, namespace = guard.namespace(), name = guard.name_any(), uid = guard.uid(), note, "privilege left behind");
    reconciler.context.events.publish(
        guard,
        EventType::Warning,
        Announcement::RetainedOnDelete,
        "Delete",
        note,
    );
    Ok(())
}

/// Removes the finalizer of an object that this version cannot read, and says what is left in Entra, as far as its status can
/// still be read.
async fn let_go<K: Grant>(context: &Context, meta: &ObjectMeta) -> Result<String, kube::Error> {
    let namespace = meta.namespace.clone().unwrap_or_default();
    let resource = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> =
        Api::namespaced_with(context.client.clone(), &namespace, &resource);
    let name = meta.name.clone().unwrap_or_default();
    let Some(object) = api.get_opt(&name).await? else {
        return Ok("it is gone already".to_owned());
    };
    let status = serde_json::from_value(object.data["status"].clone());
    let access = object.data["spec"]["accessId"].as_str();
    let stays = match (status, access) {
        (Ok(status), Some(_)) => report::stays(&status, K::SCHEDULES, access),
        (Ok(status), None) if K::FAMILY == Family::Roles => {
            report::stays(&status, K::SCHEDULES, None)
        }
        _ => "its access stays in Entra, unmanaged, if it was granted any".to_owned(),
    };
    let finalizers: Vec<_> = object
        .finalizers()
        .iter()
        .filter(|finalizer| *finalizer != FINALIZER)
        .collect();
    let patch = json!({"metadata": {"resourceVersion": object.resource_version(), "uid": meta.uid, "finalizers": finalizers}});
    match api
        .patch(&name, &PatchParams::default(), &Patch::Merge(patch))
        .await
    {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(stays),
        other => other.map(|_| stays),
    }
}
