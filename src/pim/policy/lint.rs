//! What looks like a mistake about the rules in force, though Entra takes it.

use std::{collections::BTreeSet, fmt};

use crate::api::{
    conditions::Reason,
    guid::Guid,
    pim_policy::{ApproverKind, Demand, NotificationLevel},
};

use super::{Approver, Moment, Policy, Rule, RuleId, Stated, describe};

/// Something that looks like a mistake.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lint {
    /// Multi-factor authentication is demanded of administrators: the operator is locked out.
    OperatorLockedOut(Moment),
    /// A longest duration of nothing.
    ZeroDuration(RuleId),
    /// Approval is demanded and nobody is left who could give it.
    NoLivingApprover,
    /// One person alone may approve.
    SingleApprover,
    /// The group whose access is asked for may approve.
    SelfApproval,
    /// The tenant has no such authentication context.
    UnknownAuthenticationContext(String),
    /// Mails go to nobody.
    NobodyNotified(RuleId),
}

/// What is known beside the policy. `None` is not known, which is never held against anybody.
pub struct LintFacts<'a> {
    /// Whether an approver still exists and can sign in.
    pub is_alive: &'a dyn Fn(&Approver) -> Option<bool>,
    /// The authentication contexts that may be used.
    pub contexts: Option<&'a BTreeSet<String>>,
    /// The group whose policy it is; none for a role.
    pub group: Option<&'a Guid>,
}

impl Lint {
    /// The reason in conditions, events and metrics.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::OperatorLockedOut(_) => Reason::OperatorLockedOut,
            Self::ZeroDuration(_) => Reason::ZeroDuration,
            Self::NoLivingApprover => Reason::NoLivingApprover,
            Self::SingleApprover => Reason::SingleApprover,
            Self::SelfApproval => Reason::SelfApproval,
            Self::UnknownAuthenticationContext(_) => Reason::UnknownAuthenticationContext,
            Self::NobodyNotified(_) => Reason::NobodyNotified,
        }
    }
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OperatorLockedOut(moment) => write!(
                f,
                "{} demands multi-factor authentication, which the operator cannot pass: it can grant nothing here until {}.require is stated without it",
                RuleId::Enablement(*moment),
                moment.block()
            ),
            Self::ZeroDuration(rule) => write!(
                f,
                "{rule} allows at most {}, so that Entra refuses every request: state a longer maximumDuration",
                describe::length(Some(chrono::TimeDelta::zero()))
            ),
            Self::NoLivingApprover => f.write_str(
                "approval is demanded and no approver is left in the directory, so that no activation can be approved: state other approvers",
            ),
            Self::SingleApprover => f.write_str(
                "approval depends on one person: nobody can approve while that person is away, nor their own request; add another approver or a group",
            ),
            Self::SelfApproval => f.write_str(
                "the group whose access is asked for is among its own approvers, so that its members approve each other: name another group",
            ),
            Self::UnknownAuthenticationContext(claim) => write!(
                f,
                "the tenant has no authentication context {claim} that is published, so that the demand cannot be met as meant: create it in Conditional Access, or state another one"
            ),
            Self::NobodyNotified(rule) => write!(
                f,
                "{rule} sends its mails to nobody: state recipients, or `defaultRecipients: true`, or say `notificationLevel: None`"
            ),
        }
    }
}

/// Finds what looks like a mistake, the worst first. Notifications are looked at where they are stated.
#[must_use]
pub fn lints(policy: &Policy, stated: &Stated, facts: &LintFacts<'_>) -> Vec<Lint> {
    let mut found = BTreeSet::new();
    for (id, rule) in policy.rules() {
        match (id, rule) {
            (RuleId::Enablement(moment), Rule::Enablement { demands, .. })
                if moment != Moment::Activation
                    && demands.contains(&Demand::MultiFactorAuthentication) =>
            {
                found.insert(Lint::OperatorLockedOut(moment));
            }
            (
                RuleId::Expiration(_),
                Rule::Expiration {
                    maximum: Some(maximum),
                    ..
                },
            ) if maximum.is_zero() => {
                found.insert(Lint::ZeroDuration(id));
            }
            (
                _,
                Rule::Approval {
                    required: true,
                    approvers,
                    other,
                },
            ) if other.is_empty() => found.extend(approval(approvers, facts)),
            (
                _,
                Rule::AuthenticationContext {
                    enabled: true,
                    claim,
                },
            ) => {
                let claim = claim.clone().unwrap_or_default();
                if facts.contexts.is_some_and(|all| !all.contains(&claim)) {
                    found.insert(Lint::UnknownAuthenticationContext(claim));
                }
            }
            (
                RuleId::Notification(..),
                Rule::Notification {
                    level,
                    defaults: false,
                    recipients,
                },
            ) if recipients.is_empty()
                && *level != Some(NotificationLevel::None)
                && stated.wish(id).is_some() =>
            {
                found.insert(Lint::NobodyNotified(id));
            }
            _ => {}
        }
    }
    found.into_iter().collect()
}

fn approval(approvers: &BTreeSet<Approver>, facts: &LintFacts<'_>) -> Vec<Lint> {
    let mut found = Vec::new();
    let living: Vec<&Approver> = approvers
        .iter()
        .filter(|one| (facts.is_alive)(one) != Some(false))
        .collect();
    match living.as_slice() {
        // A role's approvers are by default those who administer roles; a group has no such default.
        [] if !approvers.is_empty() || facts.group.is_some() => found.push(Lint::NoLivingApprover),
        [one] if one.kind == ApproverKind::User => found.push(Lint::SingleApprover),
        _ => {}
    }
    if facts
        .group
        .is_some_and(|group| approvers.iter().any(|one| one.id == *group))
    {
        found.push(Lint::SelfApproval);
    }
    found
}
