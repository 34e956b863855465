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

/// Every rule and its id, in the order in which rules are sent.
const ALL: [(RuleId, &str); 17] = {
    use Audience::{Admin, Approver, Requestor};
    use Moment::{Activation, Assignment, Eligibility};
    use RuleId::{
        Approval, AuthenticationContext, Enablement as Demands, Expiration, Notification as Mail,
    };
    [
        (Expiration(Eligibility), "Expiration_Admin_Eligibility"),
        (Expiration(Assignment), "Expiration_Admin_Assignment"),
        (Expiration(Activation), "Expiration_EndUser_Assignment"),
        (Demands(Eligibility), "Enablement_Admin_Eligibility"),
        (Demands(Assignment), "Enablement_Admin_Assignment"),
        (Demands(Activation), "Enablement_EndUser_Assignment"),
        (Approval, "Approval_EndUser_Assignment"),
        (
            AuthenticationContext,
            "AuthenticationContext_EndUser_Assignment",
        ),
        (
            Mail(Eligibility, Admin),
            "Notification_Admin_Admin_Eligibility",
        ),
        (
            Mail(Eligibility, Requestor),
            "Notification_Requestor_Admin_Eligibility",
        ),
        (
            Mail(Eligibility, Approver),
            "Notification_Approver_Admin_Eligibility",
        ),
        (
            Mail(Assignment, Admin),
            "Notification_Admin_Admin_Assignment",
        ),
        (
            Mail(Assignment, Requestor),
            "Notification_Requestor_Admin_Assignment",
        ),
        (
            Mail(Assignment, Approver),
            "Notification_Approver_Admin_Assignment",
        ),
        (
            Mail(Activation, Admin),
            "Notification_Admin_EndUser_Assignment",
        ),
        (
            Mail(Activation, Requestor),
            "Notification_Requestor_EndUser_Assignment",
        ),
        (
            Mail(Activation, Approver),
            "Notification_Approver_EndUser_Assignment",
        ),
    ]
};

impl RuleId {
    /// All 17, in the order in which they are sent.
    #[must_use]
    pub fn all() -> Vec<Self> {
        ALL.iter().map(|(rule, _)| *rule).collect()
    }

    /// The rule of an id; none for one that this version does not know.
    #[must_use]
    pub fn read(id: &str) -> Option<Self> {
        let known = ALL.iter().find(|(_, name)| name.eq_ignore_ascii_case(id));
        known.map(|(rule, _)| *rule)
    }

    /// The rule's id in Graph.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let known = ALL.iter().find(|(rule, _)| *rule == self);
        known.map_or("", |(_, name)| *name)
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
        f.write_str(self.as_str())
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
