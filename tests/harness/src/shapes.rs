//! Microsoft's shapes are law: recorded traffic, held property by property against Graph's own metadata.
//!
//! `graph-v1.0.schema.json` is cut from the metadata that Microsoft publishes. An unknown name, a wrong type or a wrong enum
//! member is a misfit, in what a client sent as in what the simulator answered. Batches are unpacked.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use jsonschema::Validator;
use serde_json::{Value, json};

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("graph-v1.0.schema.json")).unwrap_or_default()
});
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// What a check came to.
#[derive(Debug, Default)]
pub struct Findings {
    /// Bodies that were held against a shape.
    pub checked: usize,
    /// What did not fit, with how often.
    pub misfits: BTreeMap<String, usize>,
}

impl Findings {
    /// Holds one exchange against the shapes: `{"method", "path", "status", "request", "response"}`.
    pub fn exchange(&mut self, exchange: &Value) {
        let path = text(exchange, "path")
            .or_else(|| text(exchange, "url"))
            .unwrap_or_default();
        let method = text(exchange, "method").unwrap_or("GET");
        if path
            .split('?')
            .next()
            .unwrap_or_default()
            .ends_with("/$batch")
        {
            self.batch(exchange);
            return;
        }
        let Some(type_) = type_of(path) else { return };
        let request = &exchange["request"];
        if matches!(method, "POST" | "PATCH" | "PUT") && request.is_object() {
            self.body(request, &type_, "request");
        }
        let succeeded = exchange["status"]
            .as_u64()
            .is_some_and(|status| (200..300).contains(&status));
        // A selection leaves out what the shape demands.
        if succeeded
            && exchange["response"].is_object()
            && !path.contains("$select")
            && !path.contains("%24select")
        {
            self.body(&exchange["response"], &type_, "response");
        }
    }

    fn batch(&mut self, exchange: &Value) {
        let answers: HashMap<&str, &Value> = items(&exchange["response"]["responses"])
            .filter_map(|answer| Some((text(answer, "id")?, answer)))
            .collect();
        for item in items(&exchange["request"]["requests"]) {
            let answer = text(item, "id")
                .and_then(|id| answers.get(id).copied())
                .unwrap_or(&Value::Null);
            self.exchange(&json!({
                "method": item["method"], "path": item["url"], "request": item["body"],
                "status": answer["status"], "response": answer["body"],
            }));
        }
    }

    fn body(&mut self, body: &Value, type_: &str, side: &str) {
        if body.get("error").is_some() {
            return;
        }
        if let Some(values) = body.get("value").and_then(Value::as_array) {
            for value in values {
                self.body(value, type_, side);
            }
            return;
        }
        let type_ = match type_ {
            RULE => derived(body),
            type_ => type_,
        };
        let Some(validator) = validator(type_) else {
            *self
                .misfits
                .entry(format!("{side}: unknown type {type_}"))
                .or_default() += 1;
            return;
        };
        self.checked += 1;
        for error in validator.iter_errors(body) {
            let misfit = format!("{side}: {type_}{}: {error}", error.instance_path());
            *self
                .misfits
                .entry(misfit.chars().take(300).collect())
                .or_default() += 1;
        }
        // The metadata knows lists of abstract types only; what is in them says what it is.
        for policy in [body, &body["policy"]] {
            let rules = items(&policy["rules"]).chain(items(&policy["effectiveRules"]));
            for rule in rules {
                self.body(rule, RULE, side);
            }
        }
        for stage in items(&body["setting"]["approvalStages"]) {
            for approver in items(&stage["primaryApprovers"]) {
                self.body(approver, derived(approver), side);
            }
        }
    }
}

/// The abstract type of the rules of a policy.
const RULE: &str = "unifiedRoleManagementPolicyRule";

/// The type that a body names itself.
fn derived(body: &Value) -> &str {
    let name = text(body, "@odata.type").unwrap_or(RULE);
    name.trim_start_matches("#microsoft.graph.")
}

fn validator(type_: &str) -> Option<Arc<Validator>> {
    let mut validators = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(validator) = validators.get(type_) {
        return Some(Arc::clone(validator));
    }
    SCHEMA["$defs"].get(type_)?;
    let mut schema = SCHEMA.clone();
    schema["$ref"] = json!(format!("#/$defs/{type_}"));
    let validator = Arc::new(jsonschema::draft202012::new(&schema).ok()?);
    validators.insert(type_.to_owned(), Arc::clone(&validator));
    Some(validator)
}

/// The type of the bodies at a path; none where no shape is known.
fn type_of(path: &str) -> Option<String> {
    let path = path
        .split('?')
        .next()?
        .trim_start_matches("/v1.0")
        .trim_start_matches("/beta");
    if let Some(rest) = path.strip_prefix("/policies/") {
        return policy_type_of(rest).map(str::to_owned);
    }
    let (set, type_) = [
        (
            "/identityGovernance/privilegedAccess/group/",
            "privilegedAccessGroup",
        ),
        ("/roleManagement/directory/role", "unifiedRole"),
    ]
    .into_iter()
    .find_map(|(base, prefix)| Some((path.strip_prefix(base)?, prefix)))?;
    let (name, rest) = set.split_at(set.find(['/', '(']).unwrap_or(set.len()));
    // An action such as cancel has no body of the set's type.
    if rest.matches('/').count() > 1 {
        return None;
    }
    let name = name.to_owned();
    let singular = match name.as_str() {
        "assignmentApprovals" => return Some("approval".to_owned()),
        _ => name.strip_suffix('s')?,
    };
    let mut letters = singular.chars();
    let first = letters.next()?.to_uppercase();
    let known = ["AssignmentSchedule", "EligibilitySchedule"];
    let type_ = format!("{type_}{first}{}", letters.as_str());
    known
        .iter()
        .any(|part| type_.contains(part))
        .then_some(type_)
}

/// The type of the bodies at a path under `/policies/`.
fn policy_type_of(path: &str) -> Option<&'static str> {
    let segments: Vec<&str> = path.split('/').collect();
    match segments.as_slice() {
        ["roleManagementPolicies"] | ["roleManagementPolicies", _] => {
            Some("unifiedRoleManagementPolicy")
        }
        ["roleManagementPolicies", _, "rules" | "effectiveRules"]
        | ["roleManagementPolicies", _, "rules" | "effectiveRules", _] => Some(RULE),
        ["roleManagementPolicyAssignments"] | ["roleManagementPolicyAssignments", _] => {
            Some("unifiedRoleManagementPolicyAssignment")
        }
        _ => None,
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_and_approvers_are_held_against_the_types_they_name() {
        let path = "/v1.0/policies/roleManagementPolicyAssignments?$expand=policy($expand=rules)";
        let exchange = |rule: Value| {
            json!({"path": path, "status": 200, "response": {"value": [{
                "id": "a", "policyId": "p", "scopeId": "/", "scopeType": "DirectoryRole",
                "policy": {"id": "p", "displayName": "", "description": "", "scopeId": "/",
                           "scopeType": "DirectoryRole", "rules": [rule]},
            }]}})
        };
        let approval = |approver: Value| {
            json!({
                "@odata.type": "#microsoft.graph.unifiedRoleManagementPolicyApprovalRule",
                "id": "r", "setting": {"approvalStages": [{"primaryApprovers": [approver]}]},
            })
        };
        let user = "#microsoft.graph.singleUser";
        let mut findings = Findings::default();
        findings.exchange(&exchange(approval(
            json!({"@odata.type": user, "userId": "u"}),
        )));
        assert_eq!((findings.checked, findings.misfits.len()), (3, 0));
        findings.exchange(&exchange(approval(json!({"@odata.type": user, "id": "u"}))));
        findings.exchange(&exchange(json!({
            "@odata.type": "#microsoft.graph.unifiedRoleManagementPolicyEnablementRule",
            "id": "r", "maximumDuration": "PT8H",
        })));
        assert_eq!(findings.misfits.len(), 2, "{:?}", findings.misfits);
    }

    const PATH: &str =
        "/v1.0/identityGovernance/privilegedAccess/group/eligibilityScheduleRequests";

    #[test]
    fn paths_lead_to_microsofts_type_names() {
        assert_eq!(
            type_of(PATH).as_deref(),
            Some("privilegedAccessGroupEligibilityScheduleRequest")
        );
        assert_eq!(
            type_of(&format!("{PATH}/1234")).as_deref(),
            Some("privilegedAccessGroupEligibilityScheduleRequest")
        );
        assert_eq!(type_of(&format!("{PATH}/1234/cancel")), None);
        assert_eq!(
            type_of("/v1.0/identityGovernance/privilegedAccess/group/assignmentScheduleInstances?$filter=x").as_deref(),
            Some("privilegedAccessGroupAssignmentScheduleInstance")
        );
        assert_eq!(type_of("/v1.0/users/alice"), None);
    }

    #[test]
    fn a_name_or_a_member_that_graph_does_not_know_is_a_misfit() {
        let mut findings = Findings::default();
        let exchange = |request: Value| json!({"method": "POST", "path": PATH, "status": 400, "request": request, "response": null});
        findings.exchange(&exchange(json!({"action": "adminAssign", "accessId": "member", "groupId": "g", "principalId": "p"})));
        assert!(findings.misfits.is_empty(), "{:?}", findings.misfits);
        findings.exchange(&exchange(json!({"action": "adminGrant", "groupID": "g"})));
        assert_eq!(findings.checked, 2);
        assert!(!findings.misfits.is_empty());
    }
}
