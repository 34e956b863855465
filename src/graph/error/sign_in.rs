//! Failed sign-ins.

use std::{borrow::Cow, fmt};

/// The authority gave no token. Keeps the code only: the authority's text carries trace ids and times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInError {
    code: Option<String>,
    cause: Cow<'static, str>,
    /// What the system says about a failed connection, without addresses.
    detail: Option<String>,
    transient: bool,
}

impl SignInError {
    /// The authority's refusal, with its code (`AADSTS…` or an OAuth word such as `invalid_client`). `expired` tells whether its
    /// text speaks of something that has ended, which some codes leave open.
    pub(in crate::graph) fn refused(code: Option<String>, expired: bool) -> Self {
        let (cause, transient) = match code.as_deref() {
            None => ("the authority refused without giving a code", false),
            Some("AADSTS700027") if expired => (
                "the client certificate has expired: add a new one to the app registration, and put it with its key into the Secret",
                false,
            ),
            Some(code) => explain(code),
        };
        Self {
            code,
            cause: cause.into(),
            detail: None,
            transient,
        }
    }

    /// A refusal whose cause is known better than its code says.
    pub(in crate::graph) fn refused_for(code: Option<String>, cause: String) -> Self {
        Self {
            code,
            cause: cause.into(),
            detail: None,
            transient: false,
        }
    }

    /// The authority could not be reached or is in trouble.
    pub(in crate::graph) fn unavailable(detail: String) -> Self {
        Self {
            code: None,
            cause: "the authority cannot be reached or is in trouble".into(),
            detail: Some(detail),
            transient: true,
        }
    }

    /// The machine's metadata service gave no answer.
    pub(in crate::graph) fn no_metadata_service(detail: String) -> Self {
        Self {
            code: None,
            cause: "the machine's metadata service cannot be reached: a managed identity needs a machine of Azure, and a network policy that lets the operator reach 169.254.169.254".into(),
            detail: Some(detail),
            transient: true,
        }
    }

    /// The assertion that was to be presented could not be had just now.
    pub(in crate::graph) fn no_assertion(cause: String, transient: bool) -> Self {
        Self {
            code: None,
            cause: cause.into(),
            detail: None,
            transient,
        }
    }

    /// The same, naming what it is about.
    pub(in crate::graph) fn naming(mut self, what: &str) -> Self {
        self.detail = Some(what.to_owned());
        self
    }

    /// Something that no retry can change.
    pub(in crate::graph) fn permanent(cause: &'static str) -> Self {
        Self {
            code: None,
            cause: cause.into(),
            detail: None,
            transient: false,
        }
    }

    /// `AADSTS…`, or the OAuth error word.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Whether a later try can succeed without anybody changing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.transient
    }
}

impl fmt::Display for SignInError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sign-in failed: {}", self.cause)?;
        match (&self.detail, &self.code) {
            (Some(detail), Some(code)) => write!(f, " ({detail}, {code})"),
            (Some(text), None) | (None, Some(text)) => write!(f, " ({text})"),
            (None, None) => Ok(()),
        }
    }
}

impl std::error::Error for SignInError {}

/// The likely cause behind a code with its mend, and whether it passes by itself.
fn explain(code: &str) -> (&'static str, bool) {
    let cause = match code {
        "AADSTS7000215" => {
            "the client secret is wrong: the Secret must hold the secret's value, not its id"
        }
        "AADSTS7000222" => {
            "the client secret has expired: add a new one to the app registration, and put its value into the Secret"
        }
        "AADSTS700016" => {
            "the application is not known in this tenant: check clientId and tenantId, and that the application was given admin consent there"
        }
        "AADSTS7000229" => {
            "the application has no service principal in this tenant: give it admin consent there"
        }
        "AADSTS7000112" => {
            "the application is disabled: enable it under the tenant's enterprise applications"
        }
        "AADSTS90002" | "AADSTS900023" => {
            "the tenant does not exist in this cloud: check tenantId and cloud"
        }
        "AADSTS900382" | "AADSTS900432" => {
            "the application belongs to another national cloud: check cloud"
        }
        "AADSTS500011" => {
            "Microsoft Graph is not known under the configured address in this tenant: check cloud and endpoints.graph"
        }
        "AADSTS70011" | "AADSTS1002012" => {
            "the configured Graph address makes no valid scope: check endpoints.graph"
        }
        "AADSTS700024" | "AADSTS500133" => {
            "the presented assertion is not within its time of validity: check that the clocks of the cluster's machines are right, and that the service account token is kept current"
        }
        "AADSTS700027" => {
            "the client certificate is not registered with the application: add it to the app registration under certificates"
        }
        "AADSTS1000502" => {
            "the client certificate is not within its time of validity: put a valid one with its key into the Secret"
        }
        "AADSTS700021" => "the presented assertion is for another application: check clientId",
        "AADSTS50027" => "the presented assertion is malformed",
        "AADSTS50013" => {
            "the presented token is not signed with a key that Entra has read of the cluster's issuer"
        }
        "AADSTS50166" => {
            "Entra cannot read the keys of the cluster's issuer: its discovery document and keys must be public"
        }
        "AADSTS70021" | "AADSTS700211" | "AADSTS700212" | "AADSTS700213" => {
            "no federated credential of the application fits the presented token: add one with its issuer, subject and audience"
        }
        "AADSTS7000218" => "the application presented neither a secret nor an assertion",
        "AADSTS53003" => {
            "a Conditional Access policy blocks the application: exclude it, or let it sign in from the cluster's addresses"
        }
        "AADSTS90033" | "AADSTS50196" | "AADSTS90006" => {
            return ("the authority has a passing problem", true);
        }
        _ => "the authority refused the credential",
    };
    (cause, false)
}
