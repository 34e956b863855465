//! Generated policies in Graph's words, and what manifests state, from a universe small enough that they meet.

use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::{Approver, Moment, Policy, Rule, RuleId};
use crate::{
    api::{
        guid::Guid,
        pim_policy::{
            ActivationRules, Approval, ApproverKind, ApproverRef, AssignmentRules, Audiences,
            AuthenticationContext, Demand, Disabled, EmailAddress, Notification, NotificationLevel,
            NotificationRules, PolicyRules,
        },
    },
    pim::window::MINIMUM,
};

const DEMANDS: [&str; 3] = ["MultiFactorAuthentication", "Justification", "Ticketing"];
const LENGTHS: [&str; 6] = ["PT1H", "PT8H", "P1D", "P30D", "P180D", "P365D"];
const ADDRESSES: [&str; 3] = ["soc@contoso.com", "SOC@contoso.com", "on-call@contoso.com"];

fn id(number: usize) -> Guid {
    Guid::new(format!("00000000-0000-4000-8000-{number:012}"))
}

/// The approver behind a generated reference: even numbers are users.
pub(super) fn approver(reference: &ApproverRef) -> Option<Approver> {
    let id = reference.id.clone()?;
    let even = id.as_str().ends_with(['0', '2', '4']);
    let kind = if even {
        ApproverKind::User
    } else {
        ApproverKind::Group
    };
    Some(Approver { id, kind })
}

/// Throws of dice from a seed: policies are large, and a strategy for each of their fields would cost more than the laws.
pub(super) struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).unwrap()
    }

    fn flip(&mut self) -> bool {
        self.throw(2) == 0
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.throw(of.len())].clone()
    }

    fn some<T: Clone>(&mut self, of: &[T]) -> Vec<T> {
        of.iter().filter(|_| self.flip()).cloned().collect()
    }

    fn maybe<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.flip().then(|| value(self))
    }
}

/// A policy in Graph's words; now and then a rule is missing, unknown, or written in an unusual way.
pub(super) fn policy() -> impl Strategy<Value = Policy> {
    any::<u64>().prop_map(|seed| {
        let dice = &mut Dice(seed);
        let mut rules: Vec<Value> = RuleId::all().into_iter().map(|id| rule(id, dice)).collect();
        if dice.throw(10) == 0 {
            let without = dice.throw(rules.len());
            rules.remove(without);
        }
        let odd = dice.flip();
        if odd {
            rules.push(json!({
                "@odata.type": "#microsoft.graph.unifiedRoleManagementPolicyCustomExtensionRule",
                "id": "CustomExtension_EndUser_Assignment",
                "customExtensions": [],
            }));
        }
        let turn = dice.throw(rules.len());
        rules.rotate_left(turn);
        let policy = Policy::read(&rules);
        assert_eq!(policy.unknown.len(), usize::from(odd));
        policy
    })
}

fn rule(id: RuleId, dice: &mut Dice) -> Value {
    let fields = match id {
        RuleId::Expiration(_) => {
            let odd = ["PT24H", "PT8H0M0S", "PT0S", "P1Y"];
            let length = match dice.throw(9) {
                0 => Value::Null,
                1 | 2 => json!(dice.pick(&odd)),
                _ => json!(dice.pick(&LENGTHS)),
            };
            json!({"isExpirationRequired": dice.flip(), "maximumDuration": length})
        }
        RuleId::Enablement(_) => {
            let mut all = dice.some(&DEMANDS);
            all.reverse();
            if all.len() == 1 && dice.flip() {
                all.push("Something");
            }
            json!({"enabledRules": all})
        }
        RuleId::Approval => approval(dice),
        RuleId::AuthenticationContext => {
            let claims = [Value::Null, json!(""), json!("c1"), json!("c2")];
            json!({"isEnabled": dice.flip(), "claimValue": dice.pick(&claims)})
        }
        RuleId::Notification(..) => json!({
            "notificationType": "Email",
            "recipientType": "Admin",
            "notificationLevel": dice.pick(&["All", "Critical", "None", "all", "Weekly"]),
            "isDefaultRecipientsEnabled": dice.flip(),
            "notificationRecipients": dice.some(&ADDRESSES),
        }),
    };
    let mut rule = json!({
        "@odata.type": id.odata_type(),
        "id": id.as_str(),
        "target@odata.context": "https://graph.microsoft.com/v1.0/$metadata",
        "target": {"caller": "Admin", "operations": ["All"]},
        "somethingNew": {"kept": true},
    });
    if let (Value::Object(rule), Value::Object(fields)) = (&mut rule, fields) {
        rule.extend(fields);
    }
    rule
}

fn read_approver(dice: &mut Dice) -> Value {
    let number = dice.throw(5);
    let (type_, name) = if number.is_multiple_of(2) {
        ("singleUser", "userId")
    } else {
        ("groupMembers", "groupId")
    };
    let name = if dice.flip() { "id" } else { name };
    json!({
        "@odata.type": format!("#microsoft.graph.{type_}"),
        name: id(number),
        "description": "somebody",
    })
}

fn approval(dice: &mut Dice) -> Value {
    let odd = dice.throw(6);
    let mut all: Vec<Value> = (0..dice.throw(3)).map(|_| read_approver(dice)).collect();
    if odd == 0 {
        all.push(json!({"@odata.type": "#microsoft.graph.requestorManager", "managerLevel": 1}));
    }
    let stage = json!({
        "approvalStageTimeOutInDays": 1,
        "isApproverJustificationRequired": true,
        "escalationTimeInMinutes": 0,
        "isEscalationEnabled": false,
        "primaryApprovers": all,
        "escalationApprovers": [],
    });
    let setting = json!({
        "isApprovalRequired": dice.flip(),
        "isApprovalRequiredForExtension": true,
        "isRequestorJustificationRequired": true,
        "approvalMode": if odd == 1 { "NoApproval" } else { "SingleStage" },
        "approvalStages": if odd == 2 { vec![] } else { vec![stage] },
    });
    json!({"setting": if odd == 3 { Value::Null } else { setting }})
}

/// What a manifest states, with approvers by id.
pub(super) fn rules() -> impl Strategy<Value = PolicyRules> {
    any::<u64>().prop_map(|seed| {
        let dice = &mut Dice(seed);
        PolicyRules {
            eligibility: dice.maybe(assignment),
            assignment: dice.maybe(assignment),
            activation: dice.maybe(activation),
            notifications: dice.maybe(|dice| NotificationRules {
                eligibility: dice.maybe(audiences),
                assignment: dice.maybe(audiences),
                activation: dice.maybe(audiences),
            }),
        }
    })
}

fn length(dice: &mut Dice) -> Option<String> {
    dice.maybe(|dice| dice.pick(&LENGTHS).to_owned())
}

fn assignment(dice: &mut Dice) -> AssignmentRules {
    AssignmentRules {
        permanent_allowed: dice.maybe(Dice::flip),
        maximum_duration: length(dice),
        require: dice.maybe(|dice| dice.some(&[Demand::Justification, Demand::Ticketing])),
    }
}

fn activation(dice: &mut Dice) -> ActivationRules {
    let all = [
        Demand::MultiFactorAuthentication,
        Demand::Justification,
        Demand::Ticketing,
    ];
    ActivationRules {
        maximum_duration: length(dice),
        require: dice.maybe(|dice| dice.some(&all)),
        authentication_context: dice.maybe(|dice| {
            let claim = dice.maybe(|dice| dice.pick(&["c1", "c2"]).to_owned());
            AuthenticationContext {
                disabled: claim.is_none().then_some(Disabled {}),
                claim_value: claim,
            }
        }),
        approval: dice.maybe(|dice| {
            let reference = |dice: &mut Dice| ApproverRef {
                id: Some(id(dice.throw(5))),
                ..ApproverRef::default()
            };
            let approvers =
                dice.maybe(|dice| (0..=dice.throw(3)).map(|_| reference(dice)).collect());
            Approval {
                disabled: approvers.is_none().then_some(Disabled {}),
                approvers,
            }
        }),
    }
}

fn audiences(dice: &mut Dice) -> Audiences {
    let levels = [
        NotificationLevel::None,
        NotificationLevel::Critical,
        NotificationLevel::All,
    ];
    let mut one = || {
        dice.maybe(|dice| Notification {
            notification_level: dice.maybe(|dice| dice.pick(&levels)),
            default_recipients: dice.maybe(Dice::flip),
            recipients: dice.maybe(|dice| {
                let all = dice.some(&ADDRESSES[1..]).into_iter();
                all.map(|one| EmailAddress(one.to_owned())).collect()
            }),
        })
    };
    Audiences {
        admin: one(),
        requestor: one(),
        approver: one(),
    }
}

/// That a body carries along what nobody here knows, and nothing that Graph wrote for us alone.
pub(super) fn expect_kept(policy: &Policy, id: RuleId, body: &Value) -> Result<(), TestCaseError> {
    let rule = policy.rule(id).cloned();
    prop_assert!(rule.is_some());
    prop_assert_eq!(&body["somethingNew"], &json!({"kept": true}));
    prop_assert_eq!(&body["target"]["caller"], &json!("Admin"));
    let fields: &Map<String, Value> = body.as_object().unwrap();
    prop_assert!(!fields.contains_key("target@odata.context"));
    if id == RuleId::Approval && body["setting"]["isApprovalRequiredForExtension"].is_boolean() {
        prop_assert_eq!(
            &body["setting"]["isApprovalRequiredForExtension"],
            &json!(true)
        );
    }
    Ok(())
}

/// Whether a value that was found can be named by a manifest, so that it can come back.
pub(super) fn can_come_back(id: RuleId, rule: &Rule) -> bool {
    match rule {
        Rule::Expiration { required, maximum } => {
            maximum.is_some_and(|length| length >= MINIMUM && length >= TimeDelta::hours(1))
                && (*required || id != RuleId::Expiration(Moment::Activation))
        }
        Rule::Enablement { .. } => true,
        Rule::Approval {
            approvers, other, ..
        } => other.is_empty() && !approvers.is_empty(),
        Rule::AuthenticationContext { claim, .. } => claim.is_some(),
        Rule::Notification { level, .. } => level.is_some(),
    }
}
