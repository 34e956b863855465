//! What a manifest states of a policy: rule by rule, and of each rule just the fields that it names.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use crate::{
    api::pim_policy::{
        ActivationRules, Approval, ApproverRef, AssignmentRules, Demand, Notification,
        NotificationLevel, NotificationRules, PolicyRules,
    },
    pim::duration::{self, DurationError},
};

use super::{Approver, Audience, Moment, Policy, Rule, RuleId, model::Address};

/// What is stated of the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stated {
    wishes: BTreeMap<RuleId, Wish>,
}

/// What is stated of one rule. `None` leaves a field as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// How long access may last.
    Expiration {
        /// Whether it must end.
        required: Option<bool>,
        /// The longest window.
        maximum: Option<TimeDelta>,
    },
    /// What a request has to bring; what this version does not know of stays.
    Enablement(BTreeSet<Demand>),
    /// Who must approve.
    Approval {
        /// Whether anybody must.
        required: Option<bool>,
        /// All who may.
        approvers: Option<BTreeSet<Approver>>,
    },
    /// Which authentication context is demanded.
    AuthenticationContext {
        /// Whether one is.
        enabled: bool,
        /// Which one.
        claim: Option<String>,
    },
    /// Who is told.
    Notification {
        /// Which mails are sent.
        level: Option<NotificationLevel>,
        /// Whether they go to those whom PIM chooses.
        defaults: Option<bool>,
        /// Whom they go to as well.
        recipients: Option<BTreeSet<Address>>,
    },
}

/// Why what is stated cannot be carried out; each text says what to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPolicy {
    /// A duration was not understood.
    #[error("spec.{block}.maximumDuration: {error}")]
    Duration {
        /// The block that it stands in.
        block: &'static str,
        /// What is wrong with it.
        error: DurationError,
    },
    /// A duration of nothing.
    #[error(
        "spec.{0}.maximumDuration must be at least PT5M: with less, Entra refuses every request"
    )]
    TooShort(&'static str),
    /// Multi-factor authentication is demanded of administrators.
    #[error(
        "spec.{0}.require may not hold MultiFactorAuthentication: the operator is an application, cannot pass it, and would lock itself out of the target; demand it of those who activate, in spec.activation.require"
    )]
    LocksOperatorOut(&'static str),
    /// An approver that was not resolved.
    #[error("spec.activation.approval.approvers names somebody who was not found")]
    Approver,
}

impl Stated {
    /// Reads what a manifest states. `approver` says who is behind a reference.
    ///
    /// # Errors
    /// [`InvalidPolicy`] when it cannot be carried out.
    pub fn read(
        rules: &PolicyRules,
        approver: impl Fn(&ApproverRef) -> Option<Approver>,
    ) -> Result<Self, InvalidPolicy> {
        let mut stated = Self::default();
        if let Some(block) = &rules.eligibility {
            stated.assignment(Moment::Eligibility, block)?;
        }
        if let Some(block) = &rules.assignment {
            stated.assignment(Moment::Assignment, block)?;
        }
        if let Some(block) = &rules.activation {
            stated.activation(block, approver)?;
        }
        if let Some(block) = &rules.notifications {
            stated.notifications(block);
        }
        Ok(stated)
    }

    /// The rules that something is stated of.
    pub fn rules(&self) -> impl Iterator<Item = (RuleId, &Wish)> {
        self.wishes.iter().map(|(id, wish)| (*id, wish))
    }

    /// How many rules something is stated of.
    #[must_use]
    pub fn count(&self) -> usize {
        self.wishes.len()
    }

    /// What is stated of a rule.
    #[must_use]
    pub fn wish(&self, id: RuleId) -> Option<&Wish> {
        self.wishes.get(&id)
    }

    /// Every rule as it was read and as it is to be, of those that differ. Rules that were not read are left out.
    #[must_use]
    pub fn differences(&self, policy: &Policy) -> Vec<Difference> {
        let differs = |(id, wish): (RuleId, &Wish)| {
            let from = policy.rule(id)?;
            let to = wish.apply(from);
            (to != *from).then(|| Difference {
                rule: id,
                from: from.clone(),
                to,
            })
        };
        self.rules().filter_map(differs).collect()
    }

    /// The rules that are stated and were not found in the policy.
    #[must_use]
    pub fn missing(&self, policy: &Policy) -> Vec<RuleId> {
        let all = self.wishes.keys().copied();
        all.filter(|id| policy.rule(*id).is_none()).collect()
    }

    /// The policy as it would be if everything were as stated.
    #[must_use]
    pub fn applied(&self, policy: &Policy) -> Policy {
        let to = |difference: Difference| (difference.rule, difference.to);
        let all: Vec<_> = self.differences(policy).into_iter().map(to).collect();
        policy.with(&all)
    }

    fn state(&mut self, id: RuleId, wish: Wish) {
        self.wishes.insert(id, wish);
    }

    fn assignment(&mut self, moment: Moment, block: &AssignmentRules) -> Result<(), InvalidPolicy> {
        let maximum = maximum(moment, block.maximum_duration.as_deref())?;
        if block.permanent_allowed.is_some() || maximum.is_some() {
            let required = block.permanent_allowed.map(|allowed| !allowed);
            self.state(
                RuleId::Expiration(moment),
                Wish::Expiration { required, maximum },
            );
        }
        if let Some(demands) = &block.require {
            if demands.contains(&Demand::MultiFactorAuthentication) {
                return Err(InvalidPolicy::LocksOperatorOut(moment.block()));
            }
            let demands = demands.iter().copied().collect();
            self.state(RuleId::Enablement(moment), Wish::Enablement(demands));
        }
        Ok(())
    }

    fn activation(
        &mut self,
        block: &ActivationRules,
        approver: impl Fn(&ApproverRef) -> Option<Approver>,
    ) -> Result<(), InvalidPolicy> {
        let moment = Moment::Activation;
        if let Some(length) = maximum(moment, block.maximum_duration.as_deref())? {
            // A longest activation is none while activations need not end.
            let wish = Wish::Expiration {
                required: Some(true),
                maximum: Some(length),
            };
            self.state(RuleId::Expiration(moment), wish);
        }
        if let Some(demands) = &block.require {
            let demands = demands.iter().copied().collect();
            self.state(RuleId::Enablement(moment), Wish::Enablement(demands));
        }
        if let Some(context) = &block.authentication_context {
            let wish = Wish::AuthenticationContext {
                enabled: context.disabled.is_none(),
                claim: context.claim_value.clone(),
            };
            self.state(RuleId::AuthenticationContext, wish);
        }
        if let Some(Approval {
            approvers,
            disabled,
        }) = &block.approval
        {
            let all = approvers.as_ref().map(|all| {
                let found = all
                    .iter()
                    .map(|one| approver(one).ok_or(InvalidPolicy::Approver));
                found.collect::<Result<BTreeSet<_>, _>>()
            });
            let wish = Wish::Approval {
                required: Some(disabled.is_none()),
                approvers: all.transpose()?,
            };
            self.state(RuleId::Approval, wish);
        }
        Ok(())
    }

    fn notifications(&mut self, block: &NotificationRules) {
        for (moment, audiences) in [
            (Moment::Eligibility, &block.eligibility),
            (Moment::Assignment, &block.assignment),
            (Moment::Activation, &block.activation),
        ] {
            let Some(audiences) = audiences else { continue };
            for (audience, said) in [
                (Audience::Admin, &audiences.admin),
                (Audience::Requestor, &audiences.requestor),
                (Audience::Approver, &audiences.approver),
            ] {
                if let Some(wish) = said.as_ref().and_then(notification) {
                    self.state(RuleId::Notification(moment, audience), wish);
                }
            }
        }
    }
}

fn notification(said: &Notification) -> Option<Wish> {
    let recipients = said.recipients.as_ref().map(|all| {
        let address = all.iter().map(|one| Address(one.0.clone()));
        address.collect::<BTreeSet<_>>()
    });
    let (level, defaults) = (said.notification_level, said.default_recipients);
    (level.is_some() || defaults.is_some() || recipients.is_some()).then_some(Wish::Notification {
        level,
        defaults,
        recipients,
    })
}

fn maximum(moment: Moment, text: Option<&str>) -> Result<Option<TimeDelta>, InvalidPolicy> {
    let block = moment.block();
    let Some(text) = text else { return Ok(None) };
    let length = duration::parse(text).map_err(|error| InvalidPolicy::Duration { block, error })?;
    if length < crate::pim::window::MINIMUM {
        return Err(InvalidPolicy::TooShort(block));
    }
    Ok(Some(length))
}

/// A rule that differs from what is stated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The rule.
    pub rule: RuleId,
    /// As it was read.
    pub from: Rule,
    /// As it is to be.
    pub to: Rule,
}

impl Wish {
    /// The rule with the stated fields as stated.
    #[must_use]
    pub fn apply(&self, rule: &Rule) -> Rule {
        match (self, rule) {
            (
                Self::Expiration { required, maximum },
                Rule::Expiration {
                    required: was_required,
                    maximum: was,
                },
            ) => Rule::Expiration {
                required: required.unwrap_or(*was_required),
                maximum: maximum.or(*was),
            },
            (Self::Enablement(demands), Rule::Enablement { other, .. }) => Rule::Enablement {
                demands: demands.clone(),
                other: other.clone(),
            },
            (
                Self::Approval {
                    required,
                    approvers,
                },
                Rule::Approval {
                    required: was_required,
                    approvers: was,
                    other,
                },
            ) => Rule::Approval {
                required: required.unwrap_or(*was_required),
                approvers: approvers.clone().unwrap_or_else(|| was.clone()),
                // Whoever is not stated may not approve.
                other: approvers
                    .as_ref()
                    .map_or_else(|| other.clone(), |_| BTreeSet::new()),
            },
            (
                Self::AuthenticationContext { enabled, claim },
                Rule::AuthenticationContext { claim: was, .. },
            ) => Rule::AuthenticationContext {
                enabled: *enabled,
                claim: claim.clone().or_else(|| was.clone()),
            },
            (
                Self::Notification {
                    level,
                    defaults,
                    recipients,
                },
                Rule::Notification {
                    level: was_level,
                    defaults: was_defaults,
                    recipients: was,
                },
            ) => Rule::Notification {
                level: level.or(*was_level),
                defaults: defaults.unwrap_or(*was_defaults),
                recipients: recipients.clone().unwrap_or_else(|| was.clone()),
            },
            // A wish is only ever held against its own rule.
            _ => rule.clone(),
        }
    }
}
