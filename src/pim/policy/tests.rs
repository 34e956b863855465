//! Single cases that a reader wants to see spelt out.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{
    Approver, Ask, GrantSort, Lint, LintFacts, Moment, Obstacle, Policy, Relation, RuleId, Stated,
    baseline, bodies, describe, floor::Below, floor::Floor, lints, order, plan, preflight,
};
use crate::{
    api::{
        boundary::{PolicyFloor, Requirement},
        guid::Guid,
        pim_policy::{ApproverKind, ApproverRef, PolicyRules},
    },
    pim::boundary::Span,
};

const LEAD: &str = "11111111-0000-4000-8000-000000000001";
const TEAM: &str = "22222222-0000-4000-8000-000000000002";

fn raw(id: RuleId, fields: Value) -> Value {
    let mut rule = json!({"@odata.type": id.odata_type(), "id": id.to_string()});
    if let (Value::Object(rule), Value::Object(fields)) = (&mut rule, fields) {
        rule.extend(fields);
    }
    rule
}

/// The rules of a group that nobody has changed yet.
fn defaults() -> Vec<Value> {
    RuleId::all()
        .into_iter()
        .map(|id| {
            let fields = match id {
                RuleId::Expiration(moment) => {
                    let longest = match moment {
                        Moment::Eligibility => "P365D",
                        Moment::Assignment => "P180D",
                        Moment::Activation => "PT8H",
                    };
                    json!({"isExpirationRequired": true, "maximumDuration": longest})
                }
                RuleId::Enablement(Moment::Eligibility) => json!({"enabledRules": []}),
                RuleId::Enablement(_) => json!({"enabledRules": ["Justification"]}),
                RuleId::Approval => json!({"setting": {
                    "isApprovalRequired": false,
                    "isApprovalRequiredForExtension": false,
                    "isRequestorJustificationRequired": true,
                    "approvalMode": "SingleStage",
                    "approvalStages": [{
                        "approvalStageTimeOutInDays": 1,
                        "isApproverJustificationRequired": true,
                        "escalationTimeInMinutes": 0,
                        "isEscalationEnabled": false,
                        "primaryApprovers": [],
                        "escalationApprovers": [],
                    }],
                }}),
                RuleId::AuthenticationContext => json!({"isEnabled": false, "claimValue": null}),
                RuleId::Notification(..) => json!({
                    "notificationType": "Email",
                    "notificationLevel": "All",
                    "isDefaultRecipientsEnabled": true,
                    "notificationRecipients": [],
                }),
            };
            raw(id, fields)
        })
        .collect()
}

fn rules(spec: Value) -> PolicyRules {
    serde_json::from_value(spec).expect("rules")
}

fn approver(reference: &ApproverRef) -> Option<Approver> {
    let (id, kind) = match (
        &reference.user_principal_name,
        &reference.group_display_name,
    ) {
        (Some(_), _) => (LEAD, ApproverKind::User),
        (_, Some(_)) => (TEAM, ApproverKind::Group),
        _ => return baseline::approver(reference),
    };
    Some(Approver {
        id: Guid::new(id),
        kind,
    })
}

fn stated(spec: Value) -> Stated {
    Stated::read(&rules(spec), approver).expect("can be carried out")
}

/// The policy after this was carried out.
fn after(policy: &Policy, spec: Value) -> Policy {
    let plan = plan(policy, &stated(spec)).expect("a plan");
    plan.steps.iter().fold(policy.clone(), |policy, step| {
        let rules: Vec<_> = step.iter().map(|one| (one.rule, one.to.clone())).collect();
        policy.with(&rules)
    })
}

#[test]
fn a_stated_policy_is_one_patch_of_the_rules_that_differ() {
    let policy = Policy::read(&defaults());
    let stated = stated(json!({
        "eligibility": {"maximumDuration": "P365D", "permanentAllowed": false},
        "assignment": {"maximumDuration": "P30D"},
        "activation": {
            "require": ["MultiFactorAuthentication", "Justification"],
            "approval": {"approvers": [{"userPrincipalName": "lead@contoso.com"}, {"groupDisplayName": "team"}]},
        },
    }));
    assert_eq!(stated.count(), 4);
    let plan = plan(&policy, &stated).expect("a plan");
    assert_eq!(plan.steps.len(), 1);
    let sent = bodies(&policy, &plan.steps[0]);
    let ids: BTreeSet<&str> = sent.iter().filter_map(|rule| rule["id"].as_str()).collect();
    assert_eq!(
        ids,
        BTreeSet::from([
            "Approval_EndUser_Assignment",
            "Enablement_EndUser_Assignment",
            "Expiration_Admin_Assignment",
        ])
    );
    let approval = sent
        .iter()
        .find(|rule| rule["id"] == "Approval_EndUser_Assignment")
        .expect("the approval");
    assert_eq!(
        approval["setting"]["approvalStages"][0]["primaryApprovers"],
        json!([
            {"@odata.type": "#microsoft.graph.singleUser", "userId": LEAD},
            {"@odata.type": "#microsoft.graph.groupMembers", "groupId": TEAM},
        ])
    );
    assert_eq!(
        describe::summary(&stated.applied(&policy)),
        "activation ≤ PT8H, MFA, justification, approval by 2"
    );
}

#[test]
fn a_context_goes_off_first_and_on_last_and_beside_mfa_in_a_patch_of_its_own() {
    let policy = Policy::read(&defaults());
    let context = after(
        &policy,
        json!({"activation": {"authenticationContext": {"claimValue": "c1"}}}),
    );
    let ids = |policy: &Policy, spec| -> Vec<Vec<String>> {
        let plan = plan(policy, &stated(spec)).expect("a plan");
        let names = |step: &Vec<super::Difference>| {
            let names = step.iter().map(|one| one.rule.to_string());
            names.collect::<Vec<_>>()
        };
        plan.steps.iter().map(names).collect()
    };
    let (enablement, authentication) = (
        "Enablement_EndUser_Assignment",
        "AuthenticationContext_EndUser_Assignment",
    );
    // From the context to multi-factor authentication.
    let to_mfa = json!({"activation": {
        "require": ["MultiFactorAuthentication"], "authenticationContext": {"disabled": {}},
    }});
    assert_eq!(
        ids(&context, to_mfa.clone()),
        [[authentication, enablement]]
    );
    // And back.
    let mfa = after(&context, to_mfa);
    let to_context = json!({"activation": {
        "require": [], "authenticationContext": {"claimValue": "c1"},
    }});
    assert_eq!(ids(&mfa, to_context), [[enablement, authentication]]);
    // Both at once.
    let both = json!({"activation": {
        "require": ["MultiFactorAuthentication"], "authenticationContext": {"claimValue": "c1"},
    }});
    assert_eq!(
        ids(&policy, both.clone()),
        [vec![enablement], vec![authentication]]
    );
    assert_eq!(
        ids(&context, both),
        [vec![authentication, enablement], vec![authentication]]
    );
    // A context that nobody stated stays, and Entra would refuse.
    let mfa = stated(json!({"activation": {"require": ["MultiFactorAuthentication"]}}));
    assert_eq!(plan(&context, &mfa), Err(Obstacle::ContextEnabled));
}

#[test]
fn an_approval_that_is_switched_off_keeps_its_approvers() {
    let policy = Policy::read(&defaults());
    let by_lead = json!({"activation": {"approval": {"approvers": [{"userPrincipalName": "lead@contoso.com"}]}}});
    let on = after(&policy, by_lead);
    let off = stated(json!({"activation": {"approval": {"disabled": {}}}}));
    let plan = plan(&on, &off).expect("a plan");
    assert!(plan.loosens(&on));
    let sent = bodies(&on, &plan.steps[0]);
    let setting = &sent[0]["setting"];
    assert_eq!(setting["isApprovalRequired"], json!(false));
    assert_eq!(
        setting["approvalStages"][0]["primaryApprovers"][0]["userId"],
        json!(LEAD)
    );
}

#[test]
fn spelling_is_no_difference() {
    let mut rules = defaults();
    rules[2] = raw(
        RuleId::Expiration(Moment::Activation),
        json!({"isExpirationRequired": true, "maximumDuration": "PT24H0M0S", "target": {"operations": ["all"]}}),
    );
    let policy = Policy::read(&rules);
    let same = stated(json!({
        "activation": {"maximumDuration": "P1D", "authenticationContext": {"disabled": {}}},
        "notifications": {"activation": {"admin": {"notificationLevel": "All", "recipients": []}}},
    }));
    assert_eq!(plan(&policy, &same), Ok(super::Plan::default()));
}

#[test]
fn a_rule_that_locks_the_operator_out_is_refused_and_one_that_entra_would_refuse_is_not_sent() {
    let lock = rules(json!({"assignment": {"require": ["MultiFactorAuthentication"]}}));
    let error = Stated::read(&lock, approver)
        .expect_err("locks out")
        .to_string();
    assert!(error.contains("lock itself out"), "{error}");

    let mut endless = defaults();
    endless[0] = raw(
        RuleId::Expiration(Moment::Eligibility),
        json!({"isExpirationRequired": false, "maximumDuration": null}),
    );
    let must_end = stated(json!({"eligibility": {"permanentAllowed": false}}));
    assert_eq!(
        plan(&Policy::read(&endless), &must_end),
        Err(Obstacle::NoMaximum("eligibility"))
    );
    let two = Policy::read(&defaults()[..2]);
    assert!(matches!(
        plan(
            &two,
            &stated(json!({"activation": {"maximumDuration": "PT1H"}}))
        ),
        Err(Obstacle::Missing(_))
    ));
}

#[test]
fn what_is_tighter_is_said_rule_by_rule() {
    let policy = Policy::read(&defaults());
    for (spec, relation) in [
        (
            json!({"activation": {"maximumDuration": "PT1H"}}),
            Relation::Tighter,
        ),
        (
            json!({"activation": {"maximumDuration": "PT9H"}}),
            Relation::Looser,
        ),
        (json!({"activation": {"require": []}}), Relation::Looser),
        (
            json!({"activation": {"require": ["Ticketing"]}}),
            Relation::Mixed,
        ),
        (
            json!({"eligibility": {"permanentAllowed": true}}),
            Relation::Looser,
        ),
        (
            json!({"notifications": {"activation": {"admin": {"defaultRecipients": false}}}}),
            Relation::Looser,
        ),
        (
            json!({"activation": {"maximumDuration": "PT8H"}}),
            Relation::Equal,
        ),
    ] {
        let after = stated(spec.clone()).applied(&policy);
        assert_eq!(order::policy(&after, &policy), relation, "{spec}");
    }
}

#[test]
fn a_policy_below_the_floor_is_told_every_clause() {
    let floor = Floor::read(Some(&PolicyFloor {
        maximum_activation_duration: Some("PT8H".to_owned()),
        multi_factor_authentication: Some(Requirement::Required),
        approval: Some(Requirement::Required),
    }))
    .expect("a floor");
    let below = stated(json!({"activation": {
        "maximumDuration": "PT9H", "require": ["Justification"], "approval": {"disabled": {}},
    }}));
    assert_eq!(
        floor.below(&below),
        [
            Below::Activation {
                limit: "PT8H".to_owned(),
                stated: "PT9H".to_owned()
            },
            Below::Mfa,
            Below::Approval,
        ]
    );
    let silent = stated(json!({"eligibility": {"maximumDuration": "P365D"}}));
    assert_eq!(floor.below(&silent), []);
    assert_eq!(Floor::default().below(&below), []);
}

#[test]
fn mistakes_are_found() {
    let mut rules = defaults();
    rules[1] = raw(
        RuleId::Expiration(Moment::Assignment),
        json!({"isExpirationRequired": true, "maximumDuration": "PT0S"}),
    );
    rules[4] = raw(
        RuleId::Enablement(Moment::Assignment),
        json!({"enabledRules": ["MultiFactorAuthentication"]}),
    );
    let spec = json!({
        "activation": {
            "approval": {"approvers": [{"groupDisplayName": "team"}]},
            "authenticationContext": {"claimValue": "c7"},
        },
        "notifications": {"activation": {"admin": {"defaultRecipients": false}}},
    });
    let policy = stated(spec.clone()).applied(&Policy::read(&rules));
    let (group, contexts) = (Guid::new(TEAM), BTreeSet::from(["c1".to_owned()]));
    let find = |is_alive: Option<bool>, policy: &Policy| {
        let facts = LintFacts {
            is_alive: &|_| is_alive,
            contexts: Some(&contexts),
            group: Some(&group),
        };
        lints(policy, &stated(spec.clone()), &facts)
    };
    let notification = RuleId::Notification(Moment::Activation, super::Audience::Admin);
    assert_eq!(
        find(Some(false), &policy),
        [
            Lint::OperatorLockedOut(Moment::Assignment),
            Lint::ZeroDuration(RuleId::Expiration(Moment::Assignment)),
            Lint::NoLivingApprover,
            Lint::SelfApproval,
            Lint::UnknownAuthenticationContext("c7".to_owned()),
            Lint::NobodyNotified(notification),
        ]
    );
    let one = json!({"activation": {"approval": {"approvers": [{"userPrincipalName": "lead@contoso.com"}]}}});
    let single = stated(one).applied(&Policy::read(&defaults()));
    assert_eq!(find(None, &single), [Lint::SingleApprover]);
    assert_eq!(find(None, &Policy::read(&defaults())), []);
}

#[test]
fn a_grant_is_told_rule_limit_and_both_ways_out() {
    let mut rules = defaults();
    rules[4] = raw(
        RuleId::Enablement(Moment::Assignment),
        json!({"enabledRules": ["Justification", "Ticketing"]}),
    );
    let policy = Policy::read(&rules);
    let ask = Ask {
        sort: GrantSort::Eligible,
        span: Span::For(TimeDelta::days(365)),
        justified: true,
        ticketed: false,
    };
    assert_eq!(preflight(&ask, &policy), Ok(()));
    for (ask, rule, words) in [
        (
            Ask {
                span: Span::Permanent,
                ..ask
            },
            "Expiration_Admin_Eligibility",
            ["without an end", "permanentAllowed: true"],
        ),
        (
            Ask {
                span: Span::For(TimeDelta::days(400)),
                ..ask
            },
            "Expiration_Admin_Eligibility",
            ["P365D", "maximumDuration: P400D"],
        ),
        (
            Ask {
                sort: GrantSort::Active,
                ..ask
            },
            "Enablement_Admin_Assignment",
            ["set `ticketInfo`", "take Ticketing out"],
        ),
    ] {
        let rejected = preflight(&ask, &policy).expect_err("forbidden");
        assert_eq!(rejected.rule.to_string(), rule);
        let text = rejected.to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
        assert!(
            text.contains("; either ") && text.contains(", or "),
            "{text}"
        );
    }
}
