//! Policies, their defaults, and the two forms of the failure message.

use pim_simulator::{Access, Behaviour, DelegatedToken, PolicyMessageForm, Window};
use serde_json::{Value, json};

use crate::bed::*;

const FAILED: &str = "RoleAssignmentRequestPolicyValidationFailed";

fn set_policy(bed: &Bed, access: Access, patch: Value) {
    let patch = serde_json::from_value(patch).unwrap();
    bed.simulator
        .admin()
        .set_policy(OPS, access, patch)
        .unwrap();
}

#[tokio::test]
async fn permanent_grants_are_refused_by_default() {
    let bed = Bed::new().await;
    for kind in [ELIGIBLE, ACTIVE] {
        for info in [
            permanent(),
            json!({"expiration": null}),
            json!({"startDateTime": bed.at(0)}),
        ] {
            let reply = bed
                .admin(kind, "adminAssign", json!({"scheduleInfo": info}))
                .await;
            reply.refused(400, FAILED);
            let text = "The following policy rules failed: ExpirationRule - The policy does not allow permanent assignment";
            assert_eq!(reply.message(), text);
        }
    }
}

#[tokio::test]
async fn permanent_grants_work_where_the_policy_allows_them() {
    let bed = Bed::new().await;
    set_policy(
        &bed,
        Access::Member,
        json!({"eligibility": {"permanentAllowed": true}}),
    );
    bed.admin(
        ELIGIBLE,
        "adminAssign",
        json!({"scheduleInfo": permanent()}),
    )
    .await
    .is("Provisioned");
    let row = &bed.pim_rows(ELIGIBLE, "Schedules").await[0];
    assert_eq!(row["scheduleInfo"]["expiration"]["type"], "noExpiration");
    let instance = &bed.pim_rows(ELIGIBLE, "ScheduleInstances").await[0];
    assert!(instance["endDateTime"].is_null());
    let owner = json!({"accessId": "owner", "scheduleInfo": permanent()});
    bed.admin(ELIGIBLE, "adminAssign", owner)
        .await
        .refused(400, FAILED);
}

#[tokio::test]
async fn defaults_are_365_days_eligible_and_180_days_active() {
    let bed = Bed::new().await;
    for (kind, most, more) in [(ELIGIBLE, "P365D", "P366D"), (ACTIVE, "P180D", "P181D")] {
        bed.admin(kind, "adminAssign", json!({"scheduleInfo": lasting(more)}))
            .await
            .refused(400, FAILED);
        bed.admin(kind, "adminAssign", json!({"scheduleInfo": lasting(most)}))
            .await
            .is("Provisioned");
    }
}

#[tokio::test]
async fn a_justification_is_needed_for_active_grants_by_default() {
    let bed = Bed::new().await;
    let silent = json!({"justification": null});
    bed.admin(ELIGIBLE, "adminAssign", silent.clone())
        .await
        .is("Provisioned");
    let reply = bed.admin(ACTIVE, "adminAssign", silent.clone()).await;
    reply.refused(400, FAILED);
    assert!(
        reply
            .message()
            .ends_with("JustificationRule - Justification is required")
    );
    bed.simulator
        .set_behaviour(|behaviour| behaviour.app_only_needs_justification = false);
    bed.admin(ACTIVE, "adminAssign", silent)
        .await
        .is("Provisioned");
}

#[tokio::test]
async fn a_ticket_is_needed_where_the_policy_says_so() {
    let bed = Bed::new().await;
    set_policy(
        &bed,
        Access::Member,
        json!({"eligibility": {"require": ["Ticketing"]}}),
    );
    let reply = bed.admin(ELIGIBLE, "adminAssign", none()).await;
    assert!(
        reply
            .message()
            .ends_with("TicketingRule - Ticket information is required")
    );
    let ticket = json!({"ticketInfo": {"ticketNumber": "CHG-42", "ticketSystem": "desk"}});
    let reply = bed.admin(ELIGIBLE, "adminAssign", ticket).await;
    assert_eq!(
        reply.is("Provisioned").body["ticketInfo"]["ticketNumber"],
        "CHG-42"
    );
}

#[tokio::test]
async fn an_app_only_caller_never_satisfies_the_mfa_rule() {
    let bed = Bed::new().await;
    set_policy(
        &bed,
        Access::Member,
        json!({"eligibility": {"require": ["MultiFactorAuthentication"]}}),
    );
    let reply = bed.admin(ELIGIBLE, "adminAssign", none()).await;
    assert!(
        reply
            .message()
            .ends_with("MfaRule - Multi-factor authentication is required")
    );
    let lead = DelegatedToken::of("lead@contoso.com");
    let weak = DelegatedToken {
        mfa: false,
        ..lead.clone()
    };
    bed.person(&weak)
        .admin(ELIGIBLE, "adminAssign", none())
        .await
        .refused(400, FAILED);
    bed.person(&lead)
        .admin(ELIGIBLE, "adminAssign", none())
        .await
        .is("Provisioned");
}

#[tokio::test]
async fn several_failed_rules_are_named_in_either_message_form() {
    let wrong = json!({"justification": null, "scheduleInfo": permanent()});
    let bed = Bed::new().await;
    let reply = bed.admin(ACTIVE, "adminAssign", wrong.clone()).await;
    let text = "ExpirationRule - The policy does not allow permanent assignment, JustificationRule - Justification is required";
    assert!(reply.message().ends_with(text));
    let form = PolicyMessageForm::Array;
    let bed = Bed::with(Behaviour {
        policy_message_form: form,
        ..Behaviour::default()
    })
    .await;
    let reply = bed.admin(ACTIVE, "adminAssign", wrong).await;
    let text = r#"The following policy rules failed: ["ExpirationRule","JustificationRule"]"#;
    assert_eq!(reply.message(), text);
}

#[tokio::test]
async fn removals_are_not_subject_to_policy() {
    let bed = Bed::new().await;
    bed.simulator
        .admin()
        .assign(ELIGIBLE, OPS, ALICE, Access::Member, Window::days(3))
        .unwrap();
    let all = json!(["Justification", "Ticketing", "MultiFactorAuthentication"]);
    set_policy(
        &bed,
        Access::Member,
        json!({"eligibility": {"require": all}}),
    );
    bed.admin(ELIGIBLE, "adminRemove", json!({"justification": null}))
        .await
        .is("Revoked");
}

#[tokio::test]
async fn updates_and_extensions_are_held_to_the_policy() {
    let bed = Bed::new().await;
    bed.admin(ELIGIBLE, "adminAssign", none())
        .await
        .is("Provisioned");
    for action in ["adminUpdate", "adminExtend"] {
        let reply = bed
            .admin(ELIGIBLE, action, json!({"scheduleInfo": permanent()}))
            .await;
        reply.refused(400, FAILED);
    }
    assert_eq!(bed.pim_rows(ELIGIBLE, "Schedules").await.len(), 1);
}

#[tokio::test]
async fn approval_rules_do_not_touch_administrators() {
    let bed = Bed::new().await;
    set_policy(
        &bed,
        Access::Member,
        json!({"activation": {"approvalRequired": true}}),
    );
    let reply = bed.admin(ACTIVE, "adminAssign", none()).await;
    assert!(reply.is("Provisioned").body["approvalId"].is_null());
}

#[tokio::test]
async fn an_unlicensed_tenant_refuses_reads_and_writes() {
    let bed = Bed::with(Behaviour {
        licensed: false,
        ..Behaviour::default()
    })
    .await;
    bed.admin(ELIGIBLE, "adminAssign", none())
        .await
        .refused(400, "AadPremiumLicenseRequired");
    let list = format!("{PIM}/eligibilitySchedules?$filter=groupId eq '{OPS}'");
    bed.get(&list)
        .await
        .refused(400, "AadPremiumLicenseRequired");
}
