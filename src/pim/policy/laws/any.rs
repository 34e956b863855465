//! Generated policies in Graph's words, and what manifests state, from a universe small enough that they meet.

use chrono::TimeDelta;
use proptest::{collection::vec, option, prelude::*, sample::select, sample::subsequence};
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

fn id(number: u32) -> Guid {
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

fn some<T: Clone + std::fmt::Debug + 'static>(of: &[T]) -> impl Strategy<Value = Vec<T>> + use<T> {
    subsequence(of.to_vec(), 0..=of.len())
}

/// A policy in Graph's words; now and then a rule is missing, unknown, or written in an unusual way.
pub(super) fn policy() -> impl Strategy<Value = Policy> {
    let all: Vec<BoxedStrategy<Value>> = RuleId::all().into_iter().map(rule).collect();
    (all, option::weighted(0.1, 0..17_usize), any::<bool>(), 0..17_usize).prop_map(
        |(mut rules, without, odd, turn)| {
            if let Some(without) = without {
                rules.remove(without);
            }
            if odd {
                rules.push(json!({
                    "@odata.type": "#microsoft.graph.unifiedRoleManagementPolicyCustomExtensionRule",
                    "id": "CustomExtension_EndUser_Assignment",
                    "customExtensions": [],
                }));
            }
            let turn = turn % rules.len().max(1);
            rules.rotate_left(turn);
            let policy = Policy::read(&rules);
            assert_eq!(policy.unknown.len(), usize::from(odd));
            policy
        },
    )
}

fn rule(id: RuleId) -> BoxedStrategy<Value> {
    let fields: BoxedStrategy<Value> = match id {
        RuleId::Expiration(_) => {
            let odd = select(vec![
                json!("PT24H"),
                json!("PT8H0M0S"),
                json!("PT0S"),
                json!("P1Y"),
            ]);
            let length = prop_oneof![
                6 => select(LENGTHS.to_vec()).prop_map(|text| json!(text)),
                2 => odd,
                1 => Just(Value::Null),
            ];
            (any::<bool>(), length)
                .prop_map(|(required, length)| {
                    json!({"isExpirationRequired": required, "maximumDuration": length})
                })
                .boxed()
        }
        RuleId::Enablement(_) => (some(&DEMANDS), any::<bool>())
            .prop_map(|(mut all, more)| {
                all.reverse();
                if more && all.len() == 1 {
                    all.push("Something");
                }
                json!({"enabledRules": all})
            })
            .boxed(),
        RuleId::Approval => (any::<bool>(), vec(read_approver(), 0..3), 0..6_u8)
            .prop_map(|(required, approvers, odd)| approval(required, &approvers, odd))
            .boxed(),
        RuleId::AuthenticationContext => {
            let claim = select(vec![Value::Null, json!(""), json!("c1"), json!("c2")]);
            (any::<bool>(), claim)
                .prop_map(|(on, claim)| json!({"isEnabled": on, "claimValue": claim}))
                .boxed()
        }
        RuleId::Notification(..) => {
            let level = select(vec!["All", "Critical", "None", "all", "Weekly"]);
            (level, any::<bool>(), some(&ADDRESSES))
                .prop_map(|(level, defaults, recipients)| {
                    json!({
                        "notificationType": "Email",
                        "recipientType": "Admin",
                        "notificationLevel": level,
                        "isDefaultRecipientsEnabled": defaults,
                        "notificationRecipients": recipients,
                    })
                })
                .boxed()
        }
    };
    fields
        .prop_map(move |fields| {
            let mut rule = json!({
                "@odata.type": id.odata_type(),
                "id": id.as_str(),
                "target@odata.context": "https://graph.microsoft.com/v1.0/$metadata",
                "target": {"caller": "Admin", "operations": ["All"], "level": "Eligibility",
                    "inheritableSettings": [], "enforcedSettings": []},
                "somethingNew": {"kept": true},
            });
            if let (Value::Object(rule), Value::Object(fields)) = (&mut rule, fields) {
                rule.extend(fields);
            }
            rule
        })
        .boxed()
}

fn read_approver() -> impl Strategy<Value = Value> {
    (0..5_u32, any::<bool>()).prop_map(|(number, beta)| {
        let id = id(number);
        let (type_, name) = if number % 2 == 0 {
            ("singleUser", "userId")
        } else {
            ("groupMembers", "groupId")
        };
        let name = if beta { "id" } else { name };
        json!({
            "@odata.type": format!("#microsoft.graph.{type_}"), name: id, "description": "somebody",
        })
    })
}

fn approval(required: bool, approvers: &[Value], odd: u8) -> Value {
    let mut all = approvers.to_vec();
    if odd == 0 {
        all.push(json!({"@odata.type": "#microsoft.graph.requestorManager", "managerLevel": 1}));
    }
    let mode = if odd == 1 {
        "NoApproval"
    } else {
        "SingleStage"
    };
    let stage = json!({
        "approvalStageTimeOutInDays": 1,
        "isApproverJustificationRequired": true,
        "escalationTimeInMinutes": 0,
        "isEscalationEnabled": false,
        "primaryApprovers": all,
        "escalationApprovers": [],
    });
    let stages = if odd == 2 { vec![] } else { vec![stage] };
    let setting = json!({
        "isApprovalRequired": required,
        "isApprovalRequiredForExtension": true,
        "isRequestorJustificationRequired": true,
        "approvalMode": mode,
        "approvalStages": stages,
    });
    if odd == 3 {
        json!({"setting": null})
    } else {
        json!({"setting": setting})
    }
}

/// What a manifest states, with approvers by id.
pub(super) fn rules() -> impl Strategy<Value = PolicyRules> {
    (
        option::of(assignment()),
        option::of(assignment()),
        option::of(activation()),
        option::of((
            option::of(audiences()),
            option::of(audiences()),
            option::of(audiences()),
        )),
    )
        .prop_map(
            |(eligibility, assignment, activation, notifications)| PolicyRules {
                eligibility,
                assignment,
                activation,
                notifications: notifications.map(|(eligibility, assignment, activation)| {
                    NotificationRules {
                        eligibility,
                        assignment,
                        activation,
                    }
                }),
            },
        )
}

fn length() -> impl Strategy<Value = Option<String>> {
    option::of(select(LENGTHS.to_vec()).prop_map(str::to_owned))
}

fn demands(of: &[Demand]) -> impl Strategy<Value = Option<Vec<Demand>>> + use<> {
    option::of(some(of))
}

fn assignment() -> impl Strategy<Value = AssignmentRules> {
    let bearable = demands(&[Demand::Justification, Demand::Ticketing]);
    (option::of(any::<bool>()), length(), bearable).prop_map(
        |(permanent_allowed, maximum_duration, require)| AssignmentRules {
            permanent_allowed,
            maximum_duration,
            require,
        },
    )
}

fn activation() -> impl Strategy<Value = ActivationRules> {
    let context = option::of(select(vec!["c1", "c2"])).prop_map(|claim| AuthenticationContext {
        disabled: claim.is_none().then_some(Disabled {}),
        claim_value: claim.map(str::to_owned),
    });
    let reference = (0..5_u32).prop_map(|number| ApproverRef {
        id: Some(id(number)),
        ..ApproverRef::default()
    });
    let approval = option::of(vec(reference, 1..4)).prop_map(|approvers| Approval {
        disabled: approvers.is_none().then_some(Disabled {}),
        approvers,
    });
    let all = [
        Demand::MultiFactorAuthentication,
        Demand::Justification,
        Demand::Ticketing,
    ];
    (
        length(),
        demands(&all),
        option::of(context),
        option::of(approval),
    )
        .prop_map(
            |(maximum_duration, require, authentication_context, approval)| ActivationRules {
                maximum_duration,
                require,
                authentication_context,
                approval,
            },
        )
}

fn audiences() -> impl Strategy<Value = Audiences> {
    let level = option::of(select(vec![
        NotificationLevel::None,
        NotificationLevel::Critical,
        NotificationLevel::All,
    ]));
    let addresses = some(&ADDRESSES[1..]).prop_map(|all| {
        all.into_iter()
            .map(|one| EmailAddress(one.into()))
            .collect()
    });
    let one = (level, option::of(any::<bool>()), option::of(addresses)).prop_map(
        |(notification_level, default_recipients, recipients)| Notification {
            notification_level,
            default_recipients,
            recipients,
        },
    );
    vec(option::of(one), 3).prop_map(|mut all| Audiences {
        admin: all.pop().flatten(),
        requestor: all.pop().flatten(),
        approver: all.pop().flatten(),
    })
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
