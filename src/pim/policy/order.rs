//! Which of two rules is tighter: what lets a person have less, or tells more people, is tighter.
//!
//! A rule is compared by each of its aspects; where one became tighter and another one looser, neither rule is the tighter one.
//! Multi-factor authentication and an authentication context stand for each other, as Entra takes only one of them to be
//! switched on at a time: a policy as a whole is compared by both together.

use std::{cmp::Ordering, collections::BTreeSet};

use crate::api::pim_policy::Demand;

use super::{Difference, Moment, Policy, Rule, RuleId};

/// How a rule, or a policy, relates to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Relation {
    /// They ask for the same.
    Equal,
    /// It is tighter.
    Tighter,
    /// It is looser.
    Looser,
    /// It is tighter in one way and looser in another, or merely different.
    Mixed,
}

impl Relation {
    /// How two aspects together relate.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Equal, one) | (one, Self::Equal) => one,
            (Self::Tighter, Self::Tighter) => Self::Tighter,
            (Self::Looser, Self::Looser) => Self::Looser,
            _ => Self::Mixed,
        }
    }

    /// Whether anything became looser, or may have.
    #[must_use]
    pub const fn loosens(self) -> bool {
        matches!(self, Self::Looser | Self::Mixed)
    }

    /// The greater is the tighter.
    const fn of(ordering: Ordering) -> Self {
        match ordering {
            Ordering::Equal => Self::Equal,
            Ordering::Greater => Self::Tighter,
            Ordering::Less => Self::Looser,
        }
    }

    /// The set that holds more is the tighter.
    fn of_sets<T: Ord>(to: &BTreeSet<T>, from: &BTreeSet<T>) -> Self {
        match (to.is_superset(from), from.is_superset(to)) {
            (true, true) => Self::Equal,
            (true, false) => Self::Tighter,
            (false, true) => Self::Looser,
            (false, false) => Self::Mixed,
        }
    }

    const fn reverse(self) -> Self {
        match self {
            Self::Tighter => Self::Looser,
            Self::Looser => Self::Tighter,
            other => other,
        }
    }
}

impl Difference {
    /// How the rule as it is to be relates to the rule as it was.
    #[must_use]
    pub fn relation(&self) -> Relation {
        rule(&self.to, &self.from)
    }
}

/// How `to` relates to `from`.
#[must_use]
pub fn rule(to: &Rule, from: &Rule) -> Relation {
    match (to, from) {
        (
            Rule::Expiration { required, maximum },
            Rule::Expiration {
                required: was_required,
                maximum: was,
            },
        ) => {
            let length = match (maximum, was) {
                (Some(to), Some(from)) => to.cmp(from).reverse(),
                (to, from) => to.is_some().cmp(&from.is_some()),
            };
            Relation::of(required.cmp(was_required)).and(Relation::of(length))
        }
        (
            Rule::Enablement { demands, other },
            Rule::Enablement {
                demands: was,
                other: was_other,
            },
        ) => Relation::of_sets(demands, was).and(Relation::of_sets(other, was_other)),
        (to @ Rule::Approval { .. }, from @ Rule::Approval { .. }) => approval(to, from),
        (
            Rule::AuthenticationContext { enabled, claim },
            Rule::AuthenticationContext {
                enabled: was_enabled,
                claim: was,
            },
        ) => match (enabled, was_enabled) {
            (true, true) if claim != was => Relation::Mixed,
            _ => Relation::of(enabled.cmp(was_enabled)),
        },
        (
            Rule::Notification {
                level,
                defaults,
                recipients,
            },
            Rule::Notification {
                level: was_level,
                defaults: was_defaults,
                recipients: was,
            },
        ) => {
            let levels = match (level, was_level) {
                (Some(to), Some(from)) => Relation::of(to.cmp(from)),
                (None, None) => Relation::Equal,
                _ => Relation::Mixed,
            };
            levels
                .and(Relation::of(defaults.cmp(was_defaults)))
                .and(Relation::of_sets(recipients, was))
        }
        _ => Relation::Mixed,
    }
}

fn approval(to: &Rule, from: &Rule) -> Relation {
    let (
        Rule::Approval {
            required,
            approvers,
            other,
        },
        Rule::Approval {
            required: was_required,
            approvers: was,
            other: was_other,
        },
    ) = (to, from)
    else {
        return Relation::Mixed;
    };
    match (required, was_required) {
        // Nobody has to approve, whoever is on record.
        (false, false) => Relation::Equal,
        (true, false) => Relation::Tighter,
        (false, true) => Relation::Looser,
        // Fewer people who can say yes. No approvers at all means those that Entra chooses.
        (true, true) if approvers.is_empty() != was.is_empty() => Relation::Mixed,
        (true, true) => Relation::of_sets(approvers, was)
            .and(Relation::of_sets(other, was_other))
            .reverse(),
    }
}

/// How a policy as a whole relates to another one with the same rules.
#[must_use]
pub fn policy(to: &Policy, from: &Policy) -> Relation {
    let mut relation = Relation::of_sets(&sign_in(to), &sign_in(from));
    for (id, rule_to) in to.rules() {
        let Some(rule_from) = from.rule(id) else {
            return Relation::Mixed;
        };
        let one = match id {
            RuleId::Enablement(Moment::Activation) => {
                rule(&without_mfa(rule_to), &without_mfa(rule_from))
            }
            RuleId::AuthenticationContext => Relation::Equal,
            _ => rule(rule_to, rule_from),
        };
        relation = relation.and(one);
    }
    relation
}

/// How an activation makes sure who it is.
fn sign_in(policy: &Policy) -> BTreeSet<String> {
    let mut ways = BTreeSet::new();
    if let Some(Rule::Enablement { demands, .. }) =
        policy.rule(RuleId::Enablement(Moment::Activation))
        && demands.contains(&Demand::MultiFactorAuthentication)
    {
        ways.insert(String::new());
    }
    if let Some(Rule::AuthenticationContext {
        enabled: true,
        claim,
    }) = policy.rule(RuleId::AuthenticationContext)
    {
        ways.insert(claim.clone().unwrap_or_else(|| "none".to_owned()));
    }
    ways
}

fn without_mfa(rule: &Rule) -> Rule {
    let mut rule = rule.clone();
    if let Rule::Enablement { demands, .. } = &mut rule {
        demands.remove(&Demand::MultiFactorAuthentication);
    }
    rule
}
