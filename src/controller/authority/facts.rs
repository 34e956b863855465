//! What the directory says that a judgement rests on, kept for a while: who the operator is, and who is in which group.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Mutex,
};

use chrono::{DateTime, Utc};

use crate::{
    api::{boundary::PrincipalKind, guid::Guid},
    controller::{tenants::Tenant, wakeups::lock},
    graph::{GraphError, ObjectKind},
    pim::boundary::OperatorIdentity,
};

/// The most answers about memberships that are kept.
const KEPT: usize = 20_000;

/// What is known of one tenant's directory.
#[derive(Default)]
pub struct TenantFacts {
    operator: Mutex<Option<(DateTime<Utc>, OperatorIdentity)>>,
    /// One reads at a time, and the others use what it read.
    reading: tokio::sync::Mutex<()>,
    memberships: Mutex<HashMap<Guid, Memberships>>,
}

/// The groups a principal was asked about, when, and whether it is in them.
type Memberships = HashMap<Guid, (DateTime<Utc>, bool)>;

impl TenantFacts {
    /// Who the operator is, if it was read since.
    pub(super) fn known_operator(&self, since: DateTime<Utc>) -> Option<OperatorIdentity> {
        let known = lock(&self.operator);
        let (_, operator) = known.as_ref().filter(|(at, _)| *at >= since)?;
        Some(operator.clone())
    }

    /// Reads who the operator is: its service principal, the groups it is in, and the groups within those. Whoever waited while
    /// another read it takes what that one read.
    pub(super) async fn read_operator(
        &self,
        tenant: &Tenant,
        since: DateTime<Utc>,
    ) -> Result<(), GraphError> {
        let _turn = self.reading.lock().await;
        if self.known_operator(since).is_some() {
            return Ok(());
        }
        let at = tenant.clock.now();
        let identity = tenant.client.identity().await?;
        let groups = tenant
            .client
            .member_groups_of_service_principal(&identity.object_id)
            .await?;
        let mut nested = BTreeSet::new();
        for group in &groups {
            nested.extend(
                tenant
                    .client
                    .groups_within(group)
                    .await?
                    .iter()
                    .map(Guid::new),
            );
        }
        let operator = OperatorIdentity {
            service_principal: Guid::new(identity.object_id),
            groups: groups.iter().map(Guid::new).collect(),
            nested,
        };
        *lock(&self.operator) = Some((at, operator));
        Ok(())
    }

    /// What sort of object a principal is, as far as the directory said so lately. What an object's status says of it is no fact.
    pub(super) fn known_kind(tenant: &Tenant, principal: &Guid) -> Option<PrincipalKind> {
        let object = tenant.directory.known_object(principal.as_str())?;
        kind_of(&object.kind)
    }

    /// Asks what sort of object a principal is; none when the directory knows no user, group or service principal of the id.
    pub(super) async fn read_kind(
        &self,
        tenant: &Tenant,
        principal: &Guid,
    ) -> Result<Option<PrincipalKind>, GraphError> {
        let found = tenant.directory.object(principal.as_str()).await?;
        Ok(found.and_then(|object| kind_of(&object.kind)))
    }

    /// The memberships of a principal that were read since.
    pub(super) fn known_memberships(
        &self,
        principal: &Guid,
        since: DateTime<Utc>,
    ) -> BTreeMap<Guid, bool> {
        let known = lock(&self.memberships);
        let known = known.get(principal).into_iter().flatten();
        known
            .filter(|(_, (at, _))| *at >= since)
            .map(|(group, (_, member))| (group.clone(), *member))
            .collect()
    }

    /// Asks whether a principal is a member of groups, directly or through others.
    pub(super) async fn read_memberships(
        &self,
        tenant: &Tenant,
        kind: PrincipalKind,
        principal: &Guid,
        groups: &BTreeSet<Guid>,
    ) -> Result<(), GraphError> {
        let at = tenant.clock.now();
        let kind = match kind {
            PrincipalKind::User => ObjectKind::User,
            PrincipalKind::Group => ObjectKind::Group,
            PrincipalKind::ServicePrincipal => ObjectKind::ServicePrincipal,
        };
        let asked: Vec<String> = groups.iter().map(ToString::to_string).collect();
        let member: BTreeSet<Guid> = tenant
            .client
            .is_member_of(&kind, principal.as_str(), &asked)
            .await?
            .iter()
            .map(Guid::new)
            .collect();
        let mut known = lock(&self.memberships);
        if known.len() >= KEPT {
            known.clear();
        }
        let entry = known.entry(principal.clone()).or_default();
        for group in groups {
            entry.insert(group.clone(), (at, member.contains(group)));
        }
        Ok(())
    }
}

fn kind_of(kind: &ObjectKind) -> Option<PrincipalKind> {
    match kind {
        ObjectKind::User => Some(PrincipalKind::User),
        ObjectKind::Group => Some(PrincipalKind::Group),
        ObjectKind::ServicePrincipal => Some(PrincipalKind::ServicePrincipal),
        ObjectKind::Unknown(_) => None,
    }
}
