//! What was found when an object first managed a rule, in the manifest's own words: `deletionPolicy: Restore` brings it back.

use serde_json::{Map, Value};

use crate::{
    api::pim_policy::{
        ActivationRules, Approval, ApproverRef, AssignmentRules, Audiences, AuthenticationContext,
        Disabled, EmailAddress, Notification, NotificationRules, PolicyRules,
    },
    pim::{duration, window::MINIMUM},
};

use super::{Approver, Audience, Moment, Policy, Rule, RuleId};

/// The most approvers and recipients that a status can hold.
const MOST: (usize, usize) = (100, 200);

/// Unions, which are found and restored as a whole.
const WHOLE: [&str; 2] = ["authenticationContext", "approval"];

/// What is kept of a policy for an object: of each field that it states, the value that was kept before or, for one that is
/// stated for the first time, the value that is found now. What is no longer stated is no longer kept.
#[must_use]
pub fn baseline(
    stated: &PolicyRules,
    kept: Option<&PolicyRules>,
    policy: &Policy,
) -> Option<PolicyRules> {
    let value = |rules: &PolicyRules| serde_json::to_value(rules).ok();
    let found = value(&found(policy))?;
    let kept = kept.and_then(value).unwrap_or_default();
    let merged = pick(&value(stated)?, &kept, &found)?;
    serde_json::from_value(merged).ok()
}

fn pick(stated: &Value, kept: &Value, found: &Value) -> Option<Value> {
    let Value::Object(fields) = stated else {
        let known = if kept.is_null() { found } else { kept };
        return (!known.is_null()).then(|| known.clone());
    };
    let mut picked = Map::new();
    for (name, stated) in fields {
        let (kept, found) = (&kept[name], &found[name]);
        let whole = WHOLE.contains(&name.as_str());
        let value = if whole {
            pick(&Value::Null, kept, found)
        } else {
            pick(stated, kept, found)
        };
        if let Some(value) = value {
            picked.insert(name.clone(), value);
        }
    }
    Some(Value::Object(picked))
}

/// A policy in the words of a manifest, as far as those go.
#[must_use]
pub fn found(policy: &Policy) -> PolicyRules {
    PolicyRules {
        eligibility: Some(assignment(policy, Moment::Eligibility)),
        assignment: Some(assignment(policy, Moment::Assignment)),
        activation: Some(activation(policy)),
        notifications: Some(NotificationRules {
            eligibility: Some(audiences(policy, Moment::Eligibility)),
            assignment: Some(audiences(policy, Moment::Assignment)),
            activation: Some(audiences(policy, Moment::Activation)),
        }),
    }
}

/// The longest window and whether it must end. A length that a manifest cannot name is none.
fn expiration(policy: &Policy, moment: Moment) -> (Option<bool>, Option<String>) {
    match policy.rule(RuleId::Expiration(moment)) {
        Some(Rule::Expiration { required, maximum }) => {
            let length = maximum.filter(|length| *length >= MINIMUM);
            (Some(!required), length.map(duration::format))
        }
        _ => (None, None),
    }
}

fn demands(policy: &Policy, moment: Moment) -> Option<Vec<crate::api::pim_policy::Demand>> {
    match policy.rule(RuleId::Enablement(moment)) {
        Some(Rule::Enablement { demands, .. }) => Some(demands.iter().copied().collect()),
        _ => None,
    }
}

fn assignment(policy: &Policy, moment: Moment) -> AssignmentRules {
    let (permanent_allowed, maximum_duration) = expiration(policy, moment);
    AssignmentRules {
        permanent_allowed,
        maximum_duration,
        require: demands(policy, moment),
    }
}

fn activation(policy: &Policy) -> ActivationRules {
    let off = |on: bool| (!on).then_some(Disabled {});
    let authentication_context = match policy.rule(RuleId::AuthenticationContext) {
        Some(Rule::AuthenticationContext { enabled, claim }) => Some(AuthenticationContext {
            claim_value: claim.clone(),
            disabled: off(*enabled),
        }),
        _ => None,
    };
    let approval = match policy.rule(RuleId::Approval) {
        Some(Rule::Approval {
            required,
            approvers,
            ..
        }) if approvers.len() <= MOST.0 => Some(Approval {
            approvers: (!approvers.is_empty()).then(|| approvers.iter().map(reference).collect()),
            disabled: off(*required),
        }),
        _ => None,
    };
    ActivationRules {
        maximum_duration: expiration(policy, Moment::Activation).1,
        require: demands(policy, Moment::Activation),
        authentication_context,
        approval,
    }
}

fn reference(approver: &Approver) -> ApproverRef {
    ApproverRef {
        id: Some(approver.id.clone()),
        kind: Some(approver.kind),
        ..ApproverRef::default()
    }
}

/// The approver behind a reference that a baseline holds.
#[must_use]
pub fn approver(reference: &ApproverRef) -> Option<Approver> {
    Some(Approver {
        id: reference.id.clone()?,
        kind: reference.kind?,
    })
}

fn audiences(policy: &Policy, moment: Moment) -> Audiences {
    let one = |audience| match policy.rule(RuleId::Notification(moment, audience)) {
        Some(Rule::Notification {
            level,
            defaults,
            recipients,
        }) => Some(Notification {
            notification_level: *level,
            default_recipients: Some(*defaults),
            recipients: (recipients.len() <= MOST.1).then(|| {
                let address = recipients.iter().map(|one| EmailAddress(one.0.clone()));
                address.collect()
            }),
        }),
        _ => None,
    };
    Audiences {
        admin: one(Audience::Admin),
        requestor: one(Audience::Requestor),
        approver: one(Audience::Approver),
    }
}
