//! What a POST of a role request does: shapes, statuses, and what refuses it.

use pim_simulator::{Behaviour, ServicePrincipalSeed, Window};
use serde_json::json;

use crate::bed::*;
use crate::role_bed::*;

#[tokio::test]
async fn a_role_grant_has_the_ids_and_spellings_of_roles() {
    let bed = Bed::new().await;
    let reply = bed
        .role(ACTIVE, "adminAssign", json!({"scheduleInfo": permanent()}))
        .await;
    reply.is("Provisioned");
    let id = reply.text("id");
    assert_eq!(reply.text("targetScheduleId"), id);
    assert_eq!(reply.text("directoryScopeId"), "/");
    assert!(reply.body["appScopeId"].is_null() && reply.body["approvalId"].is_null());
    let by = &reply.body["createdBy"];
    assert!(by["application"].is_null() && by["device"].is_null());
    assert!(by["user"]["id"].is_string() && by["user"]["displayName"].is_null());
    let context = reply.text("@odata.context");
    assert!(
        context.ends_with("#roleManagement/directory/roleAssignmentScheduleRequests/$entity"),
        "{context}"
    );
    let row = &bed.alices(ACTIVE).await[0];
    assert_eq!((&row["id"], &row["createdUsing"]), (&json!(id), &json!(id)));
    assert_eq!(
        (&row["assignmentType"], &row["memberType"]),
        (&json!("Assigned"), &json!("Direct"))
    );
    assert!(row["modifiedDateTime"].is_null());
    assert_eq!(row["scheduleInfo"]["expiration"]["type"], "noExpiration");
}

#[tokio::test]
async fn role_instances_have_stable_ids_that_tell_active_from_eligible() {
    let bed = Bed::new().await;
    bed.role(ACTIVE, "adminAssign", none())
        .await
        .is("Provisioned");
    bed.role(ELIGIBLE, "adminAssign", none())
        .await
        .is("Provisioned");
    let filter = format!("principalId eq '{ALICE}'");
    let active = bed.role_rows(ACTIVE, "ScheduleInstances", &filter).await;
    let eligible = bed.role_rows(ELIGIBLE, "ScheduleInstances", &filter).await;
    let id = active[0]["id"].as_str().unwrap().to_owned();
    assert!(id.ends_with("-1") && id.len() == 45, "{id}");
    assert_eq!(eligible[0]["id"], json!(format!("{id}-e")));
    assert_eq!(active[0]["roleAssignmentOriginId"], json!(id));
    let schedule = &bed.alices(ACTIVE).await[0]["id"];
    assert_eq!(&active[0]["roleAssignmentScheduleId"], schedule);
    assert_ne!(
        eligible[0]["roleEligibilityScheduleId"],
        active[0]["roleAssignmentScheduleId"]
    );
    let assignments = format!("{ROLES}/roleAssignments?$filter={filter}");
    assert_eq!(bed.get(&assignments).await.items()[0]["id"], json!(id));
    bed.advance(301);
    bed.role(ACTIVE, "adminUpdate", none())
        .await
        .is("Provisioned");
    let after = bed.role_rows(ACTIVE, "ScheduleInstances", &filter).await;
    assert_eq!(after[0]["id"], json!(id));
    assert_ne!(
        after[0]["roleAssignmentScheduleId"],
        active[0]["roleAssignmentScheduleId"]
    );
}

#[tokio::test]
async fn a_permanent_role_grant_is_allowed_by_the_default_policy() {
    let bed = Bed::new().await;
    for kind in [ELIGIBLE, ACTIVE] {
        bed.role(kind, "adminAssign", json!({"scheduleInfo": permanent()}))
            .await
            .is("Provisioned");
    }
    let silent = json!({"principalId": BOB, "justification": null});
    let reply = bed.role(ACTIVE, "adminAssign", silent).await;
    reply.refused(400, "RoleAssignmentRequestPolicyValidationFailed");
    assert!(reply.message().contains("JustificationRule"));
}

#[tokio::test]
async fn a_repeated_or_missing_role_grant_is_told_so() {
    let bed = Bed::new().await;
    for kind in [ELIGIBLE, ACTIVE] {
        for action in ["adminUpdate", "adminRemove", "adminExtend"] {
            bed.role(kind, action, none())
                .await
                .refused(400, "RoleAssignmentDoesNotExist");
        }
        bed.role(kind, "adminAssign", none())
            .await
            .is("Provisioned");
        bed.role(kind, "adminAssign", none())
            .await
            .refused(400, "RoleAssignmentExists");
        // Another scope is another grant.
        bed.role(kind, "adminAssign", over(SALES_EMEA))
            .await
            .is("Provisioned");
    }
}

#[tokio::test]
async fn exactly_one_scope_must_be_given_and_it_must_exist() {
    let bed = Bed::unlogged().await;
    let gone = "a0000000-0000-4000-8000-00000000dead";
    let both = json!({"appScopeId": "/"});
    let neither = json!({"directoryScopeId": null});
    for with in [both, neither] {
        bed.role(ELIGIBLE, "adminAssign", with)
            .await
            .refused(400, "InvalidRoleAssignmentRequest");
    }
    let malformed = json!({"directoryScopeId": "/groups/x"});
    let unknown = json!({"directoryScopeId": format!("/{gone}")});
    // A unit has to be named as one.
    let bare = json!({"directoryScopeId": format!("/{SALES_EMEA}")});
    let user = json!({"directoryScopeId": format!("/administrativeUnits/{ALICE}")});
    for with in [malformed, unknown, bare, user, over(gone)] {
        bed.role(ELIGIBLE, "adminAssign", with)
            .await
            .refused(400, "InvalidScope");
    }
    let app = json!({"directoryScopeId": null, "appScopeId": "/"});
    let reply = bed.role(ELIGIBLE, "adminAssign", app).await;
    reply.is("Provisioned");
    assert_eq!(reply.text("appScopeId"), "/");
    assert!(reply.body["directoryScopeId"].is_null());
}

#[tokio::test]
async fn a_built_in_role_takes_only_the_scopes_it_supports() {
    let bed = Bed::unlogged().await;
    let with =
        |role: &str, scope: String| json!({"roleDefinitionId": role, "directoryScopeId": scope});
    let unit = format!("/administrativeUnits/{SALES_EMEA}");
    for (role, scope) in [
        (GLOBAL_ADMINISTRATOR, unit.clone()),
        (USER_ADMINISTRATOR, format!("/{DEPLOYER}")),
    ] {
        let reply = bed.role(ELIGIBLE, "adminAssign", with(role, scope)).await;
        reply.refused(400, "Request_BadRequest");
        assert!(reply.message().contains("single resource scope"));
    }
    for (role, scope) in [
        (USER_ADMINISTRATOR, unit.clone()),
        (AUDITOR, unit),
        (APPLICATION_ADMINISTRATOR, format!("/{DEPLOYER}")),
    ] {
        bed.role(ELIGIBLE, "adminAssign", with(role, scope))
            .await
            .is("Provisioned");
    }
}

#[tokio::test]
async fn an_unknown_role_or_principal_is_not_found() {
    let bed = Bed::unlogged().await;
    let nobody = "00000000-0000-4000-8000-00000000dead";
    bed.role(ELIGIBLE, "adminAssign", json!({"roleDefinitionId": nobody}))
        .await
        .refused(400, "RoleNotFound");
    for principal in [nobody, SALES_EMEA] {
        bed.role(ELIGIBLE, "adminAssign", only(principal))
            .await
            .refused(400, "SubjectNotFound");
    }
    bed.role(ELIGIBLE, "adminAssign", json!({"groupId": OPS}))
        .await
        .refused(400, "BadRequest");
}

#[tokio::test]
async fn a_service_principal_can_be_active_but_not_eligible() {
    let bed = Bed::new().await;
    bed.role(ELIGIBLE, "adminAssign", only(DEPLOYER))
        .await
        .refused(400, "InvalidRoleAssignmentRequest");
    bed.role(ACTIVE, "adminAssign", only(DEPLOYER))
        .await
        .is("Provisioned");
}

#[tokio::test]
async fn a_group_that_is_not_role_assignable_stays_granted_for_ever() {
    let mut bed = Bed::new().await;
    let reply = bed.role(ELIGIBLE, "adminAssign", only(OPS)).await;
    reply.is("Granted");
    bed.advance(86_400);
    bed.sign_in().await;
    let path = format!(
        "{ROLES}/roleEligibilityScheduleRequests/{}",
        reply.text("id")
    );
    assert_eq!(bed.get(&path).await.text("status"), "Granted");
    let filter = format!("principalId eq '{OPS}'");
    assert!(
        bed.role_rows(ELIGIBLE, "Schedules", &filter)
            .await
            .is_empty()
    );
    bed.role(ELIGIBLE, "adminAssign", only(HELPDESK_EMEA))
        .await
        .is("Provisioned");
}

#[tokio::test]
async fn an_active_grant_made_permanent_deletes_the_eligible_one() {
    let bed = Bed::new().await;
    bed.role(ELIGIBLE, "adminAssign", none())
        .await
        .is("Provisioned");
    bed.role(ACTIVE, "adminAssign", none())
        .await
        .is("Provisioned");
    bed.advance(301);
    bed.role(ACTIVE, "adminUpdate", none())
        .await
        .is("Provisioned");
    assert_eq!(bed.alices(ELIGIBLE).await.len(), 1, "not by a bound one");
    bed.advance(301);
    bed.simulator
        .set_behaviour(|b| b.schedule_list_lag = std::time::Duration::from_secs(10));
    let before = bed.simulator.role_requests().len();
    bed.role(ACTIVE, "adminUpdate", json!({"scheduleInfo": permanent()}))
        .await
        .is("Provisioned");
    assert_eq!(bed.simulator.role_requests().len(), before + 1);
    let both = [bed.alices(ELIGIBLE).await, bed.alices(ACTIVE).await];
    assert!(both.iter().all(Vec::is_empty), "neither is listed at first");
    bed.advance(10);
    assert!(bed.alices(ELIGIBLE).await.is_empty());
    assert_eq!(bed.alices(ACTIVE).await.len(), 1);
    // Created again beside it, the eligible one stays.
    bed.role(ELIGIBLE, "adminAssign", none())
        .await
        .is("Provisioned");
    bed.advance(10);
    assert_eq!(bed.alices(ELIGIBLE).await.len(), 1);
    assert_eq!(bed.alices(ACTIVE).await.len(), 1);
}

#[tokio::test]
async fn an_eligible_grant_that_is_updated_deletes_the_permanent_active_one() {
    let bed = Bed::new().await;
    bed.role(ACTIVE, "adminAssign", json!({"scheduleInfo": permanent()}))
        .await
        .is("Provisioned");
    bed.role(ELIGIBLE, "adminAssign", none())
        .await
        .is("Provisioned");
    bed.role(ACTIVE, "adminAssign", over(SALES_EMEA))
        .await
        .is("Provisioned");
    bed.advance(301);
    bed.role(ELIGIBLE, "adminUpdate", none())
        .await
        .is("Provisioned");
    assert_eq!(bed.alices(ELIGIBLE).await.len(), 1);
    let left = bed.alices(ACTIVE).await;
    assert_eq!(left.len(), 1, "that of another scope");
    assert_ne!(left[0]["directoryScopeId"], "/");
}

#[tokio::test]
async fn a_young_active_role_blocks_changes_of_either_kind_at_any_scope() {
    let bed = Bed::new().await;
    bed.role(ELIGIBLE, "adminAssign", over(SALES_EMEA))
        .await
        .is("Provisioned");
    bed.role(ACTIVE, "adminAssign", none())
        .await
        .is("Provisioned");
    let refused = "ActiveDurationTooShort";
    for action in ["adminUpdate", "adminRemove"] {
        bed.role(ACTIVE, action, none()).await.refused(400, refused);
        bed.role(ELIGIBLE, action, over(SALES_EMEA))
            .await
            .refused(400, refused);
    }
    bed.role(
        ELIGIBLE,
        "adminAssign",
        json!({"roleDefinitionId": HELPDESK}),
    )
    .await
    .is("Provisioned");
    bed.role(
        ELIGIBLE,
        "adminRemove",
        json!({"roleDefinitionId": HELPDESK}),
    )
    .await
    .is("Revoked");
    bed.advance(301);
    bed.role(ELIGIBLE, "adminRemove", over(SALES_EMEA))
        .await
        .is("Revoked");
    bed.role(ACTIVE, "adminRemove", none()).await.is("Revoked");
}

#[tokio::test]
async fn the_last_global_administrator_is_not_removed() {
    let bed = Bed::new().await;
    let admin = bed.simulator.admin();
    let global = |principal: &str| json!({"roleDefinitionId": GLOBAL_ADMINISTRATOR, "principalId": principal});
    bed.role(ACTIVE, "adminRemove", global(LEAD))
        .await
        .is("Revoked");
    bed.role(ACTIVE, "adminRemove", global(BREAK_GLASS))
        .await
        .refused(400, "CannotDeleteLastAdminAssignment");
    admin
        .assign_role(ACTIVE, GLOBAL_ADMINISTRATOR, "/", BOB, Window::permanent())
        .unwrap();
    bed.role(ACTIVE, "adminRemove", global(BREAK_GLASS))
        .await
        .is("Revoked");
}

#[tokio::test]
async fn a_removed_role_row_answers_404_unknown_error_by_id() {
    let bed = Bed::new().await;
    let reply = bed.role(ELIGIBLE, "adminAssign", none()).await;
    let path = format!(
        "{ROLES}/roleEligibilitySchedules/{}",
        reply.text("targetScheduleId")
    );
    assert_eq!(bed.get(&path).await.text("status"), "Provisioned");
    let removal = bed.role(ELIGIBLE, "adminRemove", none()).await;
    removal.is("Revoked");
    assert!(removal.body["scheduleInfo"].is_null() && removal.body["targetScheduleId"].is_null());
    bed.get(&path).await.refused(404, "UnknownError");
}

#[tokio::test]
async fn a_scheduled_role_grant_is_granted_and_can_be_cancelled() {
    let bed = Bed::new().await;
    let info = json!({"startDateTime": bed.at(3600), "expiration": {"type": "afterDuration", "duration": "P1D"}});
    let reply = bed
        .role(ELIGIBLE, "adminAssign", json!({"scheduleInfo": info}))
        .await;
    reply.is("Granted");
    let start = reply.body["scheduleInfo"]["startDateTime"]
        .as_str()
        .unwrap();
    let completed = reply.text("completedDateTime");
    assert!(
        completed.starts_with(start.trim_end_matches('Z')),
        "{completed}"
    );
    assert_eq!(bed.alices(ELIGIBLE).await.len(), 1);
    let path = format!(
        "{ROLES}/roleEligibilityScheduleRequests/{}",
        reply.text("id")
    );
    // The set of the other kind does not know it.
    let other = format!(
        "{ROLES}/roleAssignmentScheduleRequests/{}/cancel",
        reply.text("id")
    );
    bed.post(&other, none())
        .await
        .refused(404, "RoleAssignmentRequestNotFound");
    let cancelled = bed.post(&format!("{path}/cancel"), none()).await;
    assert_eq!(cancelled.status, 204);
    assert_eq!(bed.get(&path).await.text("status"), "Canceled");
    assert!(bed.alices(ELIGIBLE).await.is_empty());
}

#[tokio::test]
async fn validation_only_answers_and_leaves_nothing() {
    let bed = Bed::new().await;
    bed.role(ACTIVE, "adminAssign", json!({"isValidationOnly": true}))
        .await
        .is("Granted");
    assert!(bed.alices(ACTIVE).await.is_empty());
    assert!(
        bed.simulator
            .role_requests()
            .iter()
            .all(|r| r.principal_id != ALICE)
    );
}

#[tokio::test]
async fn a_new_principal_replicates_before_it_can_hold_a_role() {
    let bed = Bed::with(Behaviour {
        new_principal_lag: std::time::Duration::from_secs(20),
        ..Behaviour::default()
    })
    .await;
    let admin = bed.simulator.admin();
    let id = admin
        .add_service_principal(ServicePrincipalSeed {
            display_name: "fresh".to_owned(),
            ..ServicePrincipalSeed::default()
        })
        .unwrap();
    bed.role(ACTIVE, "adminAssign", only(&id))
        .await
        .refused(400, "SubjectNotFound");
    bed.advance(20);
    bed.role(ACTIVE, "adminAssign", only(&id))
        .await
        .is("Provisioned");
}

#[tokio::test]
async fn a_request_can_be_created_and_fail_all_the_same() {
    let bed = Bed::with(Behaviour {
        failed_requests: 1,
        ..Behaviour::default()
    })
    .await;
    let reply = bed.role(ELIGIBLE, "adminAssign", none()).await;
    reply.is("Failed");
    assert!(reply.body["targetScheduleId"].is_null());
    assert!(bed.alices(ELIGIBLE).await.is_empty());
    bed.role(ELIGIBLE, "adminAssign", none())
        .await
        .is("Provisioned");
}

#[tokio::test]
async fn the_last_global_administrator_outlives_the_end_of_the_window() {
    let mut bed = Bed::new().await;
    let admin = bed.simulator.admin();
    for person in ["lead@contoso.com", "break-glass@contoso.com"] {
        admin
            .assign_role(
                ELIGIBLE,
                "Global Administrator",
                "/",
                person,
                Window::permanent(),
            )
            .unwrap();
        admin
            .remove_role(ACTIVE, "Global Administrator", "/", person)
            .unwrap();
    }
    let window = Window::lasting(std::time::Duration::from_hours(2));
    admin
        .assign_role(ACTIVE, "Global Administrator", "/", ALICE, window)
        .unwrap();
    bed.advance(3 * 3600);
    bed.sign_in().await;
    let filter = format!("roleDefinitionId eq '{GLOBAL_ADMINISTRATOR}'");
    let rows = bed.role_rows(ACTIVE, "ScheduleInstances", &filter).await;
    let end = rows[0]["endDateTime"].as_str().unwrap();
    assert!(end < bed.at(0).as_str(), "an end in the past");
    assert_eq!(rows[0]["principalId"], ALICE);
}

#[tokio::test]
async fn a_pending_provisioning_role_request_is_provisioned_later() {
    let bed = Bed::with(Behaviour {
        pending_provisioning_for: std::time::Duration::from_secs(8),
        ..Behaviour::default()
    })
    .await;
    let reply = bed.role(ELIGIBLE, "adminAssign", none()).await;
    reply.is("PendingProvisioning");
    bed.role(ELIGIBLE, "adminAssign", none())
        .await
        .refused(400, "PendingRoleAssignmentRequest");
    bed.advance(8);
    let path = format!(
        "{ROLES}/roleEligibilityScheduleRequests/{}",
        reply.text("id")
    );
    assert_eq!(bed.get(&path).await.text("status"), "Provisioned");
}

#[tokio::test]
async fn a_tenant_without_licence_is_refused_roles_too() {
    let bed = Bed::with(Behaviour {
        licensed: false,
        ..Behaviour::default()
    })
    .await;
    bed.get(&format!("{ROLES}/roleEligibilitySchedules"))
        .await
        .refused(400, "AadPremiumLicenseRequired");
    bed.role(ELIGIBLE, "adminAssign", none())
        .await
        .refused(400, "AadPremiumLicenseRequired");
    let definitions = bed.get(&format!("{ROLES}/roleDefinitions?$top=1")).await;
    assert_eq!(definitions.items().len(), 1);
}
