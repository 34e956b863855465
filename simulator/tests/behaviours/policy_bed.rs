//! Policies over HTTP: paths, filters, bodies and calls that several modules need.

use reqwest::Method;
use serde_json::{Value, json};

use crate::bed::*;

pub const POLICIES: &str = "/v1.0/policies/roleManagementPolicies";
pub const ASSIGNMENTS: &str = "/v1.0/policies/roleManagementPolicyAssignments";
pub const GLOBAL_ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";
pub const READER: &str = "f2ef992c-3afb-46b9-b7cf-a126ee74c451";
pub const PREFIX: &str = "#microsoft.graph.unifiedRoleManagementPolicy";

/// The filter for a group's policies.
pub fn of_group(group: &str) -> String {
    format!("$filter=scopeId eq '{group}' and scopeType eq 'Group'")
}

pub fn of_role(role: &str) -> String {
    format!(
        "$filter=scopeId eq '/' and scopeType eq 'DirectoryRole' and roleDefinitionId eq '{role}'"
    )
}

/// The id of the policy that a filter finds.
pub async fn policy_id(bed: &Bed, filter: &str) -> String {
    let reply = bed.get(&format!("{ASSIGNMENTS}?{filter}")).await;
    reply.items()[0]["policyId"].as_str().unwrap().to_owned()
}

pub async fn member_policy(bed: &Bed) -> String {
    policy_id(
        bed,
        &format!("{} and roleDefinitionId eq 'member'", of_group(OPS)),
    )
    .await
}

/// A rule body; the type comes from the first word of the id.
pub fn rule(id: &str, with: Value) -> Value {
    let type_ = id.split('_').next().unwrap();
    let mut rule = json!({"@odata.type": format!("{PREFIX}{type_}Rule"), "id": id});
    if let (Value::Object(rule), Value::Object(with)) = (&mut rule, with) {
        rule.extend(with);
    }
    rule
}

pub async fn patch(bed: &Bed, policy: &str, rules: &[Value]) -> Reply {
    let path = format!("{POLICIES}/{policy}");
    bed.send(Method::PATCH, &path, Some(json!({"rules": rules})))
        .await
}

pub async fn patch_rule(bed: &Bed, policy: &str, body: Value) -> Reply {
    let path = format!("{POLICIES}/{policy}/rules/{}", body["id"].as_str().unwrap());
    bed.send(Method::PATCH, &path, Some(body)).await
}

pub async fn rules(bed: &Bed, policy: &str) -> Vec<Value> {
    bed.get(&format!("{POLICIES}/{policy}/rules"))
        .await
        .items()
        .clone()
}

pub fn find<'a>(rules: &'a [Value], id: &str) -> &'a Value {
    rules.iter().find(|rule| rule["id"] == id).unwrap()
}

pub fn approval(required: bool, approvers: Value) -> Value {
    let mut setting = json!({"isApprovalRequired": required, "approvalStages": [{}]});
    setting["approvalStages"][0]["primaryApprovers"] = approvers;
    rule("Approval_EndUser_Assignment", json!({"setting": setting}))
}

pub fn user(id: &str) -> Value {
    json!({"@odata.type": "#microsoft.graph.singleUser", "userId": id})
}
