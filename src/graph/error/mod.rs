//! What went wrong, and what the caller can do about it.
//!
//! Every text is one sentence that stays the same from try to try: ids and times that change are left to the accessors,
//! and neither tokens nor bodies are ever part of it.

mod codes;
mod refusal;
mod sign_in;

use std::{fmt, time::Duration};

pub use refusal::Refusal;
pub use sign_in::SignInError;

use super::observer::EndpointClass;

/// What a call wanted, as far as failures need to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    /// Changes nothing: may be repeated at will.
    Read,
    /// Changes something: after a lost answer nobody knows whether it did.
    Write,
    /// Takes access away; "nothing there" then is as good as done, once a fresh read agrees.
    Removal,
}

/// What to do about a [`GraphError`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advice {
    /// Passing trouble: try again later with growing delays.
    Retry,
    /// Try again, but not before this time has passed.
    RetryAfter(Duration),
    /// The outcome of a write is unknown, or the target is not as expected: read afresh, then decide. Never repeat the write blindly.
    ReObserve,
    /// Graph allows no change within five minutes after an activation or assignment: wait that long.
    WaitMinimumDuration,
    /// Graph does not know the object. New groups, users and roles take minutes to become known everywhere; after that it is an error of the manifest.
    AwaitReplication,
    /// The application lacks permissions.
    FixPermissions {
        /// The permissions Graph named, any one of which may be enough; empty if it named none.
        missing: Vec<String>,
    },
    /// The target's PIM policy refuses the request.
    FixPolicy {
        /// The rules Graph named, such as `ExpirationRule`.
        rules: Vec<String>,
    },
    /// The sign-in is refused: secret, application or tenant are wrong.
    FixCredential,
    /// The tenant lacks the licence for PIM.
    FixLicense,
    /// No retry can help.
    GiveUp,
}

/// Why an exchange brought no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// The time limit passed.
    Timeout,
    /// No connection: name, network or TLS.
    Connection,
    /// The connection broke while the exchange was under way.
    BrokenOff,
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout => "the time limit passed",
            Self::Connection => "no connection could be made",
            Self::BrokenOff => "the connection broke off",
        })
    }
}

/// A failed call.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// Graph answered with an error.
    #[error("{0}")]
    Refused(Box<Refusal>),

    /// Graph asks for a pause that is longer than the client waits by itself.
    #[error("Microsoft Graph throttles this tenant's calls (TooManyRequests)")]
    Throttled {
        /// The rest of the pause.
        retry_after: Duration,
        /// Graph's id of the refused call, if one was sent.
        request_id: Option<String>,
    },

    /// The authority gave no token.
    #[error("{0}")]
    SignIn(SignInError),

    /// No answer from Graph.
    #[error("no answer from Microsoft Graph: {reason}{}", detail_suffix(.detail.as_deref()))]
    NoAnswer {
        /// Why.
        reason: NoAnswer,
        /// The underlying cause as the system words it, without addresses.
        detail: Option<String>,
        /// Whether the call could have changed something.
        write: bool,
    },

    /// An answer that makes no sense: cut off, not JSON, or of another shape.
    #[error("Microsoft Graph's answer for {class} could not be read: {what}")]
    Unreadable {
        /// Which call.
        class: EndpointClass,
        /// What is wrong with it.
        what: String,
        /// HTTP status of the answer.
        status: u16,
        /// Graph's id of the call.
        request_id: Option<String>,
        /// Whether the call could have changed something.
        write: bool,
    },

    /// The next page of a list lies on another server: following it would hand the token to a stranger.
    #[error("Microsoft Graph's answer for {class} points to a next page that may not be followed")]
    ForeignNextLink {
        /// Which list.
        class: EndpointClass,
    },

    /// A write was not sent: it was not this process's turn to write any more.
    #[error("the request was not sent: this replica does not lead, or may not lead any more")]
    Withheld,

    /// The client's settings or the call's arguments cannot work.
    #[error("{0}")]
    Invalid(String),
}

fn detail_suffix(detail: Option<&str>) -> String {
    detail.map(|text| format!(" ({text})")).unwrap_or_default()
}

impl GraphError {
    /// What the caller can do.
    #[must_use]
    pub fn advice(&self) -> Advice {
        match self {
            Self::Refused(refusal) => refusal.advice(),
            Self::Throttled { retry_after, .. } => Advice::RetryAfter(*retry_after),
            Self::SignIn(error) if error.is_transient() => Advice::Retry,
            Self::SignIn(_) => Advice::FixCredential,
            Self::NoAnswer { write: true, .. }
            | Self::Unreadable { write: true, .. }
            | Self::Withheld => Advice::ReObserve,
            Self::NoAnswer { .. } | Self::Unreadable { .. } => Advice::Retry,
            Self::ForeignNextLink { .. } | Self::Invalid(_) => Advice::GiveUp,
        }
    }

    /// The service's error code, such as `RoleAssignmentExists` or `AADSTS7000215`. An empty code counts as none.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Throttled { .. } => Some("TooManyRequests"),
            Self::SignIn(error) => error.code(),
            _ => None,
        }
    }

    /// The service's own words, shortened, free of ids of the single call. For Graph's refusals only.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => refusal.message(),
            _ => None,
        }
    }

    /// HTTP status, if there was an answer; 429 also for a call that was held back during a pause.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(refusal) => Some(refusal.status()),
            Self::Throttled { .. } => Some(429),
            Self::Unreadable { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Graph's id of the call, for support cases and audit logs.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => refusal.request_id(),
            Self::Throttled { request_id, .. } | Self::Unreadable { request_id, .. } => {
                request_id.as_deref()
            }
            _ => None,
        }
    }

    /// Graph itself says that the object does not exist. A bare 404 of something in between does not count.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.is_not_found())
    }

    /// Names the permission that a read of the directory wants: there, Graph itself does not say which one is missing.
    pub(super) fn naming_permission(mut self, class: EndpointClass) -> Self {
        if let Self::Refused(refusal) = &mut self {
            refusal.name_permission(class);
        }
        self
    }

    /// The token was not accepted.
    pub(super) fn is_unauthorized(&self) -> bool {
        self.status() == Some(401)
    }
}
