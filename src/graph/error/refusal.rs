//! A refusal in Graph's own words, taken apart.

use std::{collections::BTreeSet, fmt, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use super::{
    Advice, EndpointClass, Intent,
    codes::{self, Meaning},
};

/// How long to wait where Graph says "busy" without a time.
const BUSY_WAIT: Duration = Duration::from_mins(1);
/// Longest part of Graph's message that is kept, in characters.
const MESSAGE_LENGTH: usize = 300;

/// An error answer of Graph.
#[derive(Clone, Debug)]
pub struct Refusal {
    status: u16,
    code: String,
    message: String,
    missing_permissions: Vec<String>,
    failed_rules: Vec<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    intent: Intent,
}

#[derive(Deserialize)]
struct Envelope {
    error: ErrorPart,
}

#[derive(Deserialize)]
struct ErrorPart {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default, rename = "innerError")]
    inner: Option<Value>,
}

/// The JSON text that some 403 answers carry inside their message.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wrapped {
    error_code: String,
    #[serde(default)]
    message: Option<String>,
}

impl Refusal {
    /// Reads an error answer. A body that is not Graph's envelope (a proxy's HTML, nothing at all) leaves code and message empty.
    pub(in crate::graph) fn read(
        status: u16,
        body: &[u8],
        request_id: Option<String>,
        retry_after: Option<Duration>,
        intent: Intent,
    ) -> Self {
        let inner = serde_json::from_slice::<Envelope>(body).map(|envelope| envelope.error);
        let (mut code, mut message, inner_error) = match inner {
            Ok(inner) => (
                inner.code.unwrap_or_default(),
                inner.message.unwrap_or_default(),
                inner.inner,
            ),
            Err(_) => (String::new(), String::new(), None),
        };
        if let Ok(wrapped) = serde_json::from_str::<Wrapped>(&message) {
            code = wrapped.error_code;
            message = wrapped.message.unwrap_or_default();
        }
        let missing_permissions = if status == 403 {
            permission_names(&message)
        } else {
            Vec::new()
        };
        let failed_rules = match code.as_str() {
            "RoleAssignmentRequestPolicyValidationFailed" => rule_names(&message),
            "RoleAssignmentRequestAcrsValidationFailed" => {
                vec!["AuthenticationContextRule".to_owned()]
            }
            _ => Vec::new(),
        };
        let request_id = request_id.or_else(|| {
            let id = inner_error?.get("request-id")?.as_str()?.to_owned();
            Some(id)
        });
        Self {
            status,
            code,
            message: stable(&message),
            missing_permissions,
            failed_rules,
            request_id,
            retry_after,
            intent,
        }
    }

    /// Fills in the least permission of a read, where Graph denied one without naming it.
    pub(super) fn name_permission(&mut self, class: EndpointClass) {
        let unnamed = self.missing_permissions.is_empty();
        if !(unnamed && matches!(self.advice(), Advice::FixPermissions { .. })) {
            return;
        }
        let least = match class {
            EndpointClass::Users => "User.ReadBasic.All",
            EndpointClass::Groups => "GroupMember.Read.All",
            EndpointClass::ServicePrincipals => "Application.Read.All",
            EndpointClass::DirectoryObjects => "Directory.Read.All",
            EndpointClass::GroupPolicies => "RoleManagementPolicy.Read.AzureADGroup",
            EndpointClass::RolePolicies => "RoleManagementPolicy.Read.Directory",
            EndpointClass::AuthenticationContexts => "AuthenticationContext.Read.All",
            EndpointClass::RoleDefinitions => "RoleManagement.Read.Directory",
            EndpointClass::AdministrativeUnits => "AdministrativeUnit.Read.All",
            _ => return,
        };
        self.missing_permissions.push(least.to_owned());
    }

    /// HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Graph's code, taken out of its wrapping; none if Graph sent none.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        Some(self.code.as_str()).filter(|code| !code.is_empty())
    }

    /// Graph's words, shortened.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        Some(self.message.as_str()).filter(|message| !message.is_empty())
    }

    /// Graph's id of the call.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// The pause Graph asked for.
    pub(in crate::graph) fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether a read may simply be repeated.
    pub(in crate::graph) fn is_passing(&self) -> bool {
        matches!(self.status, 408 | 424 | 500 | 502 | 503 | 504)
    }

    /// Whether the service, and not something in front of it, says that the object is gone.
    pub(in crate::graph) fn is_not_found(&self) -> bool {
        self.status == 404
            && matches!(
                self.code.as_str(),
                "Request_ResourceNotFound"
                    | "ResourceNotFound"
                    | "RoleAssignmentRequestNotFound"
                    | "UnknownError"
            )
    }

    /// Whether the refusal may concern the way of asking rather than the question: no code that PIM or the directory use.
    pub(in crate::graph) fn is_unexplained(&self) -> bool {
        matches!(self.status, 400 | 403 | 404 | 405 | 501)
            && codes::lookup(&self.code).is_none()
            && !self.is_not_found()
    }

    pub(super) fn advice(&self) -> Advice {
        if let Some((meaning, _)) = codes::lookup(&self.code) {
            return self.advice_for(meaning);
        }
        let write = self.intent != Intent::Read;
        match self.status {
            401 => Advice::FixCredential,
            403 => self.advice_for(Meaning::Permission),
            404 => self.advice_for(Meaning::Unknown),
            409 => Advice::ReObserve,
            // A repeated removal is answered like this while the lists still lag behind.
            400 if self.intent == Intent::Removal && self.code == "BadRequest" => Advice::ReObserve,
            _ if write && (self.is_passing() || self.status >= 500) => Advice::ReObserve,
            _ if self.is_passing() => self.retry_after.map_or(Advice::Retry, Advice::RetryAfter),
            _ => Advice::GiveUp,
        }
    }

    fn advice_for(&self, meaning: Meaning) -> Advice {
        match meaning {
            Meaning::Surprise => Advice::ReObserve,
            Meaning::TooYoung => Advice::WaitMinimumDuration,
            Meaning::Busy => Advice::RetryAfter(self.retry_after.unwrap_or(BUSY_WAIT)),
            Meaning::Policy => Advice::FixPolicy {
                rules: self.failed_rules.clone(),
            },
            Meaning::Permission => Advice::FixPermissions {
                missing: self.missing_permissions.clone(),
            },
            Meaning::License => Advice::FixLicense,
            // Nothing there to remove is as good as removed, once a fresh read agrees.
            Meaning::Unknown if self.intent == Intent::Removal => Advice::ReObserve,
            Meaning::Unknown => Advice::AwaitReplication,
            Meaning::Token => Advice::FixCredential,
            Meaning::Wrong => Advice::GiveUp,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((meaning, sentence)) = codes::lookup(&self.code) else {
            return self.fmt_unlisted(f);
        };
        write!(f, "Microsoft Graph refused: {sentence}")?;
        match meaning {
            Meaning::Policy if !self.failed_rules.is_empty() => {
                write!(f, ": {}", self.failed_rules.join(", "))?;
            }
            Meaning::Permission if !self.missing_permissions.is_empty() => {
                write!(f, ": {}", self.missing_permissions.join(" or "))?;
            }
            _ => {}
        }
        write!(f, " ({})", self.code)
    }
}

impl Refusal {
    fn fmt_unlisted(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Microsoft Graph answered with HTTP {}", self.status)?;
        if let Some(code) = self.code() {
            write!(f, " {code}")?;
        }
        if !self.missing_permissions.is_empty() {
            return write!(
                f,
                ": the application lacks {}",
                self.missing_permissions.join(" or ")
            );
        }
        if let Some(message) = self.message() {
            write!(f, ": {message}")?;
        }
        Ok(())
    }
}

/// The permissions in a text such as `missing permission scope A.B.C,D.E.F.`: dotted words whose parts start with capitals.
fn permission_names(message: &str) -> Vec<String> {
    let names: BTreeSet<&str> = message
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-'))
        .map(|word| word.trim_matches('.'))
        .filter(|word| {
            word.contains('.')
                && word
                    .split('.')
                    .all(|part| part.starts_with(|c: char| c.is_ascii_uppercase()))
        })
        .collect();
    names.into_iter().map(str::to_owned).collect()
}

/// The rules in either form of the policy failure message: `["ExpirationRule","MfaRule"]` or `ExpirationRule - explanation`.
fn rule_names(message: &str) -> Vec<String> {
    let listed = message.split_once(':').map_or(message, |(_, rest)| rest);
    let names: BTreeSet<&str> = listed
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.len() > "Rule".len() && word.ends_with("Rule"))
        .collect();
    names.into_iter().map(str::to_owned).collect()
}

/// One line, of bounded length, cut before anything that differs from call to call.
fn stable(message: &str) -> String {
    let mut end = message.len();
    let lower = message.to_ascii_lowercase();
    for marker in [
        "&claims=",
        "correlation id",
        "correlationid",
        "client-request-id",
        "request id",
        "requestid",
        "request-id",
        "trace id",
        "timestamp",
    ] {
        if let Some(position) = lower.find(marker) {
            end = end.min(position);
        }
    }
    let line: Vec<&str> = message[..end].split_whitespace().collect();
    line.join(" ").chars().take(MESSAGE_LENGTH).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "refusal_tests.rs"]
mod tests;
