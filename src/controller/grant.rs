//! What a kind of grant is to the reconciler: a little data. Everything else is generic.

use std::{fmt::Debug, hash::Hash};

use k8s_openapi::NamespaceResourceScope;
use kube::{Resource, ResourceExt, runtime::reflector::ObjectRef};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    api::{
        boundary::GrantKind,
        group_grant::{GroupAssignment, GroupEligibility, GroupTarget},
        guid::Guid,
        references::AccessId,
        status::GrantStatus,
        terms::GrantTerms,
    },
    graph::ScheduleKind,
};

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
    /// Which of Graph's two sets its schedules live in.
    const SCHEDULES: ScheduleKind;

    /// What the grant is about.
    fn target(&self) -> &GroupTarget;
    /// Who, until when, and how.
    fn terms(&self) -> &GrantTerms;
    /// What was last reported.
    fn status(&self) -> Option<&GrantStatus>;
    /// Replaces what is reported.
    fn set_status(&mut self, status: GrantStatus);
}

macro_rules! group_grant {
    ($kind:ident, $schedules:ident) => {
        impl Grant for $kind {
            const KIND: &'static str = stringify!($kind);
            const GRANT: GrantKind = GrantKind::$kind;
            const SCHEDULES: ScheduleKind = ScheduleKind::$schedules;

            fn target(&self) -> &GroupTarget {
                &self.spec.target
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

group_grant!(GroupEligibility, Eligibility);
group_grant!(GroupAssignment, Assignment);

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

/// One list of schedules in a tenant: of one kind, for one group. Two such lists cover every principal and both accesses.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// Eligible or active.
    pub schedules: ScheduleKind,
    /// The group.
    pub group: Guid,
}

/// A row's place in its target's list.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowKey {
    /// Who.
    pub principal: Guid,
    /// As what.
    pub access: AccessId,
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
