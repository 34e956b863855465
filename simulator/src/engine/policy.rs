//! What a policy demands of a request, and its enforcement.
//!
//! The rules themselves are kept in [`crate::policies`]; here are the few values of them that a request
//! feels: expiration and enablement for both administrator levels and for activation, approval, and
//! authentication context.

use std::time::Duration;

use serde::{Deserialize, Serialize};

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

/// What a policy demands.
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

impl Policy {
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
