//! The 17 rules of a policy, by the ids that Graph gives them: constants, the same for every target.

use std::fmt;

/// A rule of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RuleId {
    /// How long access may last, by what happens.
    Expiration(Moment),
    /// What a request has to bring.
    Enablement(Moment),
    /// Who must approve an activation.
    Approval,
    /// Which authentication context an activation demands.
    AuthenticationContext,
    /// Who is told.
    Notification(Moment, Audience),
}

/// What happens: whose request the rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Moment {
    /// Somebody is made eligible.
    Eligibility,
    /// Somebody is given active access.
    Assignment,
    /// Somebody activates the access.
    Activation,
}

/// Whom a mail goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Audience {
    /// Administrators.
    Admin,
    /// The person concerned.
    Requestor,
    /// Those who may approve.
    Approver,
}

impl Moment {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Eligibility, Self::Assignment, Self::Activation];

    const fn suffix(self) -> &'static str {
        match self {
            Self::Eligibility => "Admin_Eligibility",
            Self::Assignment => "Admin_Assignment",
            Self::Activation => "EndUser_Assignment",
        }
    }

    /// The block of a manifest.
    #[must_use]
    pub const fn block(self) -> &'static str {
        match self {
            Self::Eligibility => "eligibility",
            Self::Assignment => "assignment",
            Self::Activation => "activation",
        }
    }
}

impl Audience {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Admin, Self::Requestor, Self::Approver];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "Admin",
            Self::Requestor => "Requestor",
            Self::Approver => "Approver",
        }
    }

    /// The field of a manifest.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Requestor => "requestor",
            Self::Approver => "approver",
        }
    }
}

impl RuleId {
    /// All 17, in the order in which they are sent.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all: Vec<_> = Moment::ALL.map(Self::Expiration).into();
        all.extend(Moment::ALL.map(Self::Enablement));
        all.extend([Self::Approval, Self::AuthenticationContext]);
        for moment in Moment::ALL {
            all.extend(Audience::ALL.map(|audience| Self::Notification(moment, audience)));
        }
        all
    }

    /// The rule of an id; none for one that this version does not know.
    #[must_use]
    pub fn read(id: &str) -> Option<Self> {
        Self::all()
            .into_iter()
            .find(|rule| rule.to_string().eq_ignore_ascii_case(id))
    }

    /// Graph's type of the rule.
    #[must_use]
    pub const fn odata_type(self) -> &'static str {
        match self {
            Self::Expiration(_) => "#microsoft.graph.unifiedRoleManagementPolicyExpirationRule",
            Self::Enablement(_) => "#microsoft.graph.unifiedRoleManagementPolicyEnablementRule",
            Self::Approval => "#microsoft.graph.unifiedRoleManagementPolicyApprovalRule",
            Self::AuthenticationContext => {
                "#microsoft.graph.unifiedRoleManagementPolicyAuthenticationContextRule"
            }
            Self::Notification(..) => {
                "#microsoft.graph.unifiedRoleManagementPolicyNotificationRule"
            }
        }
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let activation = Moment::Activation.suffix();
        match self {
            Self::Expiration(moment) => write!(f, "Expiration_{}", moment.suffix()),
            Self::Enablement(moment) => write!(f, "Enablement_{}", moment.suffix()),
            Self::Approval => write!(f, "Approval_{activation}"),
            Self::AuthenticationContext => write!(f, "AuthenticationContext_{activation}"),
            Self::Notification(moment, audience) => {
                write!(f, "Notification_{}_{}", audience.as_str(), moment.suffix())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_seventeen_rules_and_each_is_read_back_from_its_id() {
        let all = RuleId::all();
        assert_eq!(all.len(), 17);
        for rule in &all {
            assert_eq!(RuleId::read(&rule.to_string()), Some(*rule));
        }
        assert_eq!(RuleId::read("CustomExtension_EndUser_Assignment"), None);
        let ids: Vec<String> = all.iter().map(ToString::to_string).collect();
        assert!(ids.contains(&"Notification_Approver_EndUser_Assignment".to_owned()));
        assert!(ids.contains(&"Enablement_Admin_Eligibility".to_owned()));
    }
}
