//! The PIM policy of one relationship (membership or ownership) of a group, and its enforcement.
//!
//! Of the 17 rules only those with an effect on requests are kept: expiration and enablement for
//! both administrator levels and for activation, approval, and authentication context. Defaults are
//! the documented ones for groups: eligibility at most P365D, active at most P180D, neither
//! permanent; a justification for active grants and activations; activation at most PT8H.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::target::Service;
use crate::behaviour::PolicyMessageForm;
use crate::error::GraphError;
use crate::types::Kind;

/// What an enablement rule demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Requirement {
    /// A justification text.
    Justification,
    /// A ticket number.
    Ticketing,
    /// Multi-factor authentication in the caller's token; an app-only token never has it.
    MultiFactorAuthentication,
}

/// Rules for one administrator level (making eligible, or making active).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdminRules {
    /// `isExpirationRequired` is false.
    pub permanent_allowed: bool,
    /// Longest window when it ends.
    #[serde(with = "crate::duration::iso")]
    pub maximum_duration: Duration,
    /// Enablement rule.
    pub require: Vec<Requirement>,
}

/// Rules for activation by the eligible person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivationRules {
    /// Longest activation.
    #[serde(with = "crate::duration::iso")]
    pub maximum_duration: Duration,
    /// Enablement rule.
    pub require: Vec<Requirement>,
    /// Whether an approver has to agree.
    pub approval_required: bool,
    /// Authentication context (`c1` …) that the token must carry.
    pub authentication_context: Option<String>,
}

/// The policy of one relationship.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// An administrator makes somebody eligible.
    pub eligibility: AdminRules,
    /// An administrator makes somebody active.
    pub assignment: AdminRules,
    /// An eligible person activates.
    pub activation: ActivationRules,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            eligibility: AdminRules {
                permanent_allowed: false,
                maximum_duration: Duration::from_hours(365 * 24),
                require: Vec::new(),
            },
            assignment: AdminRules {
                permanent_allowed: false,
                maximum_duration: Duration::from_hours(180 * 24),
                require: vec![Requirement::Justification],
            },
            activation: ActivationRules {
                maximum_duration: Duration::from_hours(8),
                require: vec![Requirement::Justification],
                approval_required: false,
                authentication_context: None,
            },
        }
    }
}

/// A change to [`AdminRules`]; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct AdminRulesPatch {
    /// New value, if any.
    pub permanent_allowed: Option<bool>,
    /// New value, if any.
    #[serde(with = "crate::duration::iso_option")]
    pub maximum_duration: Option<Duration>,
    /// New value, if any.
    pub require: Option<Vec<Requirement>>,
}

/// A change to [`ActivationRules`]; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ActivationRulesPatch {
    /// New value, if any.
    #[serde(with = "crate::duration::iso_option")]
    pub maximum_duration: Option<Duration>,
    /// New value, if any.
    pub require: Option<Vec<Requirement>>,
    /// New value, if any.
    pub approval_required: Option<bool>,
    /// New value, if any; an empty text turns it off.
    pub authentication_context: Option<String>,
}

/// A change to a [`Policy`]; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PolicyPatch {
    /// Making eligible.
    pub eligibility: AdminRulesPatch,
    /// Making active.
    pub assignment: AdminRulesPatch,
    /// Activation.
    pub activation: ActivationRulesPatch,
}

impl AdminRules {
    fn apply(&mut self, patch: &AdminRulesPatch) {
        self.permanent_allowed = patch.permanent_allowed.unwrap_or(self.permanent_allowed);
        self.maximum_duration = patch.maximum_duration.unwrap_or(self.maximum_duration);
        if let Some(require) = &patch.require {
            self.require.clone_from(require);
        }
    }
}

impl Policy {
    /// The documented defaults: those of directory roles are as for groups, but no grant has to end.
    pub(crate) fn default_of(service: Service) -> Self {
        let mut policy = Self::default();
        policy.eligibility.permanent_allowed = service == Service::Roles;
        policy.assignment.permanent_allowed = service == Service::Roles;
        policy
    }

    /// Changes what the patch names.
    pub fn apply(&mut self, patch: &PolicyPatch) {
        self.eligibility.apply(&patch.eligibility);
        self.assignment.apply(&patch.assignment);
        let (rules, change) = (&mut self.activation, &patch.activation);
        rules.maximum_duration = change.maximum_duration.unwrap_or(rules.maximum_duration);
        if let Some(require) = &change.require {
            rules.require.clone_from(require);
        }
        rules.approval_required = change.approval_required.unwrap_or(rules.approval_required);
        if let Some(context) = &change.authentication_context {
            rules.authentication_context = Some(context.clone()).filter(|c| !c.is_empty());
        }
    }

    fn admin(&self, kind: Kind) -> &AdminRules {
        match kind {
            Kind::Eligibility => &self.eligibility,
            Kind::Assignment => &self.assignment,
        }
    }
}

/// What the rules look at in a request.
pub(crate) struct Asked<'a> {
    /// Length of the window; none: no expiration asked.
    pub length: Option<Duration>,
    pub justification: Option<&'a str>,
    pub ticket_number: Option<&'a str>,
    /// Whether the token carries multi-factor authentication.
    pub mfa: bool,
    /// App-only callers may be spared the justification rule.
    pub app_only: bool,
    /// Authentication contexts in the token.
    pub contexts: &'a [String],
}

/// A broken rule: name and explanation.
type Broken = (&'static str, &'static str);

/// Checks an administrator's assign, update, extend or renew.
pub(crate) fn check_admin(
    policy: &Policy,
    kind: Kind,
    asked: &Asked<'_>,
    app_only_needs_justification: bool,
    form: PolicyMessageForm,
) -> Result<(), GraphError> {
    let rules = policy.admin(kind);
    let mut broken: Vec<Broken> = Vec::new();
    match asked.length {
        None if !rules.permanent_allowed => {
            broken.push((
                "ExpirationRule",
                "The policy does not allow permanent assignment",
            ));
        }
        Some(length) if length > rules.maximum_duration => {
            broken.push((
                "ExpirationRule",
                "The requested duration exceeds the maximum allowed",
            ));
        }
        _ => {}
    }
    let spare_justification = asked.app_only && !app_only_needs_justification;
    check_enablement(&rules.require, asked, spare_justification, &mut broken);
    verdict(&broken, form)
}

/// Checks an activation by the eligible person. Whether the person is eligible at all is one of
/// the rules too (`EligibilityRule`).
pub(crate) fn check_activation(
    policy: &Policy,
    eligible: bool,
    asked: &Asked<'_>,
    form: PolicyMessageForm,
) -> Result<(), GraphError> {
    let rules = &policy.activation;
    let mut broken: Vec<Broken> = Vec::new();
    if !eligible {
        broken.push(("EligibilityRule", "The subject is not eligible"));
    }
    if asked
        .length
        .is_none_or(|length| length > rules.maximum_duration)
    {
        broken.push((
            "ExpirationRule",
            "The requested duration exceeds the maximum allowed",
        ));
    }
    check_enablement(&rules.require, asked, false, &mut broken);
    verdict(&broken, form)?;
    match &rules.authentication_context {
        Some(context) if !asked.contexts.contains(context) => Err(acrs_challenge(context)),
        _ => Ok(()),
    }
}

fn check_enablement(
    require: &[Requirement],
    asked: &Asked<'_>,
    spare_justification: bool,
    broken: &mut Vec<Broken>,
) {
    let blank = |text: Option<&str>| text.is_none_or(|text| text.trim().is_empty());
    for requirement in require {
        match requirement {
            Requirement::Justification if blank(asked.justification) && !spare_justification => {
                broken.push(("JustificationRule", "Justification is required"));
            }
            Requirement::Ticketing if blank(asked.ticket_number) => {
                broken.push(("TicketingRule", "Ticket information is required"));
            }
            Requirement::MultiFactorAuthentication if !asked.mfa => {
                broken.push(("MfaRule", "Multi-factor authentication is required"));
            }
            _ => {}
        }
    }
}

fn verdict(broken: &[Broken], form: PolicyMessageForm) -> Result<(), GraphError> {
    if broken.is_empty() {
        return Ok(());
    }
    let rules = match form {
        PolicyMessageForm::Array => {
            let names: Vec<_> = broken
                .iter()
                .map(|(name, _)| format!("\"{name}\""))
                .collect();
            format!("[{}]", names.join(","))
        }
        PolicyMessageForm::Explained => {
            let rules: Vec<_> = broken
                .iter()
                .map(|(name, why)| format!("{name} - {why}"))
                .collect();
            rules.join(", ")
        }
    };
    Err(GraphError::bad_request(
        "RoleAssignmentRequestPolicyValidationFailed",
        format!("The following policy rules failed: {rules}"),
    ))
}

/// The claims challenge for a missing authentication context, URL-encoded as live tenants send it.
fn acrs_challenge(context: &str) -> GraphError {
    let claims =
        format!(r#"{{"access_token":{{"acrs":{{"essential":true,"value":"{context}"}}}}}}"#);
    let claims: String = url::form_urlencoded::byte_serialize(claims.as_bytes()).collect();
    GraphError::bad_request(
        "RoleAssignmentRequestAcrsValidationFailed",
        format!("&claims={claims}"),
    )
}
