//! The authority step of a `PimPolicy`: the same fence as for grants, and the floor.

use chrono::{DateTime, Utc};
use kube::ResourceExt;

use super::{Authority, FRESH_FOR_STANDING, FRESH_FOR_WRITE, Judged, Purpose};
use crate::{
    api::{pim_policy::PimPolicy, pim_policy_status::PimPolicyStatus, status::AuthorizedBy},
    controller::{
        context::Context,
        policy::{KIND, PolicyKey},
        tenants::Tenant,
    },
    graph::GraphError,
    pim::{
        boundary::{PolicyRequest, Ruling},
        policy::Stated,
    },
};

/// A policy that is to be judged.
pub(in crate::controller) struct PolicyCase<'a> {
    /// The namespace of the object.
    pub namespace: &'a str,
    /// The tenant.
    pub tenant: &'a Tenant,
    /// Whose policy.
    pub key: &'a PolicyKey,
    /// What is stated.
    pub stated: &'a Stated,
    /// The boundary that allowed it before.
    pub authorized_by: Option<&'a AuthorizedBy>,
}

impl Authority {
    /// Judges a policy, or one change of it.
    pub(in crate::controller) async fn judge_policy(
        &self,
        context: &Context,
        case: &PolicyCase<'_>,
        purpose: Purpose,
    ) -> Judged {
        let now = context.clock.now();
        let fresh = match purpose {
            Purpose::Standing => now - FRESH_FOR_STANDING,
            Purpose::Write => now - FRESH_FOR_WRITE,
        };
        let fence = self.fence();
        let labels = self.labels(case.namespace);
        // Two rounds: the operator's identity is the only fact that may be missing.
        for _ in 0..2 {
            let operator = case.tenant.facts.known_operator(fresh);
            let role_assignable = match case.key {
                PolicyKey::Group(id, _) => case.tenant.directory.known_role_assignable(id.as_str()),
                PolicyKey::Role(_) => None,
            };
            let ruling = fence.rule_policy(&PolicyRequest {
                namespace: case.namespace,
                namespace_labels: &labels,
                tenant: &case.tenant.name,
                target: case.key.id(),
                access: case.key.access(),
                stated: case.stated,
                operator: operator.as_ref(),
                role_assignable,
                lifted: &self.lifted,
                authorized_by: case.authorized_by.map(|by| by.uid.as_str()),
            });
            match ruling {
                Ruling::Allowed(permit) => return Judged::Allowed(permit),
                Ruling::Denied(denial) => return Judged::Denied(denial),
                Ruling::Unknown(_) => {
                    if let Err(error) = self.learn_operator(case.tenant, fresh).await {
                        return Judged::Unknown(error);
                    }
                }
            }
        }
        Judged::Unknown(GraphError::Invalid(
            "the boundaries changed while they were judged".to_owned(),
        ))
    }

    /// The seal for what a policy's status records; none where the operator has no key.
    pub(in crate::controller) fn seal_policy(
        &self,
        object: &PimPolicy,
        status: &PimPolicyStatus,
    ) -> Option<String> {
        let seal = self.seal.get()?.as_ref()?;
        let resolved = serde_json::to_string(&status.resolved).ok()?;
        let baseline = serde_json::to_string(&status.baseline).ok()?;
        let uid = object.uid().unwrap_or_default();
        Some(seal.mark(&[&uid, KIND, &resolved, &baseline]))
    }

    /// Whether the operator itself wrote what a policy's status records.
    pub(in crate::controller) fn is_policy_sealed(&self, object: &PimPolicy) -> bool {
        let status = object.status.as_ref();
        status.is_some_and(|status| {
            status.seal.is_some() && status.seal == self.seal_policy(object, status)
        })
    }

    async fn learn_operator(
        &self,
        tenant: &Tenant,
        fresh: DateTime<Utc>,
    ) -> Result<(), GraphError> {
        tenant.facts.read_operator(tenant, fresh).await
    }
}
