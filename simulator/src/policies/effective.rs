//! From the rules of a policy to what the engine enforces.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::PolicyScope;
use super::approvers::{self, Approver};
use crate::duration;
use crate::engine::target::{GLOBAL_ADMINISTRATOR, PRIVILEGED_ROLE_ADMINISTRATOR};
use crate::engine::{ActivationRules, AdminRules, Policy, Requirement};
use crate::world::World;

impl World {
    /// What a policy demands now, whatever readers see.
    pub(crate) fn policy(&self, scope: PolicyScope) -> Policy {
        of(self.policies.rules(scope))
    }

    /// Whether a person is among the approvers of activations, also as member of a group. Where a
    /// role names none, whoever manages roles approves; groups have no such fallback.
    pub(crate) fn may_decide(&self, person: Uuid, scope: PolicyScope, now: DateTime<Utc>) -> bool {
        let groups = self.groups_around(person, now);
        let named = approvers::of(self.policies.rules(scope));
        if named.is_empty() && matches!(scope, PolicyScope::Role { .. }) {
            let managers = [GLOBAL_ADMINISTRATOR, PRIVILEGED_ROLE_ADMINISTRATOR];
            return self.holds_role(person, &managers, now);
        }
        named.into_iter().any(|approver| match approver {
            Approver::User(id) => id == person,
            Approver::GroupMembers(id) => groups.contains(&id),
        })
    }

    /// Whether approvers have to give a reason.
    pub(crate) fn reviewers_explain(&self, scope: PolicyScope) -> bool {
        let approval = rule(self.policies.rules(scope), super::change::APPROVAL);
        approval.is_some_and(|rule| {
            rule["setting"]["approvalStages"][0]["isApproverJustificationRequired"] == true
        })
    }
}

/// The rule with an id.
pub(super) fn rule<'a>(rules: &'a [Value], id: &str) -> Option<&'a Value> {
    rules.iter().find(|rule| rule["id"] == id)
}

fn of(rules: &[Value]) -> Policy {
    let admin = |level: &str| AdminRules {
        permanent_allowed: flag(
            rules,
            &format!("Expiration_Admin_{level}"),
            "isExpirationRequired",
        ) == Some(false),
        maximum_duration: longest(rules, &format!("Expiration_Admin_{level}")),
        require: require(rules, &format!("Enablement_Admin_{level}")),
    };
    let context = rule(rules, super::change::CONTEXT);
    let approval = rule(rules, super::change::APPROVAL);
    Policy {
        eligibility: admin("Eligibility"),
        assignment: admin("Assignment"),
        activation: ActivationRules {
            maximum_duration: longest(rules, "Expiration_EndUser_Assignment"),
            require: require(rules, super::change::ACTIVATION_ENABLEMENT),
            approval_required: approval
                .is_some_and(|rule| rule["setting"]["isApprovalRequired"] == true),
            authentication_context: context
                .filter(|rule| rule["isEnabled"] == true)
                .and_then(|rule| rule["claimValue"].as_str())
                .filter(|claim| !claim.is_empty())
                .map(str::to_owned),
        },
    }
}

fn flag(rules: &[Value], id: &str, name: &str) -> Option<bool> {
    rule(rules, id)?[name].as_bool()
}

/// No duration, no limit.
fn longest(rules: &[Value], id: &str) -> Duration {
    rule(rules, id)
        .and_then(|rule| duration::parse(rule["maximumDuration"].as_str()?))
        .unwrap_or(Duration::MAX)
}

fn require(rules: &[Value], id: &str) -> Vec<Requirement> {
    let names = rule(rules, id).and_then(|rule| rule["enabledRules"].as_array());
    names
        .into_iter()
        .flatten()
        .filter_map(|name| serde_json::from_value(name.clone()).ok())
        .collect()
}
