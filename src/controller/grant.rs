//! What a kind of grant is to the reconciler: a little data. Everything else is generic.
//!
//! Kinds differ in what they are about ([`Named`] in a manifest, [`GrantTarget`] in ids) and in the set that their schedules live in.
//! From these follow the list that shows a grant ([`Target`]), its place there ([`RowKey`]) and its natural key.

use std::{fmt::Debug, hash::Hash};

use k8s_openapi::NamespaceResourceScope;
use kube::{Resource, ResourceExt, runtime::reflector::ObjectRef};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    api::{
        boundary::GrantKind,
        group_grant::{GroupAssignment, GroupEligibility},
        guid::Guid,
        references::{AccessId, GroupRef},
        role_grant::{RoleAssignment, RoleEligibility, RoleTarget},
        status::{GrantStatus, ResolvedReferences},
        terms::GrantTerms,
    },
    graph::{self, Family, GraphError, Listing, ScheduleKind, ScheduleTarget},
    pim::boundary::GrantTarget,
};

/// What a manifest names, before it is resolved.
#[derive(Clone, Copy, Debug)]
pub enum Named<'a> {
    /// A group, and a relationship with it.
    Group(&'a GroupRef, AccessId),
    /// A directory role and its scope.
    Role(&'a RoleTarget),
}

/// A kind of grant.
pub trait Grant:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// The kind's name.
    const KIND: &'static str;
    /// The kind as boundaries name it.
    const GRANT: GrantKind;
    /// Where Graph keeps its schedules.
    const FAMILY: Family;
    /// Which of Graph's two sets its schedules live in.
    const SCHEDULES: ScheduleKind;

    /// What the grant is about.
    fn named(&self) -> Named<'_>;
    /// Who, until when, and how.
    fn terms(&self) -> &GrantTerms;
    /// What was last reported.
    fn status(&self) -> Option<&GrantStatus>;
    /// Replaces what is reported.
    fn set_status(&mut self, status: GrantStatus);

    /// What the grant is about in ids; none where those that were resolved are not of its sort.
    fn about(&self, resolved: &ResolvedReferences) -> Option<GrantTarget> {
        match self.named() {
            Named::Group(_, access) => Some(GrantTarget::Group {
                id: resolved.group_id.clone()?,
                access,
            }),
            Named::Role(_) => Some(GrantTarget::Role {
                id: resolved.role_id.clone()?,
                scope: resolved.directory_scope_id.clone()?,
            }),
        }
    }
}

/// `member` or `owner`, of a grant for a group.
pub fn access_text<K: Grant>(grant: &K) -> Option<&'static str> {
    match grant.named() {
        Named::Group(_, AccessId::Member) => Some("member"),
        Named::Group(_, AccessId::Owner) => Some("owner"),
        Named::Role(_) => None,
    }
}

macro_rules! grant {
    ($kind:ident, $family:ident, $schedules:ident, |$target:ident| $named:expr) => {
        impl Grant for $kind {
            const KIND: &'static str = stringify!($kind);
            const GRANT: GrantKind = GrantKind::$kind;
            const FAMILY: Family = Family::$family;
            const SCHEDULES: ScheduleKind = ScheduleKind::$schedules;

            fn named(&self) -> Named<'_> {
                let $target = &self.spec.target;
                $named
            }

            fn terms(&self) -> &GrantTerms {
                &self.spec.terms
            }

            fn status(&self) -> Option<&GrantStatus> {
                self.status.as_ref()
            }

            fn set_status(&mut self, status: GrantStatus) {
                self.status = Some(status);
            }
        }
    };
}

grant!(GroupEligibility, Groups, Eligibility, |target| {
    Named::Group(&target.group, target.access_id)
});
grant!(GroupAssignment, Groups, Assignment, |target| {
    Named::Group(&target.group, target.access_id)
});
grant!(RoleEligibility, Roles, Eligibility, |target| Named::Role(
    target
));
grant!(RoleAssignment, Roles, Assignment, |target| Named::Role(
    target
));

/// Names an object across kinds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// The kind's name.
    pub kind: &'static str,
    /// The object's namespace.
    pub namespace: String,
    /// The object's name.
    pub name: String,
}

impl ObjectKey {
    /// The key of an object.
    pub fn of<R>(kind: &'static str, object: &R) -> Self
    where
        R: Resource,
    {
        Self {
            kind,
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
        }
    }

    /// The key as kube names an object of a kind.
    #[must_use]
    pub fn object_ref<R>(&self) -> ObjectRef<R>
    where
        R: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        ObjectRef::new(&self.name).within(&self.namespace)
    }
}

impl std::fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// One list of schedules in a tenant. Two such lists cover every principal and both accesses of a group, or every role of the
/// tenant at every scope.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// Eligible or active.
    pub schedules: ScheduleKind,
    /// What is listed.
    pub list: List,
}

/// What a list of schedules covers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum List {
    /// A group.
    Group(Guid),
    /// All roles.
    Roles,
}

impl Target {
    /// The list that shows a grant.
    #[must_use]
    pub fn of(schedules: ScheduleKind, about: &GrantTarget) -> Self {
        let list = match about {
            GrantTarget::Group { id, .. } => List::Group(id.clone()),
            GrantTarget::Role { .. } => List::Roles,
        };
        Self { schedules, list }
    }

    /// The list as Graph is asked for it.
    #[must_use]
    pub fn listing(&self) -> Listing<'_> {
        match &self.list {
            List::Group(id) => Listing::Group(id.as_str()),
            List::Roles => Listing::Roles,
        }
    }

    /// Whether a failed read of the list says that its target is gone. The list of all roles is never gone.
    #[must_use]
    pub fn is_gone(&self, error: &GraphError) -> bool {
        matches!(self.list, List::Group(_)) && error.is_not_found()
    }

    /// The same with the other kind of schedules.
    #[must_use]
    pub fn other(&self) -> Self {
        Self {
            schedules: self.schedules.other(),
            list: self.list.clone(),
        }
    }
}

/// A row's place in its target's list.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowKey {
    /// Who.
    pub principal: Guid,
    /// As what.
    pub access: Access,
}

/// What a row gives, beyond what its list says already.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Access {
    /// A relationship with the group.
    Group(AccessId),
    /// A role.
    Role {
        /// The role definition's id.
        id: Guid,
        /// The scope, as Graph writes it.
        scope: String,
    },
}

impl RowKey {
    /// The place of a principal's grant.
    #[must_use]
    pub fn of(about: &GrantTarget, principal: &Guid) -> Self {
        let access = match about {
            GrantTarget::Group { access, .. } => Access::Group(*access),
            GrantTarget::Role { id, scope } => Access::Role {
                id: id.clone(),
                scope: scope.clone(),
            },
        };
        Self {
            principal: principal.clone(),
            access,
        }
    }

    /// The place of a row that Graph lists; none for one that is about nothing that a grant can be about.
    #[must_use]
    pub fn of_row(target: Option<ScheduleTarget>, principal: &str) -> Option<Self> {
        let access = match target? {
            ScheduleTarget::Group { access_id, .. } => match access_id {
                graph::AccessId::Member => Access::Group(AccessId::Member),
                graph::AccessId::Owner => Access::Group(AccessId::Owner),
                graph::AccessId::Other(_) => return None,
            },
            ScheduleTarget::Role {
                role_definition_id,
                directory_scope_id,
            } => Access::Role {
                id: Guid::new(role_definition_id),
                scope: scope_text(&directory_scope_id),
            },
        };
        Some(Self {
            principal: Guid::new(principal),
            access,
        })
    }
}

/// The path of an administrative unit's scope, before its id.
pub const ADMINISTRATIVE_UNITS: &str = "/administrativeUnits/";

/// A scope in the one spelling that is compared.
#[must_use]
pub fn scope_text(scope: &str) -> String {
    let lower = scope.to_ascii_lowercase();
    match lower.strip_prefix("/administrativeunits/") {
        Some(id) => format!("{ADMINISTRATIVE_UNITS}{id}"),
        None => lower,
    }
}

/// A target in Graph's fields.
#[must_use]
pub fn wire(about: &GrantTarget) -> ScheduleTarget {
    match about {
        GrantTarget::Group { id, access } => ScheduleTarget::Group {
            access_id: match access {
                AccessId::Member => graph::AccessId::Member,
                AccessId::Owner => graph::AccessId::Owner,
            },
            group_id: id.to_string(),
        },
        GrantTarget::Role { id, scope } => ScheduleTarget::Role {
            role_definition_id: id.to_string(),
            directory_scope_id: scope.clone(),
        },
    }
}

/// The natural key of a grant: what makes two objects declare the same thing. Never a Kubernetes
/// name, never a schedule id, never a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NaturalKey {
    /// The tenant's id.
    pub tenant: Guid,
    /// Which list.
    pub target: Target,
    /// Which row.
    pub row: RowKey,
}

impl NaturalKey {
    /// The key of a grant of a kind, by the ids that its references resolved to.
    #[must_use]
    pub fn of<K: Grant>(grant: &K, resolved: &ResolvedReferences) -> Option<Self> {
        let about = grant.about(resolved)?;
        Some(Self {
            tenant: resolved.tenant_id.clone(),
            target: Target::of(K::SCHEDULES, &about),
            row: RowKey::of(&about, &resolved.principal_id),
        })
    }

    /// The key of the other kind of grant for the same principal, role and scope, if the two get into each other's way: Entra
    /// deletes the one when it changes the other. Of groups no such thing is known.
    #[must_use]
    pub fn rival(&self) -> Option<Self> {
        (self.target.list == List::Roles).then(|| Self {
            target: self.target.other(),
            ..self.clone()
        })
    }
}
