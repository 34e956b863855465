//! The laws of policies, on generated pairs: a policy as Graph might report it, and what a manifest states.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;

use super::{Plan, Policy, Relation, Rule, RuleId, Stated, baseline, bodies, order, plan};
use crate::pim::laws::{cases, seeded};

mod any;

use any::{approver, policy, rules};

/// Pairs of a policy and what is stated of it, each held against what makes a change safe.
const PAIRS: u32 = 100_000;
/// Cases of each further law.
const CASES: u32 = 4_000;

fn stated() -> impl Strategy<Value = Stated> {
    rules().prop_map(|rules| Stated::read(&rules, approver).unwrap())
}

/// What Entra does with a PATCH, by its published and measured rules.
fn entra(policy: &Policy, bodies: &[Value]) -> Result<Policy, String> {
    let mut after = policy.clone();
    for body in bodies {
        let read = Policy::read(std::slice::from_ref(body));
        let (id, to) = read.rules().next().ok_or_else(|| format!("400: {body}"))?;
        let was = after.rule(id).cloned();
        let rule = to.clone();
        let next = after.with(&[(id, rule)]);
        let mfa = |policy: &Policy| order_of_sign_in(policy).0;
        if mfa(&next) && !mfa(&after) && order_of_sign_in(&after).1 {
            return Err("MfaAndAcrsConflict".to_owned());
        }
        if was.is_none() {
            return Err(format!("InvalidPolicy: no rule {id}"));
        }
        if matches!(
            next.rule(id),
            Some(Rule::Expiration {
                required: true,
                maximum: None
            })
        ) {
            return Err("InvalidPolicy: no maximumDuration".to_owned());
        }
        after = next;
    }
    Ok(after)
}

/// Whether multi-factor authentication and an authentication context are demanded.
fn order_of_sign_in(policy: &Policy) -> (bool, bool) {
    use crate::api::pim_policy::Demand;
    let mfa = matches!(
        policy.rule(RuleId::Enablement(super::Moment::Activation)),
        Some(Rule::Enablement { demands, .. }) if demands.contains(&Demand::MultiFactorAuthentication)
    );
    let context = matches!(
        policy.rule(RuleId::AuthenticationContext),
        Some(Rule::AuthenticationContext { enabled: true, .. })
    );
    (mfa, context)
}

/// Every state that the policy is in, from the first to the last.
fn carried_out(policy: &Policy, plan: &Plan) -> Result<Vec<Policy>, String> {
    let mut states = vec![policy.clone()];
    for step in &plan.steps {
        let now = states.last().unwrap_or(policy);
        let next = entra(now, &bodies(now, step))?;
        states.push(next);
    }
    Ok(states)
}

fn rules_of(policy: &Policy) -> Vec<(RuleId, Rule)> {
    policy
        .rules()
        .map(|(id, rule)| (id, rule.clone()))
        .collect()
}

/// What was carried out leaves nothing to do.
fn leaves_nothing_to_do(
    policy: &Policy,
    stated: &Stated,
    plan: &Plan,
) -> Result<(), TestCaseError> {
    let through = carried_out(policy, plan).map_err(TestCaseError::fail)?;
    let after = through.last().unwrap();
    prop_assert_eq!(stated.differences(after), vec![]);
    prop_assert_eq!(super::plan(after, stated), Ok(Plan::default()));
    prop_assert_eq!(rules_of(after), rules_of(&stated.applied(policy)));
    prop_assert!(plan.steps.len() <= 2);
    prop_assert!(plan.steps.iter().all(|step| !step.is_empty()), "{plan:?}");
    Ok(())
}

/// Nothing is sent that was not read and stated.
fn sends_only_what_was_read_and_stated(
    policy: &Policy,
    stated: &Stated,
    plan: &Plan,
) -> Result<(), TestCaseError> {
    let mut now = policy.clone();
    for step in &plan.steps {
        let sent = bodies(&now, step);
        prop_assert_eq!(sent.len(), step.len());
        let ids: BTreeSet<&str> = sent.iter().filter_map(|rule| rule["id"].as_str()).collect();
        prop_assert_eq!(ids.len(), sent.len(), "a rule is sent twice");
        for body in &sent {
            let id = RuleId::read(body["id"].as_str().unwrap()).unwrap();
            prop_assert!(policy.rule(id).is_some() && stated.wish(id).is_some());
            prop_assert_eq!(body["@odata.type"].as_str(), Some(id.odata_type()));
            any::expect_kept(&now, id, body)?;
        }
        now = entra(&now, &sent).map_err(TestCaseError::fail)?;
    }
    for (id, rule) in policy.rules() {
        if stated.wish(id).is_none() {
            prop_assert_eq!(now.rule(id), Some(rule), "{}", id);
        }
    }
    prop_assert_eq!(&now.unknown, &policy.unknown);
    Ok(())
}

/// Access is never easier in between than before and after.
fn is_never_looser_than_both_ends(policy: &Policy, plan: &Plan) -> Result<(), TestCaseError> {
    let through = carried_out(policy, plan).map_err(TestCaseError::fail)?;
    let (first, last) = (through.first().unwrap(), through.last().unwrap());
    for between in &through {
        let looser = |end: &Policy| order::policy(between, end) == Relation::Looser;
        prop_assert!(!(looser(first) && looser(last)), "{plan:?}");
    }
    prop_assert_eq!(plan.loosens(policy), order::policy(last, first).loosens());
    Ok(())
}

/// A quarter of the pairs: four tests take less time side by side than one.
macro_rules! quarter {
    ($name:ident, $seed:literal) => {
        mod $name {
            use super::*;

            proptest! {
                #![proptest_config(seeded($seed, PAIRS / 4))]

                #[test]
                fn a_change_ends_as_stated_sends_nothing_else_and_is_never_looser_in_between(
                    policy in policy(), stated in stated(),
                ) {
                    if let Ok(plan) = plan(&policy, &stated) {
                        leaves_nothing_to_do(&policy, &stated, &plan)?;
                        sends_only_what_was_read_and_stated(&policy, &stated, &plan)?;
                        is_never_looser_than_both_ends(&policy, &plan)?;
                    }
                }
            }
        }
    };
}

quarter!(first_quarter, 1);
quarter!(second_quarter, 2);
quarter!(third_quarter, 3);
quarter!(last_quarter, 4);

proptest! {
    #![proptest_config(cases(CASES))]

    #[test]
    fn approvers_outlive_an_approval_that_is_switched_off_and_on(policy in policy(), stated in stated()) {
        use super::Wish;
        let Some(Rule::Approval { approvers: before, .. }) = policy.rule(RuleId::Approval) else { return Ok(()) };
        let after = stated.applied(&policy);
        let Some(Rule::Approval { approvers: after, .. }) = after.rule(RuleId::Approval) else {
            return Err(TestCaseError::fail("the rule is gone"));
        };
        let wanted = match stated.wish(RuleId::Approval) {
            Some(Wish::Approval { approvers: Some(wanted), .. }) => wanted,
            _ => before,
        };
        prop_assert_eq!(after, wanted);
    }

    #[test]
    fn what_was_found_comes_back(policy in policy(), wanted in rules()) {
        let stated = Stated::read(&wanted, approver).unwrap();
        let kept = baseline::baseline(&wanted, None, &policy).unwrap();
        // Kept values are not replaced by what is found later.
        let changed = stated.applied(&policy);
        if policy.rules().all(|(id, rule)| any::can_come_back(id, rule) || stated.wish(id).is_none()) {
            prop_assert_eq!(baseline::baseline(&wanted, Some(&kept), &changed), Some(kept.clone()));
        }
        let Ok(restore) = Stated::read(&kept, baseline::approver) else {
            // Only what locks the operator out is found and cannot be stated.
            return Ok(());
        };
        for (id, _) in restore.rules() {
            prop_assert!(stated.wish(id).is_some(), "{} was never managed", id);
        }
        let restored = restore.applied(&changed);
        for (id, rule) in policy.rules() {
            let back = restored.rule(id).unwrap();
            if any::can_come_back(id, rule) {
                prop_assert_eq!(back, rule, "{}", id);
            }
        }
    }

    #[test]
    fn the_order_of_rules_is_one(one in policy(), other in policy()) {
        for (id, rule) in one.rules() {
            prop_assert_eq!(order::rule(rule, rule), Relation::Equal);
            if let Some(second) = other.rule(id) {
                let (there, back) = (order::rule(second, rule), order::rule(rule, second));
                let reversed = match there {
                    Relation::Tighter => Relation::Looser,
                    Relation::Looser => Relation::Tighter,
                    same => same,
                };
                prop_assert_eq!(back, reversed, "{}", id);
            }
        }
    }
}
