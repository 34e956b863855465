//! Errors in Graph's shapes.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::timestamp;

/// An error answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GraphError {
    pub status: u16,
    pub code: String,
    pub message: String,
    pub headers: Vec<(&'static str, String)>,
}

impl GraphError {
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.into(),
            headers: Vec::new(),
        }
    }

    pub fn bad_request(code: &str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// A malformed PIM request: unusable durations, times without offset, missing fields.
    pub fn invalid_request() -> Self {
        Self::bad_request(
            "InvalidRoleAssignmentRequest",
            "The role assignment request is invalid.",
        )
    }

    /// A role scope that is malformed, or not the one of the eligibility.
    pub fn invalid_scope() -> Self {
        Self::bad_request(
            "InvalidScope",
            "The scope of the role assignment is invalid.",
        )
    }

    /// The directory's answer for an id it does not know (also a user's id under `/groups`).
    pub fn no_such_object(id: &str) -> Self {
        Self::new(
            404,
            "Request_ResourceNotFound",
            format!(
                "Resource '{id}' does not exist or one of its queried reference-property objects \
                 are not present."
            ),
        )
    }

    pub fn unknown_segment(segment: &str) -> Self {
        Self::bad_request(
            "BadRequest",
            format!("Resource not found for the segment '{segment}'."),
        )
    }

    /// A PIM call without the permission: an error text that is JSON inside JSON.
    pub fn scope_not_granted(permissions: &[&str]) -> Self {
        let inner = json!({
            "errorCode": "PermissionScopeNotGranted",
            "message": format!(
                "Authorization failed due to missing permission scope {}.",
                permissions.join(",")
            ),
            "instanceAnnotations": [],
        });
        Self::new(403, "UnknownError", inner.to_string())
    }

    /// A list of policies without a scope: the same form.
    pub fn missing_provider() -> Self {
        let inner = json!({
            "errorCode": "MissingProvider",
            "message": "The provider is missing.",
            "instanceAnnotations": [],
        });
        Self::bad_request("UnknownError", inner.to_string())
    }

    /// What PIM does not know, or not yet.
    pub fn resource_not_found() -> Self {
        Self::new(404, "ResourceNotFound", "The resource is not found.")
    }

    /// A directory call without the permission.
    pub fn insufficient_privileges() -> Self {
        Self::new(
            403,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation.",
        )
    }

    /// A caller that the service recognises but does not let in.
    pub fn unauthorized_access() -> Self {
        Self::new(
            403,
            "UnauthorizedAccessException",
            "Attempted to perform an unauthorized operation.",
        )
    }

    pub fn invalid_token(message: &str) -> Self {
        let mut error = Self::new(401, "InvalidAuthenticationToken", message);
        error.headers.push((
            "WWW-Authenticate",
            "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\""
                .to_owned(),
        ));
        error
    }

    pub fn throttled(retry_after: String) -> Self {
        let mut error = Self::new(429, "TooManyRequests", "Too many requests.");
        error.headers.push(("Retry-After", retry_after));
        error
    }

    pub fn unsupported_query(message: impl Into<String>) -> Self {
        Self::bad_request("Request_UnsupportedQuery", message)
    }

    /// The envelope, with the ids of the exchange and a date without zone.
    pub fn body(&self, now: DateTime<Utc>, request_id: &str, client_request_id: &str) -> Value {
        json!({"error": {
            "code": self.code,
            "message": self.message,
            "innerError": {
                "date": timestamp::seconds(now),
                "request-id": request_id,
                "client-request-id": client_request_id,
            },
        }})
    }
}
