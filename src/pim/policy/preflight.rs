//! What a target's policy will say to a grant, before Graph is asked: the rule, its limit, and the two ways out.

use std::fmt;

use crate::{api::pim_policy::Demand, pim::boundary::Span};

use super::{Moment, Policy, Rule, RuleId, describe};

/// Which sort of grant is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GrantSort {
    /// Eligible access.
    Eligible,
    /// Active access.
    Active,
}

/// What a request asks for and carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Which sort of grant.
    pub sort: GrantSort,
    /// How long.
    pub span: Span,
    /// Whether the request carries a justification.
    pub justified: bool,
    /// Whether it carries a ticket.
    pub ticketed: bool,
}

/// A rule that a grant does not keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRejected {
    /// The rule.
    pub rule: RuleId,
    /// What it says: `P365D`, `Justification`, …
    pub limit: String,
    /// What is wrong with the grant.
    problem: String,
    /// What to change about the grant; none where no change of it helps.
    change_grant: Option<String>,
    /// What to change about the policy.
    change_policy: String,
}

impl fmt::Display for PolicyRejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}: {})", self.problem, self.rule, self.limit)?;
        match &self.change_grant {
            Some(grant) => write!(f, "; either {grant}, or {}", self.change_policy),
            None => write!(f, "; {}", self.change_policy),
        }
    }
}

/// What the policy says to a grant that the operator asks for.
///
/// # Errors
/// [`PolicyRejected`] with the first rule that the grant does not keep. A rule that was not read refuses nothing: Graph has the
/// last word.
pub fn preflight(ask: &Ask, policy: &Policy) -> Result<(), PolicyRejected> {
    let moment = match ask.sort {
        GrantSort::Eligible => Moment::Eligibility,
        GrantSort::Active => Moment::Assignment,
    };
    if let Some(Rule::Enablement { demands, .. }) = policy.rule(RuleId::Enablement(moment)) {
        enablement(ask, moment, |demand| demands.contains(&demand))?;
    }
    if let Some(Rule::Expiration { required, maximum }) = policy.rule(RuleId::Expiration(moment)) {
        let rule = RuleId::Expiration(moment);
        let block = moment.block();
        let limit = describe::length(*maximum);
        match ask.span {
            Span::Permanent if *required => {
                return Err(PolicyRejected {
                    rule,
                    limit: limit.clone(),
                    problem: "the PIM policy forbids a grant without an end".to_owned(),
                    change_grant: Some(format!(
                        "let the grant end after at most {limit} (scheduleInfo.expiration)"
                    )),
                    change_policy: format!(
                        "allow it in the policy (PimPolicy {block}.permanentAllowed: true)"
                    ),
                });
            }
            Span::For(length) if maximum.is_some_and(|maximum| length > maximum) => {
                let asked = describe::length(Some(length));
                return Err(PolicyRejected {
                    rule,
                    limit: limit.clone(),
                    problem: format!("the PIM policy forbids a grant of {asked}"),
                    change_grant: Some(format!(
                        "shorten the grant to {limit} (scheduleInfo.expiration)"
                    )),
                    change_policy: format!(
                        "raise the limit in the policy (PimPolicy {block}.maximumDuration: {asked})"
                    ),
                });
            }
            _ => {}
        }
    }
    Ok(())
}

fn enablement(
    ask: &Ask,
    moment: Moment,
    demands: impl Fn(Demand) -> bool,
) -> Result<(), PolicyRejected> {
    let block = moment.block();
    let rejected = |demand, problem: &str, change_grant: Option<&str>| PolicyRejected {
        rule: RuleId::Enablement(moment),
        limit: super::demand_text(demand).to_owned(),
        problem: problem.to_owned(),
        change_grant: change_grant.map(str::to_owned),
        change_policy: format!(
            "take {} out of the policy (PimPolicy {block}.require)",
            super::demand_text(demand)
        ),
    };
    if demands(Demand::MultiFactorAuthentication) {
        return Err(rejected(
            Demand::MultiFactorAuthentication,
            "the PIM policy demands multi-factor authentication of whoever grants, which an application cannot pass",
            Some("let a person grant it, in the portal"),
        ));
    }
    if demands(Demand::Justification) && !ask.justified {
        return Err(rejected(
            Demand::Justification,
            "the PIM policy demands a justification",
            Some("set `justification`"),
        ));
    }
    if demands(Demand::Ticketing) && !ask.ticketed {
        return Err(rejected(
            Demand::Ticketing,
            "the PIM policy demands a ticket",
            Some("set `ticketInfo`"),
        ));
    }
    Ok(())
}
