//! Graph's error codes for PIM: what each one means for the caller.
//!
//! Callers branch on the code alone; Graph's texts change and contain typing errors.

/// What a code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The grant is there although it was not expected, or not there although it was.
    Surprise,
    /// The minimum duration of five minutes has not passed.
    TooYoung,
    /// Another change has to finish first.
    Busy,
    /// The PIM policy says no.
    Policy,
    /// The application may not do this.
    Permission,
    /// The tenant has no licence for PIM.
    License,
    /// An object is unknown, perhaps not yet known.
    Unknown,
    /// The token is not accepted.
    Token,
    /// The request can never work as it is.
    Wrong,
}

/// The meaning of a code and the sentence for people; the code itself is appended to the sentence.
pub(super) fn lookup(code: &str) -> Option<(Meaning, &'static str)> {
    use Meaning::{Busy, License, Permission, Policy, Surprise, Token, TooYoung, Unknown, Wrong};
    Some(match code {
        "RoleAssignmentExists" => (Surprise, "the grant already exists"),
        "RoleAssignmentDoesNotExist" => (Surprise, "the grant does not exist"),
        "OverlapsPendingRoleAssignmentRequests" => (
            Surprise,
            "an earlier request for an overlapping window exists",
        ),
        "RequestCannotBeCancelled" => (
            Surprise,
            "the request is already settled and cannot be cancelled",
        ),
        "ActiveDurationTooShort" => (
            TooYoung,
            "the grant is younger than five minutes and cannot be changed yet",
        ),
        "PendingRoleAssignmentRequest" => {
            (Busy, "another request for the same grant is still pending")
        }
        "ResourceIsLocked" => (Busy, "the target is locked by another change"),
        "RoleAssignmentRequestPolicyValidationFailed" => {
            (Policy, "the PIM policy of the target refuses the request")
        }
        "RoleAssignmentRequestAcrsValidationFailed" => (
            Policy,
            "the PIM policy of the target demands an authentication context, which an application cannot have",
        ),
        "PermissionScopeNotGranted"
        | "UnauthorizedAccessException"
        | "Authorization_RequestDenied"
        | "InsufficientPermissions" => (
            Permission,
            "the application lacks a permission for this call",
        ),
        "AadPremiumLicenseRequired" => (
            License,
            "the tenant has no Microsoft Entra ID P2 or ID Governance licence",
        ),
        "RoleNotFound" => (
            Unknown,
            "the role does not exist or is not known to PIM yet",
        ),
        "SubjectNotFound" => (
            Unknown,
            "the principal does not exist or is not known to PIM yet",
        ),
        "ResourceNotFound" => (
            Unknown,
            "the target does not exist or is not known to PIM yet",
        ),
        "Request_ResourceNotFound" => (
            Unknown,
            "the directory object does not exist or is not known everywhere yet",
        ),
        "RoleAssignmentRequestNotFound" => (Surprise, "the request is no longer known"),
        "InvalidAuthenticationToken" => (Token, "the access token is not accepted"),
        "InvalidRoleAssignmentRequest" => (
            Wrong,
            "the request is malformed, for instance a duration in months or years",
        ),
        "InvalidRoleAssignmentRequestSchedule" => (Wrong, "the window of the request is invalid"),
        "CannotDeleteLastAdminAssignment" => {
            (Wrong, "the last owner or administrator cannot be removed")
        }
        "InvalidScope" => (Wrong, "the scope does not fit the grant"),
        "Request_BadRequest" | "Request_UnsupportedQuery" => {
            (Wrong, "the request does not fit the target")
        }
        "InvalidPolicy" => (Wrong, "the policy is invalid"),
        "MfaAndAcrsConflict" => (
            Wrong,
            "the policy cannot demand multi-factor authentication while it demands an authentication context",
        ),
        "MissingProvider" => (Wrong, "the scope of the policies is missing"),
        "ActivationCustomApproversNotEmpty" => (
            Wrong,
            "the policy cannot be changed while a notification rule lists approvers",
        ),
        _ => return None,
    })
}
