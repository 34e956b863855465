//! The audit log of policies: one line for each change that was sent and for each denial, under the target `pim_operator::audit`.

use kube::ResourceExt;
use tracing::{info, warn};
use uuid::Uuid;

use crate::{
    api::{pim_policy::PimPolicy, status::AuthorizedBy},
    controller::{origin::Origin, status::Verdict},
    graph::GraphError,
    pim::policy::Difference,
};

use super::{KIND, PolicyKey, PolicyView, pass::Place, report};

/// A change that was sent.
pub(super) struct Sent<'a> {
    /// The rules, as they were read and as they are to be.
    pub step: &'a [Difference],
    /// The `client-request-id`.
    pub id: Uuid,
    /// The policy as it was read.
    pub view: &'a PolicyView,
    /// What Graph said.
    pub answer: &'a Result<(), GraphError>,
}

// The fields that both sorts of line have come first; the others are named once for each.
macro_rules! line {
    ($level:ident, $message:literal, $object:ident, $place:ident, $origin:ident, $($field:tt)*) => {
        let (group, role) = match &$place.key {
            PolicyKey::Group(id, _) => (Some(id.as_str()), None),
            PolicyKey::Role(id) => (None, Some(id.as_str())),
        };
        let allowed_by: Option<&AuthorizedBy> =
            $object.status.as_ref().and_then(|status| status.authorized_by.as_ref());
        let name = Some($place.resolved.target_name.as_str());
        $level!(
            target: "pim_operator::audit",
            kind = KIND,
            namespace = $object.namespace(),
            name = $object.name_any(),
            uid = $object.uid(),
            generation = $object.metadata.generation,
            cluster = $origin.cluster,
            revision = $origin.revision,
            tenant = $place.tenant.name,
            tenant_id = %$place.tenant.id,
            group_id = group,
            group = group.and(name),
            role_id = role,
            role = role.and(name),
            access_id = $place.key.access().map(tracing::field::debug),
            boundary = allowed_by.map(|by| by.name.as_str()),
            boundary_uid = allowed_by.map(|by| by.uid.as_str()),
            boundary_generation = allowed_by.map(|by| by.generation),
            $($field)*
            $message
        );
    };
}

/// A change was sent.
pub(super) fn sent(object: &PimPolicy, place: &Place, origin: &Origin, sent: &Sent<'_>) {
    let rules: Vec<String> = sent.step.iter().map(report::difference).collect();
    let (outcome, request_id) = match sent.answer {
        Ok(()) => ("Accepted", None),
        Err(error) => (error.code().unwrap_or("Unknown"), error.request_id()),
    };
    line!(
        info,
        "policy change sent",
        object,
        place,
        origin,
        action = "updatePolicy",
        policy_id = sent.view.id,
        rules = rules.join("; "),
        client_request_id = %sent.id,
        request_id,
        outcome,
    );
}

/// A policy is not changed, because nobody allows it.
pub(super) fn denied(object: &PimPolicy, place: &Place, origin: &Origin, verdict: &Verdict) {
    line!(
        warn,
        "policy change denied",
        object,
        place,
        origin,
        reason = verdict.reason.as_str(),
        outcome = "denied",
        detail = verdict.message,
    );
}
