//! Rules in a few words, for events, metrics and the status.

use chrono::TimeDelta;

use crate::{api::pim_policy::Demand, pim::duration};

use super::{
    Moment, Policy, Rule, RuleId,
    model::{demand_text, level_text},
};

/// A length in ISO 8601.
#[must_use]
pub fn length(length: Option<TimeDelta>) -> String {
    match length {
        Some(zero) if zero.is_zero() => "PT0S".to_owned(),
        Some(length) => duration::format(length),
        None => "no longest duration".to_owned(),
    }
}

/// What a rule says.
#[must_use]
pub fn rule(rule: &Rule) -> String {
    match rule {
        Rule::Expiration { required, maximum } => {
            let ends = if *required { "" } else { " or permanent" };
            format!("{}{ends}", length(*maximum))
        }
        Rule::Enablement { demands, other } => {
            let known = demands.iter().map(|demand| demand_text(*demand));
            join(known.chain(other.iter().map(String::as_str)), "nothing")
        }
        Rule::Approval {
            required,
            approvers,
            other,
        } => {
            let ids = approvers.iter().map(|one| one.id.as_str());
            let by = match approvers.len() + other.len() {
                0 => "nobody in particular".to_owned(),
                more if more > 5 => format!("{more} approvers"),
                _ => join(ids, "approvers of an unknown sort"),
            };
            if *required {
                format!("approval by {by}")
            } else if approvers.is_empty() {
                "no approval".to_owned()
            } else {
                format!("no approval, with {by} on record")
            }
        }
        Rule::AuthenticationContext { enabled, claim } => match claim {
            Some(claim) if *enabled => format!("context {claim}"),
            _ if *enabled => "a context without a name".to_owned(),
            _ => "no context".to_owned(),
        },
        Rule::Notification {
            level,
            defaults,
            recipients,
        } => {
            let level = level.map_or("unknown", level_text);
            let whom = match (*defaults, recipients.len()) {
                (true, 0) => "the default recipients".to_owned(),
                (false, 0) => "nobody".to_owned(),
                (true, more) => format!("the default recipients and {more} more"),
                (false, more) => format!("{more} recipients"),
            };
            format!("{level} to {whom}")
        }
    }
}

/// What a rule says, in few different words and without ids and addresses: fit for a metric's label.
#[must_use]
pub fn label(one: &Rule) -> String {
    match one {
        Rule::Expiration { .. } => rule(one),
        Rule::Enablement { demands, other } => {
            let known = demands.iter().map(|demand| demand_text(*demand));
            let more = (!other.is_empty()).then_some("other demands");
            join(known.chain(more), "nothing")
        }
        Rule::Approval { required: true, .. } => "approval".to_owned(),
        Rule::Approval { .. } => "no approval".to_owned(),
        Rule::AuthenticationContext { enabled: true, .. } => "context".to_owned(),
        Rule::AuthenticationContext { .. } => "no context".to_owned(),
        Rule::Notification {
            level, defaults, ..
        } => {
            let level = level.map_or("unknown", level_text);
            let whom = if *defaults {
                "default recipients"
            } else {
                "other recipients"
            };
            format!("{level} to {whom}")
        }
    }
}

fn join<'a>(words: impl Iterator<Item = &'a str>, none: &str) -> String {
    let words: Vec<&str> = words.collect();
    if words.is_empty() {
        none.to_owned()
    } else {
        words.join(" and ")
    }
}

/// What an activation takes: `activation ≤ PT8H, MFA, approval by 2`.
#[must_use]
pub fn summary(policy: &Policy) -> String {
    let mut words = Vec::new();
    if let Some(Rule::Expiration { required, maximum }) =
        policy.rule(RuleId::Expiration(Moment::Activation))
    {
        words.push(match maximum {
            Some(_) if *required => format!("activation ≤ {}", length(*maximum)),
            _ => "activation without an end".to_owned(),
        });
    }
    if let Some(Rule::Enablement { demands, other }) =
        policy.rule(RuleId::Enablement(Moment::Activation))
    {
        words.extend(demands.iter().map(|demand| {
            match demand {
                Demand::MultiFactorAuthentication => "MFA",
                Demand::Justification => "justification",
                Demand::Ticketing => "ticket",
            }
            .to_owned()
        }));
        words.extend(other.iter().cloned());
    }
    if let Some(context @ Rule::AuthenticationContext { enabled: true, .. }) =
        policy.rule(RuleId::AuthenticationContext)
    {
        words.push(rule(context));
    }
    if let Some(Rule::Approval {
        required: true,
        approvers,
        other,
    }) = policy.rule(RuleId::Approval)
    {
        words.push(match approvers.len() + other.len() {
            0 => "approval by the default approvers".to_owned(),
            some => format!("approval by {some}"),
        });
    }
    words.join(", ")
}
