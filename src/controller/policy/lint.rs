//! The facts that lints rest on: whether approvers still exist, and which authentication contexts there are. A fact that cannot
//! be read is not held against anybody.

use std::collections::HashMap;

use futures::future::join_all;

use crate::pim::policy::{Approver, Lint, LintFacts, Policy, Rule, RuleId, Stated, lints};

use super::{PolicyKey, pass::Place};

/// Finds what looks like a mistake about the rules in force.
pub(super) async fn find(place: &Place, stated: &Stated, policy: &Policy) -> Vec<Lint> {
    let tenant = &place.tenant;
    let mut alive: HashMap<Approver, bool> = HashMap::new();
    if let Some(Rule::Approval {
        required: true,
        approvers,
        ..
    }) = policy.rule(RuleId::Approval)
    {
        let look = |one: Approver| async move {
            let found = tenant.directory.object(one.id.as_str()).await;
            found.ok().map(|found| (one, found.is_some()))
        };
        let looks = approvers.iter().cloned().map(look);
        alive.extend(join_all(looks).await.into_iter().flatten());
    }
    let mut contexts = None;
    if let Some(Rule::AuthenticationContext { enabled: true, .. }) =
        policy.rule(RuleId::AuthenticationContext)
    {
        contexts = tenant.policies.contexts(&tenant.client).await.ok();
    }
    let group = match &place.key {
        PolicyKey::Group(id, _) => Some(id),
        PolicyKey::Role(_) => None,
    };
    let facts = LintFacts {
        is_alive: &|one| alive.get(one).copied(),
        contexts: contexts.as_deref(),
        group,
    };
    lints(policy, stated, &facts)
}
