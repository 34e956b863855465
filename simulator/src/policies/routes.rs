//! The endpoints under `/policies`.

use serde_json::Value;

use super::PolicyScope;
use super::change::{Reader, unreadable};
use super::ids::{self, Named, ScopeType};
use super::list::{self, What};
use super::store::Depth;
use super::wire::{self, Lens};
use crate::answer::Answer;
use crate::behaviour::RoleApprovers;
use crate::call::Call;
use crate::engine::Actor;
use crate::engine::target::{GLOBAL_ADMINISTRATOR, PRIVILEGED_ROLE_ADMINISTRATOR};
use crate::error::GraphError;
use crate::odata::shape::{self, Collection};
use crate::permissions;
use crate::types::Access;
use crate::world::World;

/// Serves a call; `rest` is what follows `/policies`.
pub(crate) fn serve(world: &mut World, call: &Call, rest: &[&str]) -> Result<Answer, GraphError> {
    world.check_licence()?;
    let what = match rest.first() {
        Some(&"roleManagementPolicies") => What::Policies,
        Some(&"roleManagementPolicyAssignments") => What::Assignments,
        other => return Err(GraphError::unknown_segment(other.unwrap_or(&"policies"))),
    };
    match (
        call.method.as_str(),
        what,
        rest.get(1..).unwrap_or_default(),
    ) {
        ("GET", what, []) => list::serve(world, call, what),
        ("GET", What::Assignments, [id]) => assignment(world, call, id),
        ("GET", What::Policies, [id]) => {
            let named = readable(world, call, id)?;
            wire::check_policy(call.query.select.as_deref(), &call.query.expand)?;
            Ok(policy(world, call, named))
        }
        ("GET", What::Policies, [id, set @ ("rules" | "effectiveRules"), rest @ ..]) => {
            rules(world, call, id, set, rest)
        }
        ("PATCH", What::Policies, [id]) => change_policy(world, call, id),
        ("PATCH", What::Policies, [id, "rules", rule]) => change_rule(world, call, id, rule),
        (_, _, [] | [_] | [_, "rules" | "effectiveRules", ..]) => Err(GraphError::new(
            405,
            "BadRequest",
            "The method is not allowed.",
        )),
        (_, _, [.., last]) => Err(GraphError::unknown_segment(last)),
    }
}

/// The policy that a path names, for a caller who may read it.
fn readable(world: &mut World, call: &Call, id: &str) -> Result<Named, GraphError> {
    let named = ids::policy(world, id)?;
    permissions::policy_read(call, named.by == ScopeType::Group)?;
    known(world, call, named, Depth::Rules)?;
    Ok(named)
}

fn known(world: &mut World, call: &Call, named: Named, depth: Depth) -> Result<(), GraphError> {
    match named.scope {
        PolicyScope::Group { group, .. } => world.check_known_group(group, depth, call.now),
        PolicyScope::Role { .. } => Ok(()),
    }
}

fn assignment(world: &mut World, call: &Call, id: &str) -> Result<Answer, GraphError> {
    let named = ids::assignment(world, id)?;
    let query = &call.query;
    permissions::policy_read(call, named.by == ScopeType::Group)?;
    wire::check_assignment(query.select.as_deref(), &query.expand)?;
    let depth = if query.expand.is_empty() {
        Depth::Assignments
    } else {
        Depth::Rules
    };
    known(world, call, named, depth)?;
    let lens = Lens::of(world, call);
    let body = wire::assignment(world, named, lens, query.select.as_deref(), &query.expand);
    let context = wire::context(call, What::Assignments.set(), true);
    Ok(Answer::json(200, &wire::entity(context, body)))
}

fn policy(world: &mut World, call: &Call, named: Named) -> Answer {
    let query = &call.query;
    let lens = Lens::of(world, call);
    let body = wire::policy(world, named, lens, query.select.as_deref(), &query.expand);
    let context = wire::context(call, What::Policies.set(), true);
    Answer::json(200, &wire::entity(context, body))
}

/// All rules, or the one with an id.
fn rules(
    world: &mut World,
    call: &Call,
    id: &str,
    set: &str,
    rest: &[&str],
) -> Result<Answer, GraphError> {
    let named = readable(world, call, id)?;
    let lens = Lens::of(world, call);
    let mut value = wire::rules(world, named, lens);
    let context = format!(
        "{}/{}/$metadata#policies/roleManagementPolicies('{id}')/{set}",
        call.base, call.version
    );
    for rule in &mut value {
        shape::select(rule, call.query.select.as_deref(), &[]);
    }
    match rest {
        [] => {
            let body = Collection::<Value> {
                context,
                count: None,
                next_link: None,
                value,
            };
            Ok(Answer::json(200, &body))
        }
        [wanted] => {
            let at = position(world, named, wanted)?;
            let rule = value
                .into_iter()
                .nth(at)
                .ok_or_else(GraphError::resource_not_found)?;
            Ok(Answer::json(
                200,
                &wire::entity(format!("{context}/$entity"), rule),
            ))
        }
        [.., last] => Err(GraphError::unknown_segment(last)),
    }
}

fn position(world: &World, named: Named, id: &str) -> Result<usize, GraphError> {
    let rules = world.policies.rules(named.scope);
    rules
        .iter()
        .position(|rule| {
            rule["id"]
                .as_str()
                .is_some_and(|known| known.eq_ignore_ascii_case(id))
        })
        .ok_or_else(GraphError::resource_not_found)
}

/// The policy that a path names, for a caller who may change it; and the body.
fn changeable(world: &mut World, call: &Call, id: &str) -> Result<(Named, Value), GraphError> {
    let named = ids::policy(world, id)?;
    permissions::policy_write(call, named.by == ScopeType::Group)?;
    world.check_living_group(named.scope)?;
    known(world, call, named, Depth::Rules)?;
    // A person changes the policies of owned groups, and of roles as manager of roles; an application
    // any.
    if let Actor::Person { id, .. } = call.actor() {
        let may = match named.scope {
            PolicyScope::Group { group, .. } => world
                .members_of(group, Access::Owner, call.now)
                .contains(&id),
            PolicyScope::Role { .. } => world.holds_role(
                id,
                &[GLOBAL_ADMINISTRATOR, PRIVILEGED_ROLE_ADMINISTRATOR],
                call.now,
            ),
        };
        may.then_some(())
            .ok_or_else(GraphError::unauthorized_access)?;
    }
    let body: Value = serde_json::from_slice(&call.body).map_err(|_| unreadable())?;
    Ok((named, body))
}

fn change_policy(world: &mut World, call: &Call, id: &str) -> Result<Answer, GraphError> {
    let (named, body) = changeable(world, call, id)?;
    let mut rules = world.policies.rules(named.scope).to_vec();
    reader(world, call, named).policy(&mut rules, &body)?;
    write(world, call, named, rules);
    let body = wire::policy(world, named, Lens::fresh(call), None, &[]);
    let context = wire::context(call, What::Policies.set(), true);
    Ok(Answer::json(200, &wire::entity(context, body)))
}

fn change_rule(world: &mut World, call: &Call, id: &str, rule: &str) -> Result<Answer, GraphError> {
    let (named, body) = changeable(world, call, id)?;
    let at = position(world, named, rule)?;
    let mut rules = world.policies.rules(named.scope).to_vec();
    let change = body.as_object().ok_or_else(unreadable)?;
    reader(world, call, named).rule(&mut rules, at, change)?;
    write(world, call, named, rules);
    Ok(Answer::empty(204))
}

fn reader(world: &World, call: &Call, named: Named) -> Reader {
    let role = matches!(named.scope, PolicyScope::Role { .. });
    Reader {
        beta: call.version == "beta",
        approvers_optional: role && world.behaviour.role_approvers == RoleApprovers::Optional,
    }
}

/// Commits a change; the first one onboards a group.
fn write(world: &mut World, call: &Call, named: Named, rules: Vec<Value>) {
    let author = call.actor().id().and_then(|id| world.directory.get(id));
    let author = author
        .map_or("", |entry| entry.object.display_name())
        .to_owned();
    world
        .policies
        .write(named.scope, rules, call.now, Some(author));
    world.onboard(named.scope);
}
