//! From what differs to what is sent: one PATCH, or two where Entra takes no single one.
//!
//! Entra refuses to switch multi-factor authentication on while an authentication context is enabled, and takes a context to be
//! enabled while multi-factor authentication is on. So a context goes off first and on last, within a PATCH and across two. Where
//! two are needed, the first one only tightens, so that access is never easier in between than before and after.

use serde_json::Value;

use crate::api::pim_policy::Demand;

use super::{Difference, Moment, Policy, Relation, Rule, RuleId, Stated, order};

/// What is to be sent, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// One PATCH each; none when Entra agrees.
    pub steps: Vec<Vec<Difference>>,
}

/// Why a policy cannot become as stated; each text says what to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// Rules are stated that the policy does not have.
    #[error(
        "the policy in Entra has no rule {0} that this version can read, so nothing is written"
    )]
    Missing(String),
    /// An end is demanded and no longest window is known.
    #[error(
        "the policy in Entra names no longest window for {0}, and Entra demands one where access must end: state spec.{0}.maximumDuration"
    )]
    NoMaximum(&'static str),
    /// An authentication context is enabled that is not stated.
    #[error(
        "an authentication context is enabled in Entra, beside which it takes no multi-factor authentication: state spec.activation.authenticationContext as well, such as `disabled: {{}}`"
    )]
    ContextEnabled,
    /// An authentication context without a name.
    #[error(
        "no authentication context is named: state spec.activation.authenticationContext.claimValue"
    )]
    NoClaim,
}

/// Decides what to send.
///
/// # Errors
/// [`Obstacle`] when Entra would refuse it.
pub fn plan(policy: &Policy, stated: &Stated) -> Result<Plan, Obstacle> {
    let missing = stated.missing(policy);
    if !missing.is_empty() {
        let names: Vec<String> = missing.iter().map(ToString::to_string).collect();
        return Err(Obstacle::Missing(names.join(", ")));
    }
    let differences = stated.differences(policy);
    for difference in &differences {
        obstacle(difference)?;
    }
    if differences.is_empty() {
        return Ok(Plan::default());
    }
    let was_on = is_enabled(policy.rule(RuleId::AuthenticationContext));
    let after = stated.applied(policy);
    let stays_on = is_enabled(after.rule(RuleId::AuthenticationContext));
    if !(stays_on && differences.iter().any(switches_mfa_on)) {
        return Ok(Plan {
            steps: vec![in_order(differences)],
        });
    }
    if was_on && stated.wish(RuleId::AuthenticationContext).is_none() {
        return Err(Obstacle::ContextEnabled);
    }
    // The context that stays, or comes, waits for the second PATCH.
    let in_first = |one: &Difference| {
        one.rule != RuleId::AuthenticationContext
            && (switches_mfa_on(one) || one.relation() == Relation::Tighter)
    };
    let (mut first, mut second): (Vec<_>, Vec<_>) = differences.into_iter().partition(in_first);
    if let (true, Some(from), Some(to)) = (
        was_on,
        policy.rule(RuleId::AuthenticationContext),
        after.rule(RuleId::AuthenticationContext),
    ) {
        let off = switched_off(from);
        first.push(Difference {
            rule: RuleId::AuthenticationContext,
            from: from.clone(),
            to: off.clone(),
        });
        second.retain(|one| one.rule != RuleId::AuthenticationContext);
        second.push(Difference {
            rule: RuleId::AuthenticationContext,
            from: off,
            to: to.clone(),
        });
    }
    Ok(Plan {
        steps: vec![in_order(first), in_order(second)],
    })
}

/// The rules of a PATCH in Graph's words; rules that were not read are left out.
#[must_use]
pub fn bodies(policy: &Policy, step: &[Difference]) -> Vec<Value> {
    step.iter()
        .filter_map(|one| policy.body(one.rule, &one.to))
        .collect()
}

impl Plan {
    /// Whether anything becomes looser, or may.
    #[must_use]
    pub fn loosens(&self, policy: &Policy) -> bool {
        let mut after = policy.clone();
        for step in &self.steps {
            let rules: Vec<_> = step.iter().map(|one| (one.rule, one.to.clone())).collect();
            after = after.with(&rules);
        }
        order::policy(&after, policy).loosens()
    }

    /// Every rule that is written, with the value it is to have in the end.
    #[must_use]
    pub fn changes(&self) -> Vec<&Difference> {
        let mut all: Vec<&Difference> = Vec::new();
        for one in self.steps.iter().flatten() {
            all.retain(|earlier| earlier.rule != one.rule);
            all.push(one);
        }
        all
    }
}

fn obstacle(difference: &Difference) -> Result<(), Obstacle> {
    match (&difference.rule, &difference.to) {
        (
            RuleId::Expiration(moment),
            Rule::Expiration {
                required: true,
                maximum: None,
            },
        ) => Err(Obstacle::NoMaximum(moment.block())),
        (
            _,
            Rule::AuthenticationContext {
                enabled: true,
                claim: None,
            },
        ) => Err(Obstacle::NoClaim),
        _ => Ok(()),
    }
}

fn is_enabled(rule: Option<&Rule>) -> bool {
    matches!(
        rule,
        Some(Rule::AuthenticationContext { enabled: true, .. })
    )
}

fn switched_off(rule: &Rule) -> Rule {
    match rule {
        Rule::AuthenticationContext { claim, .. } => Rule::AuthenticationContext {
            enabled: false,
            claim: claim.clone(),
        },
        other => other.clone(),
    }
}

fn switches_mfa_on(difference: &Difference) -> bool {
    let demands = |rule: &Rule| matches!(rule, Rule::Enablement { demands, .. } if demands.contains(&Demand::MultiFactorAuthentication));
    difference.rule == RuleId::Enablement(Moment::Activation)
        && demands(&difference.to)
        && !demands(&difference.from)
}

/// A context that goes off comes first, one that goes on comes last; what tightens goes before what loosens.
fn in_order(mut step: Vec<Difference>) -> Vec<Difference> {
    step.sort_by_key(|one| {
        let place = match (&one.rule, is_enabled(Some(&one.to))) {
            (RuleId::AuthenticationContext, false) => 0,
            (RuleId::AuthenticationContext, true) => 3,
            _ if one.relation() == Relation::Tighter => 1,
            _ => 2,
        };
        (place, one.rule)
    });
    step
}
