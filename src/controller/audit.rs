//! The audit log: one line for each request that was sent and for each denial, under the target `pim_operator::audit`.
//!
//! A line connects a manifest, the decision about it and the request in Entra. Its fields are described in `docs/audit.md`
//! and keep their meaning; a field that does not apply is not there.

use kube::ResourceExt;
use tracing::{
    field::{DebugValue, debug},
    info, warn,
};
use uuid::Uuid;

use crate::{
    api::{
        conditions::ConditionType,
        references::AccessId,
        status::{GrantStatus, ResolvedReferences},
    },
    graph::GraphError,
    pim::plan::Change,
};

use super::{
    act::Order,
    grant::{Grant, Named},
    origin::Origin,
    status::{Verdict, end_text, find_condition, instant_text},
    tenants::Tenant,
};

/// What a line is about.
pub enum Entry<'a> {
    /// A request was sent.
    Sent {
        /// The request.
        order: &'a Order<'a>,
        /// Its `client-request-id`.
        client_request_id: Uuid,
        /// The request's id in Graph and its status, or why there is none.
        answer: Result<(&'a str, &'a str), &'a GraphError>,
    },
    /// A request is not sent, because nobody allows it.
    Denied(&'a Verdict),
}

/// Writes a line about a grant.
pub fn record<K: Grant>(
    tenant: &Tenant,
    grant: &K,
    resolved: &ResolvedReferences,
    origin: &Origin,
    entry: &Entry<'_>,
) {
    let allowed_by = grant
        .status()
        .and_then(|status| status.authorized_by.as_ref());
    // The fields that both sorts of line have come first; the others are named once for each.
    macro_rules! line {
        ($level:ident, $message:literal, $($field:tt)*) => {
            $level!(
                target: "pim_operator::audit",
                kind = K::KIND,
                namespace = grant.namespace(),
                name = grant.name_any(),
                uid = grant.uid(),
                generation = grant.meta().generation,
                cluster = origin.cluster,
                revision = origin.revision,
                tenant = tenant.name,
                tenant_id = %tenant.id,
                group_id = resolved.group_id.as_ref().map(display),
                group = resolved.group_id.as_ref().map(|_| resolved.target_name.as_str()),
                role_id = resolved.role_id.as_ref().map(display),
                role = resolved.role_id.as_ref().map(|_| resolved.target_name.as_str()),
                directory_scope_id = resolved.directory_scope_id,
                scope = resolved.scope_name,
                principal_id = %resolved.principal_id,
                principal = resolved.principal_name,
                access_id = access_id(grant),
                boundary = allowed_by.map(|by| by.name.as_str()),
                boundary_uid = allowed_by.map(|by| by.uid.as_str()),
                boundary_generation = allowed_by.map(|by| by.generation),
                $($field)*
                $message
            )
        };
    }
    match entry {
        Entry::Sent {
            order,
            client_request_id,
            answer,
        } => {
            let window = match order.change {
                Change::Assign(window) | Change::Update(window) | Change::Extend(window) => {
                    Some(window)
                }
                Change::Remove | Change::Cancel { .. } => None,
            };
            let (outcome, request_id) = match answer {
                Ok((id, status)) => (*status, Some(*id)),
                Err(error) => (error.code().unwrap_or("Unknown"), error.request_id()),
            };
            line!(
                info,
                "request sent",
                action = order.change.action().as_str(),
                why = order.why.as_str(),
                start = window.map(|window| instant_text(window.start)),
                end = window.map(|window| end_text(window.end)),
                client_request_id = %client_request_id,
                request_id,
                outcome,
            );
        }
        Entry::Denied(verdict) => line!(
            warn,
            "request denied",
            reason = verdict.reason.as_str(),
            outcome = "denied",
            detail = verdict.message,
        ),
    }
}

/// The relationship of a grant for a group.
fn access_id<K: Grant>(grant: &K) -> Option<DebugValue<AccessId>> {
    match grant.named() {
        Named::Group(_, access) => Some(debug(access)),
        Named::Role(_) => None,
    }
}

/// Whether a verdict on the authority for a generation is another than the one that the status holds.
pub(super) fn is_news(status: Option<&GrantStatus>, verdict: &Verdict, generation: i64) -> bool {
    let said = status.and_then(|status| find_condition(status, ConditionType::Authorized));
    said.is_none_or(|said| {
        said.status != verdict.status_text()
            || said.reason != verdict.reason.as_str()
            || said.message != verdict.message
            || said.observed_generation != Some(generation)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{api::conditions::Reason, controller::status::set_condition};

    #[test]
    fn a_denial_is_news_until_the_status_says_it_for_this_generation() {
        let denied = Verdict::no(Reason::Conflict, "no boundary allows it");
        assert!(is_news(None, &denied, 1));
        let mut status = GrantStatus::default();
        let mut say = |verdict: &Verdict| {
            let type_ = ConditionType::Authorized;
            let now = chrono::DateTime::default();
            set_condition(&mut status.conditions, type_, Some(verdict), 1, now);
            status.clone()
        };
        let said = say(&denied);
        assert!(!is_news(Some(&said), &denied, 1));
        assert!(is_news(Some(&said), &denied, 2), "an edit is denied anew");
        let other = Verdict::no(Reason::Conflict, "another boundary comes near");
        assert!(is_news(Some(&said), &other, 1));
        let allowed = say(&Verdict::yes(Reason::Provisioned, "allowed"));
        assert!(is_news(Some(&allowed), &denied, 1));
    }
}
