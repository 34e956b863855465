//! The 17 rules that every policy starts with, and their documented values.
//!
//! Groups and roles differ in four places: roles allow permanent grants of both kinds and ask for
//! multi-factor authentication at activation. Live tenants differ from the documentation too, so an
//! estate can seed other values.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::PolicyScope;

/// Which requests a rule is about.
#[derive(Clone, Copy)]
struct Target {
    caller: &'static str,
    level: &'static str,
}

const ELIGIBILITY: Target = Target {
    caller: "Admin",
    level: "Eligibility",
};
const ASSIGNMENT: Target = Target {
    caller: "Admin",
    level: "Assignment",
};
const ACTIVATION: Target = Target {
    caller: "EndUser",
    level: "Assignment",
};

static GROUP: LazyLock<Vec<Value>> = LazyLock::new(|| rules(false));
static ROLE: LazyLock<Vec<Value>> = LazyLock::new(|| rules(true));

/// The rules of a policy that nobody changed.
pub(super) fn of(scope: PolicyScope) -> &'static [Value] {
    match scope {
        PolicyScope::Group { .. } => &GROUP,
        PolicyScope::Role { .. } => &ROLE,
    }
}

impl Target {
    /// `Admin_Eligibility`, `Admin_Assignment`, `EndUser_Assignment`.
    fn suffix(self) -> String {
        format!("{}_{}", self.caller, self.level)
    }

    /// Group policies write the operations as `All`, role policies as `all`.
    fn body(self, role: bool) -> Value {
        json!({
            "caller": self.caller,
            "operations": [if role { "all" } else { "All" }],
            "level": self.level,
            "inheritableSettings": [],
            "enforcedSettings": [],
        })
    }
}

fn rules(role: bool) -> Vec<Value> {
    let mut rules = Vec::with_capacity(17);
    for (target, required, longest, enabled) in [
        (ELIGIBILITY, !role, "P365D", &[][..]),
        (ASSIGNMENT, !role, "P180D", &["Justification"][..]),
        (
            ACTIVATION,
            true,
            "PT8H",
            if role {
                &["MultiFactorAuthentication", "Justification"][..]
            } else {
                &["Justification"][..]
            },
        ),
    ] {
        let mut add = |type_: &str, prefix: &str, values: Value| {
            rules.push(rule(type_, prefix, target, role, values));
        };
        add(
            "Expiration",
            "Expiration",
            json!({"isExpirationRequired": required, "maximumDuration": longest}),
        );
        add("Enablement", "Enablement", json!({"enabledRules": enabled}));
        if target.caller == "EndUser" {
            add("Approval", "Approval", json!({"setting": approval()}));
            add(
                "AuthenticationContext",
                "AuthenticationContext",
                json!({"isEnabled": false, "claimValue": null}),
            );
        }
        for recipient in ["Admin", "Requestor", "Approver"] {
            let values = json!({
                "notificationType": "Email",
                "recipientType": recipient,
                "notificationLevel": "All",
                "isDefaultRecipientsEnabled": true,
                "notificationRecipients": [],
            });
            add("Notification", &format!("Notification_{recipient}"), values);
        }
    }
    rules
}

fn rule(type_: &str, prefix: &str, target: Target, role: bool, values: Value) -> Value {
    let mut body = json!({
        "@odata.type": format!("#microsoft.graph.unifiedRoleManagementPolicy{type_}Rule"),
        "id": format!("{prefix}_{}", target.suffix()),
        "target": target.body(role),
    });
    if let (Value::Object(body), Value::Object(values)) = (&mut body, values) {
        body.extend(values);
    }
    body
}

fn approval() -> Value {
    json!({
        "isApprovalRequired": false,
        "isApprovalRequiredForExtension": false,
        "isRequestorJustificationRequired": true,
        "approvalMode": "SingleStage",
        "approvalStages": [stage()],
    })
}

/// The only stage that PIM has.
pub(super) fn stage() -> Value {
    json!({
        "approvalStageTimeOutInDays": 1,
        "isApproverJustificationRequired": true,
        "escalationTimeInMinutes": 0,
        "isEscalationEnabled": false,
        "primaryApprovers": [],
        "escalationApprovers": [],
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_policy_has_seventeen_rules_with_ids_of_their_own() {
        for rules in [&GROUP, &ROLE] {
            let ids: HashSet<&str> = rules
                .iter()
                .filter_map(|rule| rule["id"].as_str())
                .collect();
            assert_eq!((rules.len(), ids.len()), (17, 17));
        }
    }
}
