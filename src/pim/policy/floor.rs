//! What a policy may not go below, by the boundary that allows it.
//!
//! Judged is what a manifest states, never what it is silent about: of that it changes nothing.

use chrono::TimeDelta;

use crate::{
    api::{
        boundary::{PolicyFloor, Requirement},
        pim_policy::Demand,
    },
    pim::duration::{self, DurationError},
};

use super::{Moment, RuleId, Stated, Wish, describe};

/// A boundary's floor, parsed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Floor {
    /// The longest activation, and how the boundary writes it.
    pub activation: Option<(TimeDelta, String)>,
    /// Whether an activation must demand multi-factor authentication.
    pub mfa: bool,
    /// Whether it must demand approval.
    pub approval: bool,
}

/// A clause of the floor that a policy goes below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Below {
    /// Activations may be longer than the limit.
    Activation {
        /// The limit as the boundary writes it.
        limit: String,
        /// What the policy states.
        stated: String,
    },
    /// Multi-factor authentication is not demanded.
    Mfa,
    /// Approval is not demanded.
    Approval,
}

impl Floor {
    /// Reads a boundary's floor.
    ///
    /// # Errors
    /// When its duration is none.
    pub fn read(floor: Option<&PolicyFloor>) -> Result<Self, DurationError> {
        let Some(floor) = floor else {
            return Ok(Self::default());
        };
        let longest = floor.maximum_activation_duration.as_ref();
        let activation = longest.map(|text| Ok((duration::parse(text)?, text.clone())));
        Ok(Self {
            activation: activation.transpose()?,
            mfa: floor.multi_factor_authentication == Some(Requirement::Required),
            approval: floor.approval == Some(Requirement::Required),
        })
    }

    /// Where what is stated goes below the floor.
    #[must_use]
    pub fn below(&self, stated: &Stated) -> Vec<Below> {
        let mut all = Vec::new();
        if let Some((limit, text)) = &self.activation
            && let Some(Wish::Expiration { required, maximum }) =
                stated.wish(RuleId::Expiration(Moment::Activation))
        {
            let endless = *required == Some(false);
            if endless || maximum.is_some_and(|maximum| maximum > *limit) {
                all.push(Below::Activation {
                    limit: text.clone(),
                    stated: describe::length(*maximum),
                });
            }
        }
        // What an authentication context demands is written in Conditional Access, where nobody here can see it.
        if self.mfa
            && let Some(Wish::Enablement(demands)) =
                stated.wish(RuleId::Enablement(Moment::Activation))
            && !demands.contains(&Demand::MultiFactorAuthentication)
        {
            all.push(Below::Mfa);
        }
        if self.approval
            && let Some(Wish::Approval { required, .. }) = stated.wish(RuleId::Approval)
            && *required != Some(true)
        {
            all.push(Below::Approval);
        }
        all
    }
}
