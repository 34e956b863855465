//! Bodies of policies, assignments and rules, with what `$expand` and `$select` ask for.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::ids::{Named, ScopeType};
use super::store::Reading;
use super::{PolicyScope, approvers};
use crate::call::Call;
use crate::error::GraphError;
use crate::odata::query::Expand;
use crate::odata::shape;
use crate::timestamp;
use crate::types::PolicyView;
use crate::world::World;

const POLICY_TYPE: &str = "microsoft.graph.unifiedRoleManagementPolicy";
const POLICY: &[&str] = &[
    "id",
    "displayName",
    "description",
    "isOrganizationDefault",
    "scopeId",
    "scopeType",
    "lastModifiedDateTime",
    "lastModifiedBy",
];
const ASSIGNMENT_TYPE: &str = "microsoft.graph.unifiedRoleManagementPolicyAssignment";
const ASSIGNMENT: &[&str] = &["id", "policyId", "scopeId", "scopeType", "roleDefinitionId"];

/// How a call looks at policies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lens {
    pub reading: Reading,
    pub beta: bool,
}

impl Lens {
    /// What the writer of a change is answered.
    pub fn fresh(call: &Call) -> Self {
        Self {
            reading: Reading {
                now: call.now,
                stale: false,
                lag: Duration::ZERO,
            },
            beta: call.version == "beta",
        }
    }

    pub fn of(world: &World, call: &Call) -> Self {
        Self {
            reading: Reading {
                now: call.now,
                stale: call.stale,
                lag: world.behaviour.policy_read_lag,
            },
            beta: call.version == "beta",
        }
    }
}

/// Refuses names that the types do not have.
pub(super) fn check_policy(select: Option<&[String]>, expand: &[Expand]) -> Result<(), GraphError> {
    shape::check_select(select, POLICY_TYPE, POLICY)?;
    let names: Vec<String> = expand.iter().map(|expand| expand.name.clone()).collect();
    shape::check_select(Some(&names), POLICY_TYPE, &["rules", "effectiveRules"])
}

/// See [`check_policy`].
pub(super) fn check_assignment(
    select: Option<&[String]>,
    expand: &[Expand],
) -> Result<(), GraphError> {
    shape::check_select(select, ASSIGNMENT_TYPE, ASSIGNMENT)?;
    for expand in expand {
        let name = std::slice::from_ref(&expand.name);
        shape::check_select(Some(name), ASSIGNMENT_TYPE, &["policy"])?;
        check_policy(expand.select.as_deref(), &expand.inner)?;
    }
    Ok(())
}

/// The rules as shown, and the rest of the policy as it was at the same time.
fn snapshot(world: &mut World, named: Named, lens: Lens) -> (Vec<Value>, Value) {
    let id = named.policy_id(world);
    let (rules, modified) = world.policies.read(named.scope, lens.reading);
    let mut rules = rules.to_vec();
    let policy = json!({
        "id": id,
        "displayName": named.by.as_str(),
        "description": named.by.as_str(),
        "isOrganizationDefault": false,
        "scopeId": named.scope_id(),
        "scopeType": named.by.as_str(),
        "lastModifiedDateTime": modified.map(|modified| timestamp::trimmed(modified.at)),
        "lastModifiedBy": {
            "displayName": modified.map(|modified| modified.by.as_str()),
            "id": null,
        },
    });
    approvers::show(world, &mut rules, lens.beta);
    (rules, policy)
}

/// The rules of a policy. `effectiveRules` are the same: nothing is inherited.
pub(super) fn rules(world: &mut World, named: Named, lens: Lens) -> Vec<Value> {
    snapshot(world, named, lens).0
}

pub(super) fn policy(
    world: &mut World,
    named: Named,
    lens: Lens,
    select: Option<&[String]>,
    expand: &[Expand],
) -> Value {
    let (rules, mut policy) = snapshot(world, named, lens);
    shape::select(&mut policy, select, &[]);
    for expand in expand {
        let properties: &[&str] = match expand.name.as_str() {
            "*" => &["rules", "effectiveRules"],
            "rules" => &["rules"],
            _ => &["effectiveRules"],
        };
        let mut shown = rules.clone();
        for rule in &mut shown {
            shape::select(rule, expand.select.as_deref(), &[]);
        }
        if let Value::Object(policy) = &mut policy {
            for property in properties {
                policy.insert((*property).to_owned(), shown.clone().into());
            }
        }
    }
    policy
}

pub(super) fn assignment(
    world: &mut World,
    named: Named,
    lens: Lens,
    select: Option<&[String]>,
    expand: &[Expand],
) -> Value {
    let mut assignment = plain_assignment(world, named);
    shape::select(&mut assignment, select, &[]);
    for expand in expand {
        let inner = policy(world, named, lens, expand.select.as_deref(), &expand.inner);
        if let Value::Object(assignment) = &mut assignment {
            assignment.insert("policy".to_owned(), inner);
        }
    }
    assignment
}

/// An assignment without its policy, also what `$filter` looks at.
pub(super) fn plain_assignment(world: &World, named: Named) -> Value {
    json!({
        "id": named.assignment_id(world),
        "policyId": named.policy_id(world),
        "scopeId": named.scope_id(),
        "scopeType": named.by.as_str(),
        "roleDefinitionId": named.scope.role_definition_id(),
    })
}

/// The context of a set, with what was selected and expanded: `…(policy(rules()))`.
pub(super) fn context(call: &Call, set: &str, entity: bool) -> String {
    let mut context = format!("{}/{}/$metadata#{set}", call.base, call.version);
    let parts = parts(call.query.select.as_deref(), &call.query.expand);
    if !parts.is_empty() {
        context.push('(');
        context.push_str(&parts);
        context.push(')');
    }
    if entity {
        context.push_str("/$entity");
    }
    context
}

fn parts(select: Option<&[String]>, expand: &[Expand]) -> String {
    let selected = select.unwrap_or_default().iter().cloned();
    let expanded = expand.iter().map(|expand| {
        let inner = parts(expand.select.as_deref(), &expand.inner);
        format!("{}({inner})", expand.name)
    });
    selected.chain(expanded).collect::<Vec<_>>().join(",")
}

/// An object with its context in front.
pub(super) fn entity(context: String, value: Value) -> Value {
    let mut entity = Map::new();
    entity.insert("@odata.context".to_owned(), context.into());
    if let Value::Object(value) = value {
        entity.extend(value);
    }
    entity.into()
}

impl World {
    /// A policy as it is.
    pub(crate) fn policy_view(&self, scope: PolicyScope) -> PolicyView {
        let by = ScopeType::of(scope);
        let mut rules = self.policies.rules(scope).to_vec();
        approvers::show(self, &mut rules, false);
        let modified = self.policies.modified(scope);
        PolicyView {
            id: Named { scope, by }.policy_id(self),
            rules,
            modified_by: modified.map(|modified| modified.by.clone()),
            modified: modified.map(|modified| modified.at),
        }
    }

    /// The policies that somebody changed, whole, for the dump of the state.
    pub(crate) fn changed_policies(&self) -> Vec<Value> {
        let mut scopes: Vec<_> = self.policies.changed().collect();
        scopes.sort_by_key(|(scope, _)| *scope);
        let shown = scopes.into_iter().map(|(scope, modified)| {
            let by = ScopeType::of(scope);
            let mut policy = plain_assignment(self, Named { scope, by });
            policy["lastModifiedDateTime"] = json!(modified.map(|m| timestamp::trimmed(m.at)));
            policy["rules"] = json!(self.policies.rules(scope));
            policy
        });
        shown.collect()
    }
}
