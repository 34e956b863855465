//! The authority step: may this object have this grant? The decision is pure ([`crate::pim::boundary`]); here are the facts
//! that it rests on, and the quota, which has to be judged and taken in one step.
//!
//! A pass asks twice. [`Purpose::Standing`] judges an object by what is known anyway, so that an estate at rest costs no call;
//! [`Purpose::Write`] judges one request to Entra by facts of the last minute and by the window that it asks for, and
//! [`Authority::confirm`] then looks once more at the boundary itself, past the watch. Whoever is denied claims nothing.

mod facts;
mod policies;
mod quota;
mod seal;
mod watches;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, ResourceExt,
    core::{DeserializeGuard, PartialObjectMeta},
    runtime::reflector::Store,
};
use tokio::sync::OnceCell;

use crate::{
    api::{
        boundary::{GrantBoundary, OnAuthorityLost, PrincipalKind},
        guid::Guid,
        status::{AuthorizedBy, GrantStatus},
    },
    graph::GraphError,
    pim::{
        boundary::{Denial, Facts, Fence, GrantTarget, Lift, Need, Permit, Request, Ruling, Span},
        desired::Desired,
        observed::Record,
        window::{End, Window},
    },
};

pub use facts::TenantFacts;
pub(super) use policies::PolicyCase;
pub(super) use quota::Holder;
use quota::Quota;
pub(super) use seal::Seal;
pub(super) use watches::{watch_boundaries, watch_labels};

use super::{context::Context, first_list::FirstList, grant::Grant, pass::Place, wakeups::lock};

/// How old a fact may be that a write rests on.
const FRESH_FOR_WRITE: TimeDelta = TimeDelta::minutes(1);
/// How old a fact may be by which an object is judged that writes nothing.
const FRESH_FOR_STANDING: TimeDelta = TimeDelta::minutes(5);

/// Judges grants.
pub struct Authority {
    fence: Mutex<Arc<Fence>>,
    boundaries: Store<DeserializeGuard<GrantBoundary>>,
    namespaces: Store<PartialObjectMeta<Namespace>>,
    /// Boundaries, namespaces and every kind of grant: nothing is judged before all of them are read.
    first_lists: Vec<FirstList>,
    quota: Mutex<Quota>,
    primed: OnceCell<()>,
    lifted: Vec<Lift>,
    seal: OnceCell<Option<Seal>>,
}

/// What a judgement is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// What an object may have, as far as it is known without asking.
    Standing,
    /// A request that is about to be sent.
    Write,
}

/// A judgement.
#[derive(Debug)]
pub enum Judged {
    /// A boundary allows it.
    Allowed(Permit),
    /// Nothing allows it.
    Denied(Denial),
    /// The directory knows no such principal.
    NoPrincipal,
    /// A fact that it depends on could not be read.
    Unknown(GraphError),
}

impl Authority {
    /// Judges nothing yet.
    #[must_use]
    pub fn new(
        boundaries: Store<DeserializeGuard<GrantBoundary>>,
        namespaces: Store<PartialObjectMeta<Namespace>>,
        first_lists: Vec<FirstList>,
        lifted: Vec<Lift>,
    ) -> Self {
        Self {
            fence: Mutex::default(),
            boundaries,
            namespaces,
            first_lists,
            quota: Mutex::default(),
            primed: OnceCell::new(),
            lifted,
            seal: OnceCell::new(),
        }
    }

    /// What the controller's flag takes off the deny list.
    #[must_use]
    pub fn lifted(&self) -> &[Lift] {
        &self.lifted
    }

    /// Waits until everything is read that a judgement rests on, and counts what is held already.
    pub async fn prime(&self, context: &Context) {
        let count = || async {
            for list in &self.first_lists {
                // Not read only when the process ends.
                let _ = list.is_read().await;
            }
            self.rebuild();
            let _ = self
                .seal
                .get_or_init(|| Seal::load(&context.client, &context.namespace))
                .await;
            let mut quota = lock(&self.quota);
            for kind in &context.kinds {
                for (namespace, holder) in kind.holders() {
                    quota.enter(&namespace, holder);
                }
            }
        };
        self.primed.get_or_init(count).await;
    }

    /// Judges an object, or the window of one request for it.
    pub(super) async fn judge<K: Grant>(
        &self,
        context: &Context,
        grant: &K,
        place: &Place,
        span: Span,
        purpose: Purpose,
    ) -> Judged {
        let now = context.clock.now();
        let fresh = match purpose {
            Purpose::Standing => now - FRESH_FOR_STANDING,
            Purpose::Write => now - FRESH_FOR_WRITE,
        };
        let fence = self.fence();
        let request = request(grant, place, span);
        let labels = self.labels(&request.namespace);
        let protected = protected(context, &request.tenant);
        let known = &place.tenant.facts;
        let status = grant.status();
        let authorized_by = status.and_then(|status| status.authorized_by.clone());
        // A permit that somebody else wrote into the status is none.
        let sealed = status.is_some_and(|status| self.is_sealed(grant, place, status));
        let held_by_others = lock(&self.quota).before(&request.namespace, &Holder::of(grant));
        let role_assignable = match &place.about {
            GrantTarget::Group { id, .. } => {
                place.tenant.directory.known_role_assignable(id.as_str())
            }
            GrantTarget::Role { .. } => None,
        };
        let mut principal_kind = match purpose {
            Purpose::Standing => place.resolved.principal_kind,
            Purpose::Write => TenantFacts::known_kind(&place.tenant, &request.principal),
        };
        // Each round learns all that the last one needed; a second need can only follow from a boundary that came in between.
        for _ in 0..4 {
            let operator = known.known_operator(fresh);
            let memberships = known.known_memberships(&request.principal, fresh);
            let facts = Facts {
                namespace_labels: &labels,
                principal_kind,
                memberships: &memberships,
                held_by_others,
                operator: operator.as_ref(),
                protected: &protected,
                role_assignable,
                lifted: &self.lifted,
                authorized_by: authorized_by.as_ref().map(|by| by.uid.as_str()),
            };
            let need = match fence.rule(&request, &facts) {
                Ruling::Allowed(permit) => return Judged::Allowed(permit),
                Ruling::Denied(denial) => return Judged::Denied(denial),
                Ruling::Unknown(need) => need,
            };
            if purpose == Purpose::Standing
                && sealed
                && let Some(permit) = kept(&fence, authorized_by.as_ref())
            {
                return Judged::Allowed(permit);
            }
            match self
                .learn(place, &request, &need, principal_kind, fresh)
                .await
            {
                Ok(None) if need.principal_kind => return Judged::NoPrincipal,
                Ok(kind) => principal_kind = kind,
                Err(error) => return Judged::Unknown(error),
            }
        }
        Judged::Unknown(GraphError::Invalid(
            "the boundaries changed while they were judged".to_owned(),
        ))
    }

    /// Finds out what a ruling needs; answers the principal's kind as it is known then.
    async fn learn(
        &self,
        place: &Place,
        request: &Request,
        need: &Need,
        kind: Option<PrincipalKind>,
        fresh: DateTime<Utc>,
    ) -> Result<Option<PrincipalKind>, GraphError> {
        let facts = &place.tenant.facts;
        let mut kind = kind;
        if need.operator {
            facts.read_operator(&place.tenant, fresh).await?;
        }
        if need.principal_kind || (!need.memberships.is_empty() && kind.is_none()) {
            kind = facts.read_kind(&place.tenant, &request.principal).await?;
        }
        if let (false, Some(kind)) = (need.memberships.is_empty(), kind) {
            facts
                .read_memberships(&place.tenant, kind, &request.principal, &need.memberships)
                .await?;
        }
        Ok(kind)
    }

    /// Whether the boundary, and the labels it selected the namespace by, are still as they were judged. Asked of the API
    /// server itself, because the watch may be behind.
    ///
    /// # Errors
    /// When the API server cannot be asked: nothing may be written then.
    pub async fn confirm(
        &self,
        context: &Context,
        permit: &Permit,
        namespace: &str,
    ) -> Result<bool, kube::Error> {
        let boundaries = Api::<PartialObjectMeta<GrantBoundary>>::all(context.client.clone());
        let found = boundaries.get_metadata_opt(&permit.name).await?;
        let same = found.is_some_and(|boundary| {
            boundary.metadata.uid.as_ref() == Some(&permit.uid)
                && boundary.metadata.generation == Some(permit.generation)
                && boundary.metadata.deletion_timestamp.is_none()
        });
        if !same || !permit.by_labels {
            return Ok(same);
        }
        let namespaces = Api::<Namespace>::all(context.client.clone());
        let found = namespaces.get_metadata_opt(namespace).await?;
        Ok(found.is_some_and(|found| *found.labels() == self.labels(namespace)))
    }

    /// Takes a place among the grants of a namespace; false when all of them are taken.
    #[must_use]
    pub fn admit<K: Grant>(&self, grant: &K, permit: &Permit) -> bool {
        let namespace = grant.namespace().unwrap_or_default();
        lock(&self.quota).admit(&namespace, Holder::of(grant), permit.max_grants)
    }

    /// Gives a place back and has the others of the namespace look again.
    pub fn release(&self, context: &Context, namespace: &str, uid: &str) {
        if lock(&self.quota).release(namespace, uid) {
            for kind in &context.kinds {
                for object in kind.denied_in(namespace) {
                    context.wakeups.trigger(&object);
                }
            }
        }
    }

    /// Whether a grant that the status claims for its object is the operator's to revoke: the status carries the operator's
    /// seal, or a boundary gives the namespace this access in any case. A status that somebody else wrote is no such claim.
    #[must_use]
    pub(super) fn may_revoke<K: Grant>(
        &self,
        grant: &K,
        place: &Place,
        status: &GrantStatus,
    ) -> bool {
        let request = request(grant, place, Span::Permanent);
        self.is_sealed(grant, place, status)
            || self
                .fence()
                .covers(&request, &self.labels(&request.namespace))
    }

    /// Whether the operator itself wrote what a status records.
    fn is_sealed<K: Grant>(&self, grant: &K, place: &Place, status: &GrantStatus) -> bool {
        let seal = self.seal(grant, place);
        seal.is_some() && status.seal == seal
    }

    /// Seals what a status records. Where the operator has no key, a seal that is there stays: it may be a good one.
    pub(super) fn seal_into<K: Grant>(&self, status: &mut GrantStatus, grant: &K, place: &Place) {
        if let Some(seal) = self.seal(grant, place) {
            status.seal = Some(seal);
        }
    }

    /// The seal for what an object's status records; none where the operator has no key.
    fn seal<K: Grant>(&self, grant: &K, place: &Place) -> Option<String> {
        let seal = self.seal.get()?.as_ref()?;
        let resolved = &place.resolved;
        let (target, access) = match &place.about {
            GrantTarget::Group { id, access } => (id, format!("{access:?}")),
            GrantTarget::Role { id, scope } => (id, scope.clone()),
        };
        Some(seal.mark(&[
            &grant.uid().unwrap_or_default(),
            K::KIND,
            resolved.tenant_id.as_str(),
            target.as_str(),
            &access,
            resolved.principal_id.as_str(),
        ]))
    }

    /// What is to happen to a grant whose authority is lost: what the boundary says that allowed it, if it still exists.
    #[must_use]
    pub fn on_lost(&self, status: &GrantStatus) -> OnAuthorityLost {
        let fence = self.fence();
        let by = status.authorized_by.as_ref();
        by.and_then(|by| fence.by_uid(&by.uid))
            .map_or(OnAuthorityLost::Freeze, |boundary| {
                boundary.on_authority_lost
            })
    }

    /// Every place that is taken: the namespace, and the uid of the object.
    #[must_use]
    pub fn places(&self) -> Vec<(String, String)> {
        lock(&self.quota).places()
    }

    fn fence(&self) -> Arc<Fence> {
        Arc::clone(&lock(&self.fence))
    }

    fn labels(&self, namespace: &str) -> BTreeMap<String, String> {
        self.namespaces
            .find(|one| one.name_any() == namespace)
            .map(|found| found.labels().clone())
            .unwrap_or_default()
    }
}

/// The permit that an object has, if its boundary is the same as when it was given.
fn kept(fence: &Fence, authorized_by: Option<&AuthorizedBy>) -> Option<Permit> {
    let by = authorized_by?;
    let boundary = fence.by_uid(&by.uid)?;
    (boundary.generation == by.generation && boundary.name == by.name).then(|| Permit {
        name: by.name.clone(),
        uid: by.uid.clone(),
        generation: by.generation,
        max_grants: None,
        by_labels: false,
    })
}

fn request<K: Grant>(grant: &K, place: &Place, span: Span) -> Request {
    let terms = grant.terms();
    Request {
        namespace: grant.namespace().unwrap_or_default(),
        tenant: terms.tenant_ref.name.clone(),
        kind: K::GRANT,
        target: place.about.clone(),
        principal: place.resolved.principal_id.clone(),
        span,
        justified: terms.justification.is_some(),
        ticketed: terms.ticket_info.is_some(),
    }
}

fn protected(context: &Context, tenant: &str) -> Vec<Guid> {
    let tenant = context.tenants.object(tenant);
    let listed = tenant
        .iter()
        .flat_map(|tenant| &tenant.spec.protected_principals);
    listed.map(|principal| principal.id.clone()).collect()
}

/// How long an object asks for access: the window that it holds, or the one that it would open now.
#[must_use]
pub(super) fn declared_span(desired: &Desired, record: &Record, now: DateTime<Utc>) -> Span {
    let held = record
        .anchor
        .filter(|anchor| anchor.declared == desired.declared && record.granted);
    span(&held.map_or_else(|| desired.declared.anchor(now), |anchor| anchor.window))
}

/// How long a window is.
#[must_use]
pub(super) fn span(window: &Window) -> Span {
    match window.end {
        End::Never => Span::Permanent,
        End::At(end) => Span::For(end - window.start),
    }
}
