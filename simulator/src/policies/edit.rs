//! What an administrator changes in the portal, and what an estate asks for.
//!
//! The short form names what requests feel; `rules` takes rules as Graph shows them, whole or in
//! part, known or not. Nothing here is validated: the point is to bring about any state at once.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::approvers::{self, Approver};
use super::change::{ACTIVATION_ENABLEMENT, APPROVAL, CONTEXT};
use super::{PolicyScope, defaults};
use crate::admin::AdminError;
use crate::directory::Class;
use crate::duration;
use crate::engine::Requirement;
use crate::types::Access;
use crate::world::World;

/// A change to what administrators may do at one level; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct AdminRulesPatch {
    /// New value, if any.
    pub permanent_allowed: Option<bool>,
    /// New value, if any.
    #[serde(with = "crate::duration::iso_option")]
    pub maximum_duration: Option<Duration>,
    /// New value, if any.
    pub require: Option<Vec<Requirement>>,
}

/// A change to what activation takes; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ActivationRulesPatch {
    /// New value, if any.
    #[serde(with = "crate::duration::iso_option")]
    pub maximum_duration: Option<Duration>,
    /// New value, if any.
    pub require: Option<Vec<Requirement>>,
    /// New value, if any.
    pub approval_required: Option<bool>,
    /// New approvers, if any: ids or names of users and groups. An id that names nobody becomes a
    /// user.
    pub approvers: Option<Vec<String>>,
    /// New value, if any; an empty text turns it off.
    pub authentication_context: Option<String>,
}

/// A change to a policy; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PolicyPatch {
    /// Making eligible.
    pub eligibility: AdminRulesPatch,
    /// Making active.
    pub assignment: AdminRulesPatch,
    /// Activation.
    pub activation: ActivationRulesPatch,
    /// Rules as Graph shows them, by id: what they name replaces what is there, objects go deeper,
    /// and a rule with an unknown id is added.
    pub rules: Vec<Value>,
}

impl PolicyPatch {
    /// A change to one rule, as Graph shows it; what is absent stays.
    #[must_use]
    pub fn rule(rule: Value) -> Self {
        Self {
            rules: vec![rule],
            ..Self::default()
        }
    }
}

impl World {
    /// Changes a policy as an administrator; without an author it is how the estate starts.
    pub(crate) fn edit_policy(
        &mut self,
        scope: PolicyScope,
        patch: &PolicyPatch,
        now: chrono::DateTime<chrono::Utc>,
        by: Option<String>,
    ) -> Result<(), AdminError> {
        let mut rules = self.policies.rules(scope).to_vec();
        admin(&mut rules, "Eligibility", &patch.eligibility);
        admin(&mut rules, "Assignment", &patch.assignment);
        activation(&mut rules, &patch.activation);
        if let Some(names) = &patch.activation.approvers {
            let approvers: Result<Vec<_>, _> =
                names.iter().map(|name| self.approver(name)).collect();
            let stored: Vec<Value> = approvers?.into_iter().map(Approver::stored).collect();
            let mut stage = defaults::stage();
            stage["primaryApprovers"] = stored.into();
            set(
                &mut rules,
                APPROVAL,
                json!({"setting": {"approvalStages": [stage]}}),
            );
        }
        for rule in &patch.rules {
            let id = rule["id"].as_str().unwrap_or_default().to_owned();
            set(&mut rules, &id, rule.clone());
        }
        approvers::normalise(&mut rules);
        self.policies.write(scope, rules, now, by);
        self.onboard(scope);
        Ok(())
    }

    fn approver(&self, name: &str) -> Result<Approver, AdminError> {
        if let Ok(group) = self.find(Class::Group, name) {
            return Ok(Approver::GroupMembers(group));
        }
        match (self.find(Class::User, name), uuid::Uuid::try_parse(name)) {
            (Ok(id), _) | (Err(_), Ok(id)) => Ok(Approver::User(id)),
            (Err(error), Err(_)) => Err(error),
        }
    }

    /// The policy of a group, by id or name.
    pub(crate) fn group_policy(
        &self,
        group: &str,
        access: Access,
    ) -> Result<PolicyScope, AdminError> {
        let group = self.find(Class::Group, group)?;
        Ok(PolicyScope::Group { group, access })
    }

    /// The policy of a directory role, by id or display name.
    pub(crate) fn role_policy(&self, name: &str) -> Result<PolicyScope, AdminError> {
        let role = self.find_role(name)?;
        Ok(PolicyScope::Role { role })
    }
}

fn admin(rules: &mut Vec<Value>, level: &str, patch: &AdminRulesPatch) {
    if let Some(allowed) = patch.permanent_allowed {
        let id = format!("Expiration_Admin_{level}");
        set(rules, &id, json!({"isExpirationRequired": !allowed}));
    }
    longest(
        rules,
        &format!("Expiration_Admin_{level}"),
        patch.maximum_duration,
    );
    require(
        rules,
        &format!("Enablement_Admin_{level}"),
        patch.require.as_deref(),
    );
}

fn activation(rules: &mut Vec<Value>, patch: &ActivationRulesPatch) {
    longest(
        rules,
        "Expiration_EndUser_Assignment",
        patch.maximum_duration,
    );
    require(rules, ACTIVATION_ENABLEMENT, patch.require.as_deref());
    if let Some(required) = patch.approval_required {
        set(
            rules,
            APPROVAL,
            json!({"setting": {"isApprovalRequired": required}}),
        );
    }
    if let Some(context) = &patch.authentication_context {
        let change = json!({"isEnabled": !context.is_empty(), "claimValue": context});
        set(rules, CONTEXT, change);
    }
}

fn longest(rules: &mut Vec<Value>, id: &str, length: Option<Duration>) {
    if let Some(length) = length {
        set(
            rules,
            id,
            json!({"maximumDuration": duration::format(length)}),
        );
    }
}

fn require(rules: &mut Vec<Value>, id: &str, require: Option<&[Requirement]>) {
    if let Some(require) = require {
        set(rules, id, json!({"enabledRules": require}));
    }
}

/// Changes the rule with an id, or adds it.
fn set(rules: &mut Vec<Value>, id: &str, change: Value) {
    match rules.iter_mut().find(|rule| rule["id"] == id) {
        Some(rule) => merge(rule, change),
        None => rules.push(change),
    }
}

fn merge(into: &mut Value, change: Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (name, value) in change {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, change) => *into = change,
    }
}
