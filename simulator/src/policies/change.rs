//! What a PATCH does to the rules of a policy: one rule after the other, on a copy, so that a refused
//! rule leaves everything as it was.
//!
//! What a rule does not state stays. Multi-factor authentication at activation is refused while an
//! authentication context is on, but not the other way round (measured), so the order counts: within
//! one body the rules are taken as they come. A body that turns both on is refused in any order.

use serde_json::{Map, Value};

use super::shapes::{
    OPERATIONS, RULES, SETTINGS, STAGE, TARGET, invalid_policy, null_element, schema, type_of,
    unknown_property, wrong_type,
};
use super::{approvers, defaults};
use crate::error::GraphError;

pub(super) const APPROVAL: &str = "Approval_EndUser_Assignment";
pub(super) const CONTEXT: &str = "AuthenticationContext_EndUser_Assignment";
pub(super) const ACTIVATION_ENABLEMENT: &str = "Enablement_EndUser_Assignment";

const MFA: &str = "MultiFactorAuthentication";
/// About how many recipients PIM serves.
const MOST_RECIPIENTS: usize = 1_000;

/// How a body is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader {
    pub beta: bool,
    /// Whether approval may be on without an approver.
    pub approvers_optional: bool,
}

/// Properties of a policy that a body may carry; all but the rules are ignored.
const POLICY: &[&str] = &[
    "id",
    "displayName",
    "description",
    "isOrganizationDefault",
    "scopeId",
    "scopeType",
    "lastModifiedDateTime",
    "lastModifiedBy",
    "effectiveRules",
];

impl Reader {
    /// PATCH of a policy: a subset of its rules.
    pub fn policy(self, rules: &mut [Value], body: &Value) -> Result<(), GraphError> {
        let body = body.as_object().ok_or_else(unreadable)?;
        let unknown = body.keys().find(|name| {
            !name.contains('@') && *name != "rules" && !POLICY.contains(&name.as_str())
        });
        if let Some(name) = unknown {
            return Err(unknown_property(
                name,
                "microsoft.graph.unifiedRoleManagementPolicy",
            ));
        }
        let changes = match body.get("rules") {
            None => return Ok(()),
            Some(Value::Array(changes)) => changes,
            Some(Value::Null) => return Err(null_element("rules")),
            Some(_) => return Err(wrong_type("rules", RULE_COLLECTION)),
        };
        let mut seen: Vec<&str> = Vec::with_capacity(changes.len());
        for change in changes {
            let change = match change {
                Value::Object(change) => change,
                Value::Null => return Err(null_element("rules")),
                _ => return Err(wrong_type("rules", RULE_COLLECTION)),
            };
            let id = change.get("id").and_then(Value::as_str).unwrap_or_default();
            let rule = rules
                .iter()
                .position(|rule| rule["id"] == id)
                .filter(|_| !seen.contains(&id))
                .ok_or_else(invalid_policy)?;
            seen.push(id);
            self.rule(rules, rule, change)?;
        }
        let turned_on = |id: &str, on: fn(&Value) -> bool| {
            seen.contains(&id) && rules.iter().any(|rule| rule["id"] == id && on(rule))
        };
        if turned_on(ACTIVATION_ENABLEMENT, demands_mfa) && turned_on(CONTEXT, is_enabled) {
            return Err(conflict());
        }
        Ok(())
    }

    /// PATCH of the rule at a position.
    pub fn rule(
        self,
        rules: &mut [Value],
        at: usize,
        change: &Map<String, Value>,
    ) -> Result<(), GraphError> {
        let context_on = rules
            .iter()
            .any(|rule| rule["id"] == CONTEXT && is_enabled(rule));
        let rule = rules.get_mut(at).ok_or_else(invalid_policy)?;
        let type_ = type_of(change, "unifiedRoleManagementPolicyRule")?;
        if rule["@odata.type"] != type_ {
            return Err(schema(format!(
                "The rule '{}' is not of the type '{}'.",
                rule["id"].as_str().unwrap_or_default(),
                type_.trim_start_matches('#'),
            )));
        }
        if change.get("id").is_some_and(|id| *id != rule["id"]) {
            return Err(invalid_policy());
        }
        check_target(change)?;
        let Some(known) = RULES.iter().find(|known| known.name == type_) else {
            // A rule that the estate brought: nobody knows what it means.
            merge(rule, change.clone());
            return Ok(());
        };
        let stated = known.read(change, &["id", "target"])?;
        match known
            .name
            .trim_start_matches("#microsoft.graph.unifiedRoleManagementPolicy")
        {
            "ExpirationRule" => check_expiration(rule, &stated)?,
            "EnablementRule" => check_enablement(&stated)?,
            "NotificationRule" => check_notification(rule, &stated)?,
            "ApprovalRule" => return self.approval(rule, stated),
            _ => {}
        }
        merge(rule, stated);
        if rule["id"] == ACTIVATION_ENABLEMENT && context_on && demands_mfa(rule) {
            return Err(conflict());
        }
        if rule["id"] == CONTEXT
            && is_enabled(rule)
            && rule["claimValue"].as_str().unwrap_or_default().is_empty()
        {
            return Err(invalid_policy());
        }
        Ok(())
    }

    fn approval(self, rule: &mut Value, mut stated: Map<String, Value>) -> Result<(), GraphError> {
        let Some(setting) = stated.remove("setting") else {
            return Ok(());
        };
        let setting = setting
            .as_object()
            .ok_or_else(|| wrong_type("setting", "microsoft.graph.approvalSettings"))?;
        let mut setting = SETTINGS.read(setting, &[])?;
        check_word(
            &setting,
            "approvalMode",
            &["SingleStage", "Serial", "Parallel", "NoApproval"],
        )?;
        let stages = setting.remove("approvalStages");
        let required = match setting.get("isApprovalRequired") {
            Some(required) => *required == true,
            None => rule["setting"]["isApprovalRequired"] == true,
        };
        if let Some(stages) = stages {
            let stages = stages
                .as_array()
                .ok_or_else(|| wrong_type("approvalStages", "a collection"))?;
            let stage = self.stage(&rule["setting"]["approvalStages"], stages, required)?;
            setting.insert("approvalStages".to_owned(), stage);
        }
        merge(&mut rule["setting"], setting);
        let named = !approvers::of(std::slice::from_ref(rule)).is_empty();
        if required && !named && !self.approvers_optional {
            return Err(invalid_policy());
        }
        Ok(())
    }

    /// PIM has one stage. What the body leaves out of it stays, except the approvers of an approval
    /// that is on. Approvers for escalation are taken and forgotten.
    fn stage(self, old: &Value, stages: &[Value], required: bool) -> Result<Value, GraphError> {
        let stated = match stages {
            [] if required => return Err(invalid_policy()),
            [] => return Ok(old.clone()),
            [Value::Null] => return Err(null_element("approvalStages")),
            [Value::Object(stage)] => STAGE.read(stage, &[])?,
            [_] => return Err(wrong_type("approvalStages", STAGE.name)),
            _ => return Err(invalid_policy()),
        };
        let mut stage = old.get(0).cloned().unwrap_or_else(defaults::stage);
        for (name, value) in stated {
            let value = match name.as_str() {
                "primaryApprovers" => approvers::parse(&value, self.beta)?.into(),
                "escalationApprovers" => {
                    approvers::parse(&value, self.beta)?;
                    continue;
                }
                _ => value,
            };
            if let Value::Object(stage) = &mut stage {
                stage.insert(name, value);
            }
        }
        let named = stages
            .iter()
            .any(|stage| stage["primaryApprovers"].is_array());
        if required && !named && !self.approvers_optional {
            return Err(invalid_policy());
        }
        Ok(vec![stage].into())
    }
}

const RULE_COLLECTION: &str = "Collection(microsoft.graph.unifiedRoleManagementPolicyRule)";

/// A target may be left out; what it says is checked and otherwise ignored.
fn check_target(change: &Map<String, Value>) -> Result<(), GraphError> {
    let target = match change.get("target") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(target)) => TARGET.read(target, &[])?,
        Some(_) => return Err(wrong_type("target", TARGET.name)),
    };
    for operation in target
        .get("operations")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        if OPERATIONS.read("operations", operation)?.is_none() {
            return Err(null_element("operations"));
        }
    }
    Ok(())
}

/// An end that is required needs a longest duration in the same body.
fn check_expiration(rule: &Value, stated: &Map<String, Value>) -> Result<(), GraphError> {
    let required = stated.get("isExpirationRequired");
    let longest = stated.get("maximumDuration");
    let missing = match required {
        Some(required) => *required == true && longest.is_none_or(Value::is_null),
        None => rule["isExpirationRequired"] == true && longest.is_some_and(Value::is_null),
    };
    if missing {
        Err(invalid_policy())
    } else {
        Ok(())
    }
}

fn check_enablement(stated: &Map<String, Value>) -> Result<(), GraphError> {
    let names = stated.get("enabledRules").and_then(Value::as_array);
    let known = |name: &Value| {
        [MFA, "Justification", "Ticketing"]
            .iter()
            .any(|known| name == known)
    };
    if names.into_iter().flatten().all(known) {
        Ok(())
    } else {
        Err(invalid_policy())
    }
}

fn check_notification(rule: &Value, stated: &Map<String, Value>) -> Result<(), GraphError> {
    check_word(stated, "notificationType", &["Email"])?;
    check_word(stated, "notificationLevel", &["None", "Critical", "All"])?;
    let other = stated
        .get("recipientType")
        .is_some_and(|type_| *type_ != rule["recipientType"]);
    let recipients = stated
        .get("notificationRecipients")
        .and_then(Value::as_array);
    if other || recipients.is_some_and(|list| list.len() > MOST_RECIPIENTS) {
        return Err(invalid_policy());
    }
    Ok(())
}

fn check_word(stated: &Map<String, Value>, name: &str, known: &[&str]) -> Result<(), GraphError> {
    match stated.get(name) {
        Some(value) if !known.iter().any(|known| value == known) => Err(invalid_policy()),
        _ => Ok(()),
    }
}

fn demands_mfa(rule: &Value) -> bool {
    rule["enabledRules"]
        .as_array()
        .is_some_and(|names| names.iter().any(|name| name == MFA))
}

fn is_enabled(rule: &Value) -> bool {
    rule["isEnabled"] == true
}

fn merge(into: &mut Value, stated: Map<String, Value>) {
    if let Value::Object(into) = into {
        into.extend(
            stated
                .into_iter()
                .filter(|(name, _)| name != "id" && name != "target"),
        );
    }
}

pub(super) fn unreadable() -> GraphError {
    GraphError::bad_request("BadRequest", "Unable to read JSON request payload.")
}

fn conflict() -> GraphError {
    GraphError::bad_request(
        "MfaAndAcrsConflict",
        "The Mfa and Acrs policy settings cannot be enabled simultaneously.",
    )
}
