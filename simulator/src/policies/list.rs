//! The two lists. Both demand a scope: its id and its type.

use serde_json::Value;

use super::PolicyScope;
use super::ids::{Named, ScopeType};
use super::store::Depth;
use super::wire::{self, Lens};
use crate::answer::Answer;
use crate::call::Call;
use crate::error::GraphError;
use crate::odata::filter::{Filter, Operand};
use crate::odata::paging;
use crate::odata::shape::Collection;
use crate::permissions;
use crate::world::World;

/// Which list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Policies,
    Assignments,
}

impl What {
    pub fn set(self) -> &'static str {
        match self {
            Self::Policies => "policies/roleManagementPolicies",
            Self::Assignments => "policies/roleManagementPolicyAssignments",
        }
    }

    /// Type, and what `$filter` takes.
    fn filterable(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Policies => (
                "microsoft.graph.unifiedRoleManagementPolicy",
                &["scopeId", "scopeType", "id"],
            ),
            Self::Assignments => (
                "microsoft.graph.unifiedRoleManagementPolicyAssignment",
                &["scopeId", "scopeType", "id", "roleDefinitionId", "policyId"],
            ),
        }
    }
}

/// Serves a list.
pub(super) fn serve(world: &mut World, call: &Call, what: What) -> Result<Answer, GraphError> {
    let query = &call.query;
    let (by, scope_id, filter) = scope(query.filter.as_ref())?;
    permissions::policy_read(call, by == ScopeType::Group)?;
    match what {
        What::Policies => wire::check_policy(query.select.as_deref(), &query.expand)?,
        What::Assignments => wire::check_assignment(query.select.as_deref(), &query.expand)?,
    }
    if query.count || query.order_by.is_some() {
        return Err(GraphError::unsupported_query(
            "$count and $orderby are not supported on this resource.",
        ));
    }
    let (type_name, paths) = what.filterable();
    filter.check(type_name, paths, false)?;
    let names_rules = what == What::Policies || !query.expand.is_empty();
    let depth = if names_rules {
        Depth::Rules
    } else {
        Depth::Assignments
    };
    let mut found = in_scope(world, call, by, scope_id, depth)?;
    found.retain(|(_, named)| {
        let plain = plain(world, *named, what);
        filter.matches(&|name: &str| match plain[name].as_str() {
            Some(text) => Operand::Text(text.to_owned().into()),
            None => Operand::Null,
        })
    });
    let size = query
        .top
        .or(world.behaviour.pim_page_size)
        .unwrap_or(usize::MAX);
    let (page, next) = paging::cut(found, |(at, _)| *at, query.after, false, size);
    let lens = Lens::of(world, call);
    let (select, expand) = (query.select.as_deref(), &query.expand[..]);
    let value = page
        .into_iter()
        .map(|(_, named)| match what {
            What::Policies => wire::policy(world, named, lens, select, expand),
            What::Assignments => wire::assignment(world, named, lens, select, expand),
        })
        .collect();
    let body = Collection::<Value> {
        context: wire::context(call, what.set(), false),
        count: None,
        next_link: next.map(|after| query.next_link(&call.base, &call.path, after)),
        value,
    };
    Ok(Answer::json(200, &body))
}

fn plain(world: &World, named: Named, what: What) -> Value {
    let mut plain = wire::plain_assignment(world, named);
    if what == What::Policies {
        plain["id"] = plain["policyId"].take();
    }
    plain
}

/// The scope that the filter names. The type of the scope chooses the provider, so without it, or
/// with an unknown one, there is none.
fn scope(filter: Option<&Filter>) -> Result<(ScopeType, &str, &Filter), GraphError> {
    let missing = GraphError::missing_provider;
    let filter = filter.ok_or_else(missing)?;
    let by = filter.required_text("scopeType").and_then(ScopeType::parse);
    let id = filter.required_text("scopeId");
    Ok((by.ok_or_else(missing)?, id.ok_or_else(missing)?, filter))
}

/// The policies of a scope with their positions.
fn in_scope(
    world: &mut World,
    call: &Call,
    by: ScopeType,
    id: &str,
    depth: Depth,
) -> Result<Vec<(u64, Named)>, GraphError> {
    let scopes = if by == ScopeType::Group {
        let group = uuid::Uuid::try_parse(id).map_err(|_| GraphError::resource_not_found())?;
        world.check_known_group(group, depth, call.now)?;
        PolicyScope::of_group(group).to_vec()
    } else if id == "/" {
        let roles = world.policy_roles().into_iter();
        roles.map(|role| PolicyScope::Role { role }).collect()
    } else {
        return Err(GraphError::resource_not_found());
    };
    let named = scopes.into_iter().map(|scope| Named { scope, by });
    Ok((1..).zip(named).collect())
}
