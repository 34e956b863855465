use std::time::Duration;

use serde_json::json;

use super::*;

fn refusal(status: u16, code: &str, message: &str, intent: Intent) -> Refusal {
    let body =
        json!({"error": {"code": code, "message": message, "innerError": {"request-id": "r-1"}}});
    Refusal::read(status, body.to_string().as_bytes(), None, None, intent)
}

fn write(status: u16, code: &str) -> Advice {
    refusal(status, code, "words", Intent::Write).advice()
}

#[test]
fn every_listed_code_gives_its_advice() {
    use Advice::{AwaitReplication, FixLicense, GiveUp, ReObserve, WaitMinimumDuration};
    let cases = [
        (400, "RoleAssignmentExists", ReObserve),
        (400, "RoleAssignmentDoesNotExist", ReObserve),
        (404, "RoleAssignmentDoesNotExist", ReObserve),
        (400, "OverlapsPendingRoleAssignmentRequests", ReObserve),
        (400, "RequestCannotBeCancelled", ReObserve),
        (
            400,
            "PendingRoleAssignmentRequest",
            Advice::RetryAfter(BUSY_WAIT),
        ),
        (400, "ResourceIsLocked", Advice::RetryAfter(BUSY_WAIT)),
        (400, "ActiveDurationTooShort", WaitMinimumDuration),
        (400, "InvalidRoleAssignmentRequest", GiveUp),
        (400, "InvalidRoleAssignmentRequestSchedule", GiveUp),
        (400, "CannotDeleteLastAdminAssignment", GiveUp),
        (400, "InvalidScope", GiveUp),
        (400, "Request_BadRequest", GiveUp),
        (400, "Request_UnsupportedQuery", GiveUp),
        (400, "InvalidPolicy", GiveUp),
        (400, "ActivationCustomApproversNotEmpty", GiveUp),
        (400, "AadPremiumLicenseRequired", FixLicense),
        (400, "RoleNotFound", AwaitReplication),
        (400, "SubjectNotFound", AwaitReplication),
        (404, "ResourceNotFound", AwaitReplication),
        (404, "Request_ResourceNotFound", AwaitReplication),
        (404, "UnknownError", AwaitReplication),
        (404, "RoleAssignmentRequestNotFound", ReObserve),
        (404, "", AwaitReplication),
        (401, "InvalidAuthenticationToken", Advice::FixCredential),
        (409, "", ReObserve),
        (400, "BadRequest", GiveUp),
        (400, "NeverHeardOfIt", GiveUp),
        (501, "", ReObserve),
    ];
    for (status, code, advice) in cases {
        assert_eq!(write(status, code), advice, "{status} {code}");
    }
}

#[test]
fn a_write_after_a_server_error_has_to_be_looked_up_while_a_read_may_be_repeated() {
    for status in [500, 502, 503, 504, 424] {
        assert_eq!(write(status, "UnknownError"), Advice::ReObserve, "{status}");
        let read = refusal(status, "", "", Intent::Read).advice();
        assert_eq!(read, Advice::Retry, "{status}");
    }
}

#[test]
fn a_removal_of_something_unknown_or_vaguely_refused_has_to_be_looked_up() {
    for (status, code) in [
        (400, "BadRequest"),
        (400, "SubjectNotFound"),
        (404, "ResourceNotFound"),
    ] {
        let refusal = refusal(status, code, "words", Intent::Removal);
        assert_eq!(refusal.advice(), Advice::ReObserve, "{code}");
    }
}

#[test]
fn both_forms_of_a_policy_failure_name_the_rules() {
    let code = "RoleAssignmentRequestPolicyValidationFailed";
    for (message, rules) in [
        (
            r#"The following policy rules failed: ["JustificationRule","ExpirationRule"]"#,
            vec!["ExpirationRule", "JustificationRule"],
        ),
        (
            "The following policy rules failed: MfaRule - Multi-factor authentication is required",
            vec!["MfaRule"],
        ),
    ] {
        let refusal = refusal(400, code, message, Intent::Write);
        let rules: Vec<String> = rules.into_iter().map(str::to_owned).collect();
        assert_eq!(
            refusal.to_string(),
            format!(
                "Microsoft Graph refused: the PIM policy of the target refuses the request: {} ({code})",
                rules.join(", ")
            )
        );
        assert_eq!(refusal.advice(), Advice::FixPolicy { rules });
    }
}

#[test]
fn an_authentication_context_demand_is_a_policy_matter_without_its_claims() {
    let refusal = refusal(
        400,
        "RoleAssignmentRequestAcrsValidationFailed",
        "needed &claims=%7B%22access_token%22",
        Intent::Write,
    );
    assert!(matches!(refusal.advice(), Advice::FixPolicy { .. }));
    assert_eq!(refusal.message(), Some("needed"));
}

#[test]
fn a_403_wrapped_in_json_text_is_unwrapped() {
    let message = json!({
        "errorCode": "PermissionScopeNotGranted",
        "message": "Authorization failed due to missing permission scope PrivilegedAccess.ReadWrite.AzureADGroup,PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup.",
        "instanceAnnotations": [],
    });
    let refusal = refusal(403, "UnknownError", &message.to_string(), Intent::Write);
    assert_eq!(refusal.code(), Some("PermissionScopeNotGranted"));
    assert_eq!(
        refusal.advice(),
        Advice::FixPermissions {
            missing: vec![
                "PrivilegedAccess.ReadWrite.AzureADGroup".to_owned(),
                "PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup".to_owned(),
            ]
        }
    );
}

#[test]
fn a_403_with_an_empty_code_still_names_the_permissions() {
    let refusal = refusal(
        403,
        "",
        "Valid permissions not present. User needs one of PrivilegedAccess.Read.AzureAD, PrivilegedAccess.ReadWrite.AzureAD",
        Intent::Read,
    );
    assert_eq!(refusal.code(), None);
    assert_eq!(
        refusal.to_string(),
        "Microsoft Graph answered with HTTP 403: the application lacks PrivilegedAccess.Read.AzureAD or PrivilegedAccess.ReadWrite.AzureAD"
    );
    assert!(matches!(refusal.advice(), Advice::FixPermissions { missing } if missing.len() == 2));
}

#[test]
fn a_403_that_names_nothing_is_still_about_permissions() {
    for code in [
        "Authorization_RequestDenied",
        "UnauthorizedAccessException",
        "InsufficientPermissions",
        "NeverHeardOfIt",
    ] {
        let refusal = refusal(403, code, "Insufficient privileges.", Intent::Read);
        assert_eq!(
            refusal.advice(),
            Advice::FixPermissions { missing: vec![] },
            "{code}"
        );
    }
}

#[test]
fn a_proxys_html_is_no_message_and_no_proof_of_absence() {
    let html = b"<html><body>404 Not Found</body></html>";
    let refusal = Refusal::read(404, html, Some("r-2".into()), None, Intent::Read);
    assert_eq!(refusal.code(), None);
    assert_eq!(refusal.message(), None);
    assert!(!refusal.is_not_found());
    assert_eq!(
        refusal.to_string(),
        "Microsoft Graph answered with HTTP 404"
    );
}

#[test]
fn the_text_does_not_change_from_call_to_call() {
    let one = refusal(
        400,
        "Odd",
        "Something odd.\r\nTrace ID: 1 Timestamp: 2026-01-01",
        Intent::Read,
    );
    assert_eq!(
        one.to_string(),
        "Microsoft Graph answered with HTTP 400 Odd: Something odd."
    );
    assert_eq!(one.request_id(), Some("r-1"));
}

#[test]
fn a_pause_named_by_the_service_is_passed_on_to_readers() {
    let refusal = Refusal::read(503, b"", None, Some(Duration::from_secs(7)), Intent::Read);
    assert_eq!(refusal.advice(), Advice::RetryAfter(Duration::from_secs(7)));
}
