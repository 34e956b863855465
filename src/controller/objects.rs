//! The objects of each kind, as far as other kinds and tenants care: who holds what, and what it makes the operator do.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use kube::{ResourceExt, core::DeserializeGuard, runtime::reflector::Store};

use crate::{
    api::{
        conditions::{ConditionType, Reason},
        guid::Guid,
        status::GrantStatus,
        terms::ManagementPolicy,
    },
    graph::{Family, ScheduleKind},
    pim::{
        observed::Action,
        permissions::{Usage, Use},
    },
};

use super::{
    authority::Holder,
    claims::earlier_claim,
    grant::{Grant, Named, NaturalKey, ObjectKey, Target},
    metrics::{Access, Measures},
    pass::is_held,
    registry::Claim,
    resolve::object_scope,
    status::find_condition,
};

/// The objects of one kind, as far as other kinds and tenants care.
pub trait Objects: Send + Sync {
    /// The objects that name a tenant.
    fn of_tenant(&self, tenant: &str) -> Vec<ObjectKey>;
    /// Every object.
    fn all(&self) -> Vec<ObjectKey>;
    /// What the objects claim before they are looked at.
    fn claims(&self) -> Vec<(NaturalKey, Claim)>;
    /// The uid of every object.
    fn uids(&self) -> Vec<String>;
    /// The objects that hold a grant, or may: they are held by our finalizer, or their status says so. With their namespace.
    fn holders(&self) -> Vec<(String, Holder)>;
    /// The objects of a namespace that are not authorised.
    fn denied_in(&self, namespace: &str) -> Vec<ObjectKey>;
    /// The directory ids that a tenant's unresolved objects name.
    fn unresolved_ids(&self, tenant: &str) -> HashSet<Guid>;
    /// How many of a tenant's grants are managed now, as far as `is_revoked` does not know better of their uid than their status.
    fn managed(
        &self,
        tenant: &str,
        now: DateTime<Utc>,
        is_revoked: &dyn Fn(&str) -> Option<bool>,
    ) -> usize;
    /// The lists that a tenant's objects declare something in, as far as their references are resolved.
    fn targets(&self, tenant: &str) -> HashSet<Target>;
    /// The uid of an object, if it is of this kind and exists.
    fn uid(&self, object: &ObjectKey) -> Option<String>;
    /// Counts a tenant's objects and what they make the operator do.
    fn count(&self, tenant: &str, census: &mut Census);
    /// Counts all objects for the metrics, with the names of these tenants.
    fn measure(&self, tenants: &BTreeSet<String>, now: DateTime<Utc>, measures: &mut Measures);
}

/// What there is in a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Objects by the reason of their `Ready`; an empty reason for those that have none yet.
    pub reasons: BTreeMap<String, u32>,
    /// What they make the operator do.
    pub usage: Usage,
}

/// A reflector store of grants. A guard around each object keeps one that cannot be read from silencing the rest.
pub type GrantStore<K> = Store<DeserializeGuard<K>>;

/// The objects of a kind, by their store.
pub struct StoredObjects<K: Grant>(pub GrantStore<K>);

impl<K: Grant> Objects for StoredObjects<K> {
    fn of_tenant(&self, tenant: &str) -> Vec<ObjectKey> {
        let names_tenant = |grant: &K| grant.terms().tenant_ref.name == tenant;
        let state = self.0.state();
        let readable = state.iter().filter_map(|guard| guard.0.as_ref().ok());
        readable
            .filter(|grant| names_tenant(grant))
            .map(|grant| ObjectKey::of(K::KIND, grant))
            .collect()
    }

    fn all(&self) -> Vec<ObjectKey> {
        let state = self.0.state();
        let key = |guard: &Arc<DeserializeGuard<K>>| ObjectKey::of(K::KIND, guard.as_ref());
        state.iter().map(key).collect()
    }

    fn claims(&self) -> Vec<(NaturalKey, Claim)> {
        let state = self.0.state();
        let readable = state.iter().filter_map(|guard| guard.0.as_ref().ok());
        readable.filter_map(earlier_claim).collect()
    }

    fn uids(&self) -> Vec<String> {
        let state = self.0.state();
        state.iter().filter_map(|guard| guard.uid()).collect()
    }

    fn holders(&self) -> Vec<(String, Holder)> {
        let state = self.0.state();
        let holds = |grant: &&K| {
            let recorded = grant
                .status()
                .is_some_and(|status| status.created_via.is_some());
            recorded || is_held(*grant)
        };
        state
            .iter()
            .filter_map(|guard| guard.0.as_ref().ok())
            .filter(holds)
            .map(|grant| (grant.namespace().unwrap_or_default(), Holder::of(grant)))
            .collect()
    }

    fn denied_in(&self, namespace: &str) -> Vec<ObjectKey> {
        let state = self.0.state();
        let denied = |grant: &&K| {
            let authorized = grant
                .status()
                .and_then(|status| find_condition(status, ConditionType::Authorized));
            grant.namespace().as_deref() == Some(namespace)
                && authorized.is_some_and(|condition| condition.status != "True")
        };
        state
            .iter()
            .filter_map(|guard| guard.0.as_ref().ok())
            .filter(denied)
            .map(|grant| ObjectKey::of(K::KIND, grant))
            .collect()
    }

    fn unresolved_ids(&self, tenant: &str) -> HashSet<Guid> {
        let is_unresolved = |grant: &&K| {
            grant.terms().tenant_ref.name == tenant
                && grant
                    .status()
                    .is_none_or(|status| status.resolved.is_none())
        };
        let state = self.0.state();
        let readable = state.iter().filter_map(|guard| guard.0.as_ref().ok());
        readable
            .filter(is_unresolved)
            .flat_map(directory_ids)
            .collect()
    }

    fn managed(
        &self,
        tenant: &str,
        now: DateTime<Utc>,
        is_revoked: &dyn Fn(&str) -> Option<bool>,
    ) -> usize {
        let counts = |grant: &&K| {
            let is_ours = grant.terms().tenant_ref.name == tenant
                && grant.terms().management_policy == ManagementPolicy::Manage;
            let known = grant.meta().uid.as_deref().and_then(is_revoked);
            let is_revoked = |status| known.unwrap_or_else(|| is_being_revoked(status));
            is_ours
                && grant
                    .status()
                    .is_some_and(|status| manages(status, now) && !is_revoked(status))
        };
        let state = self.0.state();
        let readable = state.iter().filter_map(|guard| guard.0.as_ref().ok());
        readable.filter(counts).count()
    }

    fn targets(&self, tenant: &str) -> HashSet<Target> {
        let state = self.0.state();
        let readable = state.iter().filter_map(|guard| guard.0.as_ref().ok());
        readable
            .filter(|grant| grant.terms().tenant_ref.name == tenant)
            .filter_map(|grant| grant.about(grant.status()?.resolved.as_ref()?))
            .map(|about| Target::of(K::SCHEDULES, &about))
            .collect()
    }

    fn count(&self, tenant: &str, census: &mut Census) {
        for guard in self.0.state() {
            let Ok(grant) = &guard.0 else { continue };
            if grant.terms().tenant_ref.name != tenant {
                continue;
            }
            let ready = grant.status().and_then(|status| {
                super::status::find_condition(status, crate::api::conditions::ConditionType::Ready)
            });
            let reason = ready.map(|ready| ready.reason.clone()).unwrap_or_default();
            *census.reasons.entry(reason).or_default() += 1;
            note_uses(grant, &mut census.usage);
        }
    }

    fn measure(&self, tenants: &BTreeSet<String>, now: DateTime<Utc>, measures: &mut Measures) {
        for guard in self.0.state() {
            let Ok(grant) = &guard.0 else {
                measures.count(K::KIND, String::new(), UNREADABLE);
                continue;
            };
            let tenant = &grant.terms().tenant_ref.name;
            let tenant = tenants.get(tenant).cloned().unwrap_or_default();
            let condition = |type_| find_condition(grant.status()?, type_);
            let ready = condition(ConditionType::Ready).map(|ready| ready.reason.as_str());
            measures.count(K::KIND, tenant.clone(), reason_label(ready));
            let denied = condition(ConditionType::Authorized)
                .is_some_and(|authorized| authorized.status == "False");
            let access = match ready {
                Some(reason) if reason == Reason::AuthorityLost.as_str() => Some(Access::Revoked),
                _ if denied && grant.status().is_some_and(|status| manages(status, now)) => {
                    Some(Access::Held)
                }
                _ => None,
            };
            if let Some(access) = access {
                let key = (tenant, K::KIND, access);
                *measures.authority_lost.entry(key).or_default() += 1;
            }
        }
    }

    fn uid(&self, object: &ObjectKey) -> Option<String> {
        (object.kind == K::KIND)
            .then(|| self.0.get(&object.object_ref()))?
            .and_then(|found| found.uid())
    }
}

/// The reason under which objects are counted that this version cannot read.
pub(super) const UNREADABLE: &str = "Unreadable";

/// The reason of a `Ready` as a label: one of the vocabulary, whatever an object says.
pub(super) fn reason_label(ready: Option<&str>) -> &'static str {
    match ready {
        None => "Unreported",
        Some(text) => Reason::read(text).map_or("Unknown", Reason::as_str),
    }
}

impl Measures {
    pub(super) fn count(&mut self, kind: &'static str, tenant: String, reason: &'static str) {
        *self.objects.entry((tenant, kind, reason)).or_default() += 1;
    }
}

/// Whether a status says that the operator manages access which is not over.
fn manages(status: &GrantStatus, now: DateTime<Utc>) -> bool {
    let over = |end: DateTime<Utc>| end <= now;
    let schedule = status.schedule.as_ref();
    status.created_via.is_some()
        && !schedule
            .and_then(|schedule| schedule.end_date_time)
            .is_some_and(over)
}

/// Whether a status says that the access is revoked, or about to be.
fn is_being_revoked(status: &GrantStatus) -> bool {
    status.last_request.as_ref().is_some_and(|last| {
        Action::read(&last.action).is_some_and(Action::is_removal) && last.error.is_none()
    })
}

/// The ids of directory objects that a grant names.
fn directory_ids<K: Grant>(grant: &K) -> Vec<Guid> {
    let target = match grant.named() {
        Named::Group(group, _) => group.id.clone(),
        Named::Role(target) => target.directory_scope_id.as_ref().and_then(object_scope),
    };
    let principal = grant.terms().principal.id.clone();
    target.into_iter().chain(principal).collect()
}

/// Reading or changing the schedules of a kind.
const fn schedules_use(family: Family, schedules: ScheduleKind, reads_only: bool) -> Use {
    match (family, schedules, reads_only) {
        (Family::Groups, ScheduleKind::Eligibility, true) => Use::ReadEligibilities,
        (Family::Groups, ScheduleKind::Eligibility, false) => Use::WriteEligibilities,
        (Family::Groups, ScheduleKind::Assignment, true) => Use::ReadAssignments,
        (Family::Groups, ScheduleKind::Assignment, false) => Use::WriteAssignments,
        (Family::Roles, ScheduleKind::Eligibility, true) => Use::ReadRoleEligibilities,
        (Family::Roles, ScheduleKind::Eligibility, false) => Use::WriteRoleEligibilities,
        (Family::Roles, ScheduleKind::Assignment, true) => Use::ReadRoleAssignments,
        (Family::Roles, ScheduleKind::Assignment, false) => Use::WriteRoleAssignments,
    }
}

/// What one grant makes the operator do in its tenant.
fn note_uses<K: Grant>(grant: &K, usage: &mut Usage) {
    let terms = grant.terms();
    let reads_only = terms.management_policy == ManagementPolicy::Observe || terms.suspend;
    usage.add(schedules_use(K::FAMILY, K::SCHEDULES, reads_only));
    match grant.named() {
        Named::Group(..) => usage.add(Use::Groups),
        Named::Role(target) => {
            usage.add(Use::Roles);
            if target.administrative_unit.is_some() {
                usage.add(Use::AdministrativeUnits);
            }
            if !reads_only {
                // Entra deletes an eligible role when it changes a permanent active one, and the other way round.
                usage.add(schedules_use(K::FAMILY, K::SCHEDULES.other(), true));
            }
        }
    }
    let principal = &terms.principal;
    if principal.group_display_name.is_some() {
        usage.add(Use::Groups);
    }
    if principal.user_principal_name.is_some() || principal.id.is_some() {
        usage.add(Use::Users);
    }
    // Before anything is written, the operator reads which groups it is in itself.
    if principal.service_principal_app_id.is_some() || principal.id.is_some() || !reads_only {
        usage.add(Use::ServicePrincipals);
    }
    if !directory_ids(grant).is_empty() {
        usage.add(Use::ObjectIds);
    }
}
