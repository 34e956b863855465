//! Resolve: from the names in a `PimPolicy` to ids. What was resolved once stays pinned in status: a namesake that comes later
//! neither loses its rules to the object nor approves anything.

use std::sync::Arc;

use futures::future::try_join_all;

use crate::{
    api::{
        conditions::Reason,
        guid::Guid,
        pim_policy::{ApproverKind, ApproverRef, PimPolicy, PolicyTarget},
        pim_policy_status::{PimPolicyStatus, ResolvedApprover, ResolvedPolicy},
        references::GroupRef,
    },
    controller::{
        resolve::{Unresolved, group, one, role},
        tenants::Tenant,
    },
    graph::{Advice, ObjectKind},
    pim::policy::Approver,
};

use super::PolicyKey;

/// The ids behind a policy's references.
///
/// # Errors
/// [`Unresolved`] when a name is missing, ambiguous or unusable, or the directory could not be asked.
pub(super) async fn resolve(
    object: &PimPolicy,
    is_sealed: bool,
    tenant: &Arc<Tenant>,
) -> Result<ResolvedPolicy, Unresolved> {
    // What somebody else wrote there must not name an approver.
    let pinned = pinned(object.status.as_ref(), tenant).filter(|_| is_sealed);
    let target = async {
        if let Some(pinned) = pinned
            && names(&object.spec.target, &pinned.target_id)
        {
            return Ok((pinned.target_id.clone(), pinned.target_name.clone()));
        }
        self::target(&object.spec.target, tenant).await
    };
    let known = pinned.map_or(&[][..], |pinned| &pinned.approvers);
    let approvers = references(object)
        .iter()
        .map(|reference| approver(reference, known, tenant));
    let (target, approvers) = tokio::join!(target, try_join_all(approvers));
    let ((target_id, target_name), approvers) = (target?, approvers?);
    Ok(ResolvedPolicy {
        tenant_id: tenant.id.clone(),
        target_id,
        target_name,
        approvers,
    })
}

/// Whose policy the object is about.
pub(super) fn key(object: &PimPolicy, resolved: &ResolvedPolicy) -> PolicyKey {
    let id = resolved.target_id.clone();
    match &object.spec.target.group {
        Some(group) => PolicyKey::Group(id, group.access_id),
        None => PolicyKey::Role(id),
    }
}

/// The approver behind a reference.
pub(super) fn find(resolved: &ResolvedPolicy, reference: &ApproverRef) -> Option<Approver> {
    let found = resolved
        .approvers
        .iter()
        .find(|one| one.name == name(reference))?;
    Some(Approver {
        id: found.id.clone(),
        kind: found.kind,
    })
}

/// The approvers that a manifest names.
fn references(object: &PimPolicy) -> &[ApproverRef] {
    let approval = object
        .spec
        .rules
        .activation
        .as_ref()
        .and_then(|activation| activation.approval.as_ref());
    approval
        .and_then(|approval| approval.approvers.as_deref())
        .unwrap_or_default()
}

fn pinned<'a>(status: Option<&'a PimPolicyStatus>, tenant: &Tenant) -> Option<&'a ResolvedPolicy> {
    let resolved = status?.resolved.as_ref()?;
    (resolved.tenant_id == tenant.id).then_some(resolved)
}

/// Whether what is pinned is what an id in the spec names. A name may have passed to something else since; an id has not.
fn names(target: &PolicyTarget, pinned: &Guid) -> bool {
    let id = match (&target.group, &target.role) {
        (Some(group), _) => &group.id,
        (None, Some(role)) => &role.id,
        (None, None) => return false,
    };
    id.as_ref().is_none_or(|id| id == pinned)
}

async fn target(target: &PolicyTarget, tenant: &Arc<Tenant>) -> Result<(Guid, String), Unresolved> {
    if let Some(named) = &target.group {
        let reference = GroupRef {
            id: named.id.clone(),
            display_name: named.display_name.clone(),
        };
        return group(&reference, tenant).await;
    }
    match &target.role {
        Some(named) => role(named, tenant).await,
        None => wrong(
            Reason::InvalidSpec,
            "`target` must set `group` or `role`".to_owned(),
            false,
        ),
    }
}

/// How a manifest names an approver; what is resolved is pinned under it.
fn name(reference: &ApproverRef) -> String {
    let id = reference.id.as_ref().map(ToString::to_string);
    let group = reference.group_display_name.as_ref();
    id.or_else(|| reference.user_principal_name.clone())
        .or_else(|| group.map(|name| format!("group {name}")))
        .unwrap_or_default()
}

async fn approver(
    reference: &ApproverRef,
    known: &[ResolvedApprover],
    tenant: &Arc<Tenant>,
) -> Result<ResolvedApprover, Unresolved> {
    let name = name(reference);
    let stated = |kind: ApproverKind| reference.kind.is_none_or(|stated| stated == kind);
    if let Some(known) = known
        .iter()
        .find(|one| one.name == name && stated(one.kind))
    {
        return Ok(known.clone());
    }
    let (id, kind) = match (
        &reference.id,
        &reference.user_principal_name,
        &reference.group_display_name,
    ) {
        (Some(id), _, _) => match reference.kind {
            Some(kind) => (id.clone(), kind),
            None => (id.clone(), kind_of(id, tenant).await?),
        },
        (None, Some(user), _) => match tenant.directory.user(user).await? {
            Some(found) => (Guid::new(&found.id), ApproverKind::User),
            None => return missing(format!("there is no user {user} in the tenant")),
        },
        (None, None, Some(group)) => match one(tenant.directory.groups_named(group).await?) {
            Ok(found) => (Guid::new(&found.id), ApproverKind::Group),
            Err(0) => {
                return missing(format!("there is no group named \"{group}\" in the tenant"));
            }
            Err(several) => {
                let message = format!(
                    "{several} groups are named \"{group}\"; write the approver's `id` instead of `groupDisplayName`"
                );
                return wrong(Reason::Ambiguous, message, false);
            }
        },
        (None, None, None) => {
            let message = "an approver must be named".to_owned();
            return wrong(Reason::InvalidSpec, message, false);
        }
    };
    Ok(ResolvedApprover { id, kind, name })
}

/// Whether an id is that of a user or of a group.
async fn kind_of(id: &Guid, tenant: &Arc<Tenant>) -> Result<ApproverKind, Unresolved> {
    match tenant.directory.object(id.as_str()).await {
        Ok(Some(object)) => match object.kind {
            ObjectKind::User => Ok(ApproverKind::User),
            ObjectKind::Group => Ok(ApproverKind::Group),
            _ => {
                let message =
                    format!("the approver {id} is neither a user nor a group, which PIM demands");
                wrong(Reason::InvalidSpec, message, false)
            }
        },
        Ok(None) => missing(format!(
            "there is no user or group with the id {id} in the tenant"
        )),
        Err(error) if matches!(error.advice(), Advice::FixPermissions { .. }) => {
            let message = format!(
                "whether the approver {id} is a user or a group could not be read; write `kind: User` or `kind: Group` beside the `id`"
            );
            wrong(Reason::PermissionDenied, message, false)
        }
        Err(error) => Err(error.into()),
    }
}

fn missing<T>(message: String) -> Result<T, Unresolved> {
    wrong(Reason::PrincipalNotFound, message, true)
}

fn wrong<T>(reason: Reason, message: String, may_appear: bool) -> Result<T, Unresolved> {
    Err(Unresolved::Wrong {
        reason,
        message,
        may_appear,
    })
}
