//! Failed sign-ins.

use std::fmt;

/// The authority gave no token. Keeps the code only: the authority's text carries trace ids and times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInError {
    code: Option<String>,
    cause: &'static str,
    /// What the system says about a failed connection, without addresses.
    detail: Option<String>,
    transient: bool,
}

impl SignInError {
    /// The authority's refusal, with its code (`AADSTS…` or an OAuth word such as `invalid_client`).
    pub(in crate::graph) fn refused(code: Option<String>) -> Self {
        let (cause, transient) = code.as_deref().map_or(
            ("the authority refused without giving a code", false),
            explain,
        );
        Self {
            code,
            cause,
            detail: None,
            transient,
        }
    }

    /// The authority could not be reached or is in trouble.
    pub(in crate::graph) fn unavailable(detail: String) -> Self {
        Self {
            code: None,
            cause: "the authority cannot be reached or is in trouble",
            detail: Some(detail),
            transient: true,
        }
    }

    /// Something that no retry can change.
    pub(in crate::graph) fn permanent(cause: &'static str) -> Self {
        Self {
            code: None,
            cause,
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
        match self.code.as_ref().or(self.detail.as_ref()) {
            Some(code) => write!(f, " ({code})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for SignInError {}

/// The likely cause behind a code, and whether it passes by itself.
fn explain(code: &str) -> (&'static str, bool) {
    match code {
        "AADSTS7000215" => (
            "the client secret is wrong; it must be the secret's value, not its id",
            false,
        ),
        "AADSTS7000222" => ("the client secret has expired", false),
        "AADSTS700016" => ("the application is not known in this tenant", false),
        "AADSTS7000229" => (
            "the application has no service principal in this tenant",
            false,
        ),
        "AADSTS7000112" => ("the application is disabled", false),
        "AADSTS90002" | "AADSTS900023" => ("the tenant does not exist", false),
        "AADSTS500011" => (
            "Microsoft Graph is not known under the configured address in this tenant",
            false,
        ),
        "AADSTS70011" | "AADSTS1002012" => {
            ("the configured Graph address makes no valid scope", false)
        }
        "AADSTS700027" => ("the client certificate or assertion is not accepted", false),
        "AADSTS70021" | "AADSTS700211" | "AADSTS700212" | "AADSTS700213" => (
            "no federated credential of the application fits the presented token",
            false,
        ),
        "AADSTS53003" => ("a Conditional Access policy blocks the application", false),
        "AADSTS90033" | "AADSTS50196" | "AADSTS90006" => {
            ("the authority has a passing problem", true)
        }
        _ => ("the authority refused the credential", false),
    }
}
