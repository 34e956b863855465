//! The pass of an object that is being deleted: revoke what the operator manages, and only then let the object go.
//!
//! Gone already is success. `Retain`, a deleted CRD, or the escape annotation leave the access in Entra and say so.

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Resource, ResourceExt,
    core::{DeserializeGuard, ObjectMeta, PartialObjectMeta},
    runtime::events::EventType,
};
use tracing::warn;

use crate::{
    api::{
        ABANDON_ANNOTATION,
        conditions::{Announcement, EventReason, Reason},
        terms::{DeletionPolicy, ManagementPolicy},
    },
    graph::RoleDefinition,
    pim::{
        boundary::{Denial, GrantTarget},
        desired::{Desired, Mode},
        observed::{Observation, Outcome, Record, Refusal},
        plan::{Decision, Plan, Why},
        removal::{Done, Removal, removal},
    },
};

use super::{
    act::let_go,
    authority::{Judged, Purpose, declared_span},
    brakes::is_protected,
    context::{Context, Remembered},
    grant::{ADMINISTRATIVE_UNITS, Grant, ObjectKey, access_text},
    inquiry::{Inquiry, inquire},
    pass::{Pass, Place, absence, is_held, read_back_later, status_with_answer, wait_pass},
    reconcile::{ReconcileError, Reconciler},
    registry::Claim,
    report::{self, Held},
    snapshots::Freshness,
    status::{record, whole_seconds},
    tenants::Connection,
};

/// Decides about a deleted object; none when it has been let go.
pub(super) async fn pass<K: Grant>(
    reconciler: &Reconciler<K>,
    grant: &K,
    before: &Remembered,
    now: DateTime<Utc>,
) -> Result<Option<Pass<K>>, ReconcileError> {
    if !is_held(grant) {
        return Ok(None);
    }
    let generation = grant.meta().generation.unwrap_or_default();
    let status = status_with_answer(grant, before.answer.as_deref());
    let mut pass = Pass {
        grant: grant.clone(),
        status,
        wake: None,
        remembered: before.clone(),
    };
    if let Some(leave) = left_behind::<K>(&reconciler.context, grant.meta()).await? {
        let leave = format!("{leave}: {}", what_stays(grant));
        return release(
            reconciler,
            grant,
            EventType::Warning,
            Announcement::RetainedOnDelete,
            leave,
        )
        .await;
    }
    let Some(resolved) = pass.status.resolved.clone() else {
        return let_go_after(reconciler, grant, Done::NeverManaged).await;
    };
    let tenant = match reconciler
        .context
        .tenants
        .get(&grant.terms().tenant_ref.name)
        .await
    {
        Connection::Ready(tenant) => tenant,
        other => {
            let name = &grant.terms().tenant_ref.name;
            let why = match other {
                Connection::NotReady(why) => format!("the EntraTenant {name} is not ready: {why}"),
                _ => format!("there is no EntraTenant named {name}"),
            };
            let uid = grant.uid().unwrap_or_default();
            let message = format!(
                "{why}; to leave the access in Entra and let this object go, annotate it with {ABANDON_ANNOTATION}={uid}; then {}",
                what_stays(grant)
            );
            pass.wake = Some(now + TimeDelta::minutes(1));
            return Ok(Some(pass.say(
                &report::deletion_held(Reason::TenantNotReady, message, true),
                generation,
                now,
            )));
        }
    };
    let Some(place) = Place::new(grant, tenant, resolved) else {
        return let_go_after(reconciler, grant, Done::NeverManaged).await;
    };
    if let Some(heir) = heir(reconciler, grant, &place).await? {
        let note = format!("the access stays: {heir} declares the same grant");
        return release(
            reconciler,
            grant,
            EventType::Normal,
            Announcement::HandedOver,
            note,
        )
        .await;
    }
    if is_gone(&record(&pass.status, generation), &place).await {
        let note =
            "the principal or the target is gone from Entra, and the access with it".to_owned();
        return release(
            reconciler,
            grant,
            EventType::Normal,
            Announcement::Revoked,
            note,
        )
        .await;
    }
    if let Some(later) = read_back_later(&place, &record(&pass.status, generation), now) {
        return Ok(Some(pass.put_off(later)));
    }
    revoke(reconciler, pass, &place, Revocation::Deletion, now).await
}

/// Why a grant is revoked.
#[derive(Clone, Copy)]
pub(super) enum Revocation<'a> {
    /// Its object is deleted.
    Deletion,
    /// No boundary allows it any more.
    AuthorityLost(&'a Denial),
}

impl Revocation<'_> {
    const fn why(self, planned: Why) -> Why {
        match self {
            Self::Deletion => planned,
            Self::AuthorityLost(_) => Why::AuthorityLost,
        }
    }
}

/// Revokes what the operator recorded. None when nothing is left to revoke and the object has been let go.
pub(super) async fn revoke<K: Grant>(
    reconciler: &Reconciler<K>,
    mut pass: Pass<K>,
    place: &Place,
    revocation: Revocation<'_>,
    now: DateTime<Utc>,
) -> Result<Option<Pass<K>>, ReconcileError> {
    let generation = pass.grant.meta().generation.unwrap_or_default();
    let policy = match revocation {
        Revocation::Deletion => pass.grant.terms().deletion_policy,
        Revocation::AuthorityLost(_) => DeletionPolicy::Revoke,
    };
    // A spec that became unreadable must not keep the access: whether it may be written is all that is asked of it.
    let mode = Desired::read(pass.grant.terms()).map_or(Mode::Manage, |desired| desired.mode);
    let mut record = record(&pass.status, generation);
    let mut freshness = reconciler.freshness(&pass, &mut record, now);
    for _ in 0..4 {
        let view = match place
            .tenant
            .snapshots
            .observe(&place.tenant.client, &place.target, &place.row, freshness)
            .await
        {
            Ok(view) => view,
            // A group that is gone took its grants with it.
            Err(error) if place.target.is_gone(&error) => {
                let note = "the group is gone, and the access with it".to_owned();
                return release(
                    reconciler,
                    &pass.grant,
                    EventType::Normal,
                    Announcement::Deleted,
                    note,
                )
                .await;
            }
            Err(error) => return Ok(Some(pass.fail(&error, generation, now))),
        };
        let now = whole_seconds(reconciler.context.clock.now());
        let rows = view.rows(&place.row);
        let observation = Observation::listed(rows, absence(&view, place, &record));
        let minute = TimeDelta::minutes(1);
        match removal(policy, mode, &record, &observation, now) {
            Removal::Done(Done::Gone) if view.read_at < now - minute => {
                freshness = Freshness::Since(now - minute);
            }
            Removal::Done(_) if let Revocation::AuthorityLost(denial) = revocation => {
                return Ok(Some(authority_lost(reconciler, pass, denial, now)));
            }
            Removal::Done(done) => return let_go_after(reconciler, &pass.grant, done).await,
            Removal::Held => {
                let report = report::deletion_suspended();
                return Ok(Some(pass.say(&report, generation, now)));
            }
            Removal::First(Plan {
                decision,
                anchor,
                wake,
            }) => match decision {
                Decision::Inquire => {
                    match inquire(&mut pass.status, place, K::SCHEDULES, now).await {
                        Ok(Inquiry::Found) => record = self::record(&pass.status, generation),
                        Ok(Inquiry::NeverSent) => record.learn(Outcome::NeverSent),
                        Ok(Inquiry::AskAgain(later)) => {
                            return Ok(Some(pass.ask_again(later, generation, now)));
                        }
                        Err(error) => return Ok(Some(pass.fail(&error, generation, now))),
                    }
                }
                Decision::Send(..) if view.read_at < now - minute => {
                    freshness = Freshness::Since(now - minute);
                }
                Decision::Send(..)
                    if matches!(revocation, Revocation::Deletion)
                        && protects(reconciler, place) =>
                {
                    return let_protected_go(reconciler, &pass.grant, place).await;
                }
                Decision::Send(..)
                    if !reconciler.context.authority.may_revoke(
                        &pass.grant,
                        place,
                        &pass.status,
                    ) =>
                {
                    return Ok(Some(not_ours(pass, generation, now)));
                }
                Decision::Send(change, why) => {
                    let order = place.order(&change, revocation.why(why), anchor, rows);
                    return reconciler.act(pass, place, &order, now).await.map(Some);
                }
                Decision::Wait(wait) => {
                    return Ok(Some(wait_pass(pass, wait, wake, generation, now)));
                }
                Decision::Settled(_)
                | Decision::Withheld(_)
                | Decision::ReadInstances
                | Decision::Recall => break,
            },
        }
    }
    pass.wake = Some(now + TimeDelta::seconds(5));
    Ok(Some(pass))
}

async fn let_go_after<K: Grant>(
    reconciler: &Reconciler<K>,
    grant: &K,
    done: Done,
) -> Result<Option<Pass<K>>, ReconcileError> {
    let (reason, note) = match done {
        Done::Gone => (
            Announcement::Revoked,
            "the access is no longer in Entra".to_owned(),
        ),
        Done::Retained => (Announcement::RetainedOnDelete, what_stays(grant)),
        Done::NeverManaged => (
            Announcement::Deleted,
            "nothing was granted for it".to_owned(),
        ),
    };
    release(reconciler, grant, EventType::Normal, reason, note).await
}

/// The object of a protected principal goes, and the access stays.
async fn let_protected_go<K: Grant>(
    reconciler: &Reconciler<K>,
    grant: &K,
    place: &Place,
) -> Result<Option<Pass<K>>, ReconcileError> {
    let note = format!(
        "{} is in `protectedPrincipals` of the EntraTenant {}: {}",
        place.resolved.principal_name,
        place.tenant.name,
        what_stays(grant)
    );
    let reason = Reason::ProtectedPrincipal;
    release(reconciler, grant, EventType::Warning, reason, note).await
}

/// The access is gone, and with it the object's place among the grants of its namespace.
fn authority_lost<K: Grant>(
    reconciler: &Reconciler<K>,
    pass: Pass<K>,
    denial: &Denial,
    now: DateTime<Utc>,
) -> Pass<K> {
    let context = &reconciler.context;
    let generation = pass.grant.meta().generation.unwrap_or_default();
    context.authority.release(
        context,
        &pass.grant.namespace().unwrap_or_default(),
        &pass.grant.uid().unwrap_or_default(),
    );
    let mut pass = pass.say(&report::denied(denial, Held::Revoked), generation, now);
    pass.wake = Some(now + TimeDelta::minutes(15));
    pass
}

/// A status that claims a grant for its object, without the operator's seal and where no boundary gives the access: it may have
/// been written by anybody, and revoking by it would take away somebody else's grant.
fn not_ours<K: Grant>(mut pass: Pass<K>, generation: i64, now: DateTime<Utc>) -> Pass<K> {
    let uid = pass.grant.uid().unwrap_or_default();
    let message = format!(
        "the status of this object does not carry the operator's seal and no GrantBoundary gives its namespace this access, so nothing is revoked; to let the object go, annotate it with {ABANDON_ANNOTATION}={uid}, or let a GrantBoundary cover it"
    );
    pass.wake = Some(now + TimeDelta::minutes(15));
    pass.say(
        &report::deletion_held(Reason::BoundaryDenied, message, true),
        generation,
        now,
    )
}

/// The object that takes over the access of another one with the same key, if there is one.
pub(super) async fn heir<K: Grant>(
    reconciler: &Reconciler<K>,
    grant: &K,
    place: &Place,
) -> Result<Option<ObjectKey>, ReconcileError> {
    let context = &reconciler.context;
    let uid = grant.uid().unwrap_or_default();
    for heir in context.registry.others(&place.key(), &uid) {
        if context.is_alive(&heir) && inherits::<K>(reconciler, &heir, place).await? {
            return Ok(Some(heir.object));
        }
    }
    Ok(None)
}

/// Whether an object takes over the access of another one with the same key. Asked of the API server itself: two objects that
/// are deleted together must not leave the access to each other.
async fn inherits<K: Grant>(
    reconciler: &Reconciler<K>,
    heir: &Claim,
    place: &Place,
) -> Result<bool, ReconcileError> {
    let api: Api<DeserializeGuard<K>> =
        Api::namespaced(reconciler.context.client.clone(), &heir.object.namespace);
    let found = api.get_opt(&heir.object.name).await?;
    let heir = found
        .filter(|guard| guard.meta().deletion_timestamp.is_none())
        .and_then(|guard| guard.0.ok())
        .filter(|grant| {
            grant.uid().as_ref() == Some(&heir.uid)
                && grant.terms().management_policy == ManagementPolicy::Manage
        });
    let Some(heir) = heir else { return Ok(false) };
    // Access is left only to an object that is allowed it by what is known now.
    let Ok(desired) = Desired::read(heir.terms()) else {
        return Ok(false);
    };
    let context = &reconciler.context;
    let status = heir.status().cloned().unwrap_or_default();
    let generation = heir.meta().generation.unwrap_or_default();
    let asked = declared_span(&desired, &record(&status, generation), context.clock.now());
    let judged = context
        .authority
        .judge(context, &heir, place, asked, Purpose::Write)
        .await;
    Ok(matches!(judged, Judged::Allowed(_)))
}

/// Whether the last request was refused because its principal or target was deleted. Entra lists the grants of deleted objects
/// for days and takes no removal of them; the directory says that nobody holds the access any more.
async fn is_gone(record: &Record, place: &Place) -> bool {
    let unknown = record
        .last
        .as_ref()
        .is_some_and(|sent| sent.outcome == Outcome::Refused(Refusal::NotReplicated));
    if !unknown {
        return false;
    }
    let directory = &place.tenant.directory;
    let mut ids = vec![&place.resolved.principal_id];
    if let GrantTarget::Group { id, .. } = &place.about {
        ids.push(id);
    }
    let found = join_all(ids.iter().map(|id| directory.object_now(id.as_str()))).await;
    // Not knowing is no proof: the removal is tried again then.
    let objects_gone = found.iter().any(|found| matches!(found, Ok(None)));
    let GrantTarget::Role { id, scope } = &place.about else {
        return objects_gone;
    };
    if let Some(unit) = scope.strip_prefix(ADMINISTRATIVE_UNITS) {
        let unit = place.tenant.client.administrative_unit(unit).await;
        if matches!(unit, Ok(None)) {
            return true;
        }
    }
    let is_role = |role: &RoleDefinition| role.id.eq_ignore_ascii_case(id.as_str());
    directory.forget_roles();
    let roles = directory.roles().await;
    objects_gone || roles.is_ok_and(|roles| !roles.iter().any(is_role))
}

/// Why the access is to be left behind, if it is.
pub(super) async fn left_behind<R: Resource<DynamicType = ()>>(
    context: &Context,
    meta: &ObjectMeta,
) -> Result<Option<String>, kube::Error> {
    let annotations = meta.annotations.as_ref();
    let annotation = annotations.and_then(|all| all.get(ABANDON_ANNOTATION));
    if annotation.is_some() && annotation == meta.uid.as_ref() {
        return Ok(Some(format!(
            "abandoned by the annotation {ABANDON_ANNOTATION}"
        )));
    }
    let crds: Api<PartialObjectMeta<CustomResourceDefinition>> = Api::all(context.client.clone());
    let name = format!("{}.{}", R::plural(&()), R::group(&()));
    // Whoever uninstalls the API means to change nothing in Entra.
    let crd = crds.get_opt(&name).await?;
    let terminating = crd.is_none_or(|crd| crd.metadata.deletion_timestamp.is_some());
    Ok(terminating.then(|| "the CustomResourceDefinition is being deleted".to_owned()))
}

/// What is left in Entra of a grant that is let go without being revoked.
fn what_stays<K: Grant>(grant: &K) -> String {
    let status = grant.status().cloned().unwrap_or_default();
    report::stays(&status, K::SCHEDULES, access_text(grant))
}

/// Whether the tenant's access of this principal is not to be revoked.
fn protects<K: Grant>(reconciler: &Reconciler<K>, place: &Place) -> bool {
    let tenant = reconciler.context.tenants.object(&place.tenant.name);
    tenant.is_some_and(|tenant| is_protected(&tenant, &place.resolved.principal_id))
}

async fn release<K: Grant>(
    reconciler: &Reconciler<K>,
    grant: &K,
    type_: EventType,
    reason: impl Into<EventReason>,
    note: String,
) -> Result<Option<Pass<K>>, ReconcileError> {
    if matches!(type_, EventType::Warning) {
        warn!(target: "pim_operator::audit", kind = K::KIND, namespace = grant.namespace(), name = grant.name_any(), uid = grant.uid(), note, "privilege left behind");
    }
    reconciler
        .context
        .events
        .publish(grant, type_, reason, "Delete", note);
    let (tenant, uid) = (&grant.terms().tenant_ref.name, grant.uid());
    reconciler
        .context
        .removals
        .let_go(&reconciler.context, tenant, &uid.unwrap_or_default());
    let_go(&reconciler.context, grant).await?;
    Ok(None)
}
