//! People and applications: activation of roles, permissions, portal, control interface.

use pim_simulator::{DelegatedToken, Estate, GenerateSeed, SimulatorConfig, Window};
use serde_json::{Value, json};

use crate::bed::*;
use crate::role_bed::*;

async fn eligible_alice() -> (Bed, Bed) {
    let bed = Bed::new().await;
    bed.simulator
        .admin()
        .assign_role(ELIGIBLE, "User Administrator", "/", ALICE, Window::days(30))
        .unwrap();
    let alice = bed.seen_by("alice@contoso.com");
    (bed, alice)
}

fn hours(length: &str) -> Value {
    json!({"scheduleInfo": lasting(length)})
}

#[tokio::test]
async fn activating_a_role_adds_an_activated_row_and_leaves_the_eligible_one() {
    let (bed, alice) = eligible_alice().await;
    let reply = alice.role(ACTIVE, "selfActivate", hours("PT2H")).await;
    reply.is("Provisioned");
    let path = format!(
        "{ROLES}/roleAssignmentSchedules?$filter=principalId eq '{ALICE}'&$expand=activatedUsing"
    );
    let rows = bed.get(&path).await;
    let row = &rows.items()[0];
    assert_eq!(row["assignmentType"], "Activated");
    let eligible = bed.alices(ELIGIBLE).await;
    assert_eq!(row["activatedUsing"]["id"], eligible[0]["id"]);
    let again = alice.role(ACTIVE, "selfActivate", hours("PT2H")).await;
    again.refused(400, "RoleAssignmentExists");
    assert_eq!(again.message(), "The Role assignment already exists.");
}

#[tokio::test]
async fn activating_a_role_at_another_scope_is_an_invalid_scope() {
    let (_bed, alice) = eligible_alice().await;
    let mut with = over(SALES_EMEA);
    with["scheduleInfo"] = lasting("PT1H");
    alice
        .role(ACTIVE, "selfActivate", with)
        .await
        .refused(400, "InvalidScope");
    let mut with = json!({"roleDefinitionId": HELPDESK});
    with["scheduleInfo"] = lasting("PT1H");
    let reply = alice.role(ACTIVE, "selfActivate", with).await;
    reply.refused(400, "RoleAssignmentRequestPolicyValidationFailed");
    assert!(reply.message().contains("EligibilityRule"));
}

#[tokio::test]
async fn deactivating_a_role_twice_answers_400_role_assignment_does_not_exist() {
    let (bed, alice) = eligible_alice().await;
    alice
        .role(ACTIVE, "selfActivate", hours("PT1H"))
        .await
        .is("Provisioned");
    alice
        .role(ACTIVE, "selfDeactivate", none())
        .await
        .refused(400, "ActiveDurationTooShort");
    bed.simulator
        .set_behaviour(|b| b.removal_lag = std::time::Duration::from_secs(30));
    bed.advance(301);
    alice
        .role(ACTIVE, "selfDeactivate", none())
        .await
        .is("Revoked");
    for _ in 0..2 {
        alice
            .role(ACTIVE, "selfDeactivate", none())
            .await
            .refused(400, "RoleAssignmentDoesNotExist");
        bed.advance(31);
    }
}

#[tokio::test]
async fn a_member_of_an_eligible_group_activates_its_role() {
    let bed = Bed::new().await;
    let admin = bed.simulator.admin();
    admin
        .assign_role(
            ELIGIBLE,
            "User Administrator",
            "/",
            "helpdesk-emea",
            Window::days(30),
        )
        .unwrap();
    let judy = bed.seen_by("judy@contoso.com");
    let mut with = only(JUDY);
    with["scheduleInfo"] = lasting("PT1H");
    judy.role(ACTIVE, "selfActivate", with)
        .await
        .is("Provisioned");
}

#[tokio::test]
async fn role_approvals_are_a_segment_of_beta_only() {
    let (bed, alice) = eligible_alice().await;
    let id = bed.simulator.role_requests()[0].id.clone();
    let v1 = alice
        .get(&format!("{ROLES}/roleAssignmentApprovals/{id}"))
        .await;
    v1.refused(400, "BadRequest");
    assert!(v1.message().contains("'roleAssignmentApprovals'"));
    let beta = format!("/beta/roleManagement/directory/roleAssignmentApprovals/{id}");
    alice
        .get(&beta)
        .await
        .refused(404, "RoleAssignmentRequestNotFound");
    let refused = bed.get(&beta).await;
    refused.refused(403, "");
    assert!(
        refused
            .message()
            .starts_with("Valid permissions not present.")
    );
}

#[tokio::test]
async fn role_rows_of_others_are_open_to_people_with_a_reading_role() {
    let (bed, alice) = eligible_alice().await;
    let all = format!("{ROLES}/roleEligibilitySchedules");
    let own = format!("{all}/filterByCurrentUser(on='principal')");
    alice
        .get(&all)
        .await
        .refused(403, "UnauthorizedAccessException");
    assert_eq!(alice.get(&own).await.items().len(), 1);
    bed.get(&own)
        .await
        .refused(403, "UnauthorizedAccessException");
    bed.simulator
        .admin()
        .assign_role(ACTIVE, GLOBAL_READER, "/", ALICE, Window::days(1))
        .unwrap();
    assert_eq!(alice.get(&all).await.items().len(), 2);
    // To write takes more: the lead is Global Administrator.
    alice
        .role(ELIGIBLE, "adminAssign", only(BOB))
        .await
        .refused(403, "UnauthorizedAccessException");
    bed.seen_by("lead@contoso.com")
        .role(ELIGIBLE, "adminAssign", only(BOB))
        .await
        .is("Provisioned");
}

/// What an application with these permissions is answered.
async fn as_application(roles: &[&str]) -> Bed {
    let mut bed = Bed::unlogged().await;
    bed.simulator
        .admin()
        .set_app_roles(OPERATOR, roles)
        .unwrap();
    bed.sign_in().await;
    bed
}

#[tokio::test]
async fn each_role_set_asks_for_its_own_permission() {
    let schedules = |kind| format!("{ROLES}/{}Schedules", role_set(kind));
    let requests = |kind| format!("{ROLES}/{}ScheduleRequests", role_set(kind));
    let bed = as_application(&["RoleEligibilitySchedule.Read.Directory"]).await;
    assert_eq!(bed.get(&schedules(ELIGIBLE)).await.status, 200);
    let refused = bed.get(&schedules(ACTIVE)).await;
    refused.refused(403, "UnknownError");
    let inner: Value = serde_json::from_str(refused.message()).unwrap();
    assert_eq!(inner["errorCode"], "PermissionScopeNotGranted");
    let text = inner["message"].as_str().unwrap();
    assert!(
        text.contains("RoleAssignmentSchedule.Read.Directory"),
        "{text}"
    );
    // Requests of roles can only be read by who may write them.
    bed.get(&requests(ELIGIBLE))
        .await
        .refused(403, "UnknownError");
    bed.role(ELIGIBLE, "adminAssign", none())
        .await
        .refused(403, "UnknownError");
    bed.get(&format!("{ROLES}/roleDefinitions"))
        .await
        .refused(403, "Authorization_RequestDenied");
    bed.get("/v1.0/directory/administrativeUnits")
        .await
        .refused(403, "Authorization_RequestDenied");

    let bed = as_application(&[
        "RoleManagement.Read.Directory",
        "AdministrativeUnit.Read.All",
    ])
    .await;
    for kind in [ELIGIBLE, ACTIVE] {
        assert_eq!(bed.get(&schedules(kind)).await.status, 200);
        bed.get(&requests(kind)).await.refused(403, "UnknownError");
    }
    assert_eq!(
        bed.get(&format!("{ROLES}/roleDefinitions")).await.status,
        200
    );
    assert_eq!(
        bed.get(&format!("{ROLES}/roleAssignments")).await.status,
        200
    );
    let units = "/v1.0/directory/administrativeUnits";
    assert_eq!(bed.get(units).await.status, 200);

    let bed = as_application(&["RoleManagement.ReadWrite.Directory"]).await;
    for kind in [ELIGIBLE, ACTIVE] {
        bed.role(kind, "adminAssign", none())
            .await
            .is("Provisioned");
        assert_eq!(bed.get(&requests(kind)).await.status, 200);
    }
    // The two families of permissions do not cover each other.
    bed.admin(ELIGIBLE, "adminAssign", none())
        .await
        .refused(403, "UnknownError");
}

#[tokio::test]
async fn a_remove_permission_covers_removals_of_roles_only() {
    let bed = as_application(&["RoleEligibilitySchedule.Remove.Directory"]).await;
    bed.simulator
        .admin()
        .assign_role(ELIGIBLE, "User Administrator", "/", ALICE, Window::days(30))
        .unwrap();
    bed.role(ELIGIBLE, "adminUpdate", none())
        .await
        .refused(403, "UnknownError");
    bed.role(ELIGIBLE, "adminRemove", none())
        .await
        .is("Revoked");
    bed.role(ACTIVE, "adminRemove", none())
        .await
        .refused(403, "UnknownError");
}

#[tokio::test]
async fn the_portal_grants_and_removes_roles_by_name_and_at_once() {
    let bed = Bed::new().await;
    let scope = "/administrativeUnits/Sales EMEA";
    let grant = json!({"do": "assignRole", "kind": "assignment", "role": "User Administrator",
        "directoryScopeId": scope, "principal": "alice@contoso.com", "window": {"duration": "P30D"}});
    let update = json!({"do": "updateRole", "kind": "assignment", "role": "User Administrator",
        "directoryScopeId": scope, "principal": "alice@contoso.com"});
    let reply = bed.post("/_simulator/estate", json!([grant, update])).await;
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    let rows = bed.simulator.role_schedules(ACTIVE);
    let row = rows.iter().find(|row| row.principal_id == ALICE).unwrap();
    assert_eq!(row.end, None, "no five minutes for the portal");
    let unit = format!("/administrativeUnits/{SALES_EMEA}");
    assert_eq!(row.directory_scope_id.as_deref(), Some(unit.as_str()));
    let state = bed.get("/_simulator/state").await;
    assert_eq!(state.body["counts"]["roleAssignmentSchedules"], rows.len());
    assert_eq!(state.body["counts"]["administrativeUnits"], 2);
    let listed = state.body["roleAssignmentSchedules"].as_array().unwrap();
    assert!(listed.iter().any(|row| row["principalId"] == ALICE));
    bed.simulator
        .admin()
        .remove_role(ACTIVE, "user administrator", scope, "alice@contoso.com")
        .unwrap();
    assert!(bed.alices(ACTIVE).await.is_empty());
    let outside = json!({"do": "addRoleAssignment", "role": "Helpdesk Administrator", "principal": "alice@contoso.com"});
    bed.post("/_simulator/estate", outside.clone()).await;
    assert!(bed.alices(ACTIVE).await[0]["createdUsing"].is_null());
    let mut gone = outside;
    gone["do"] = json!("removeRoleAssignment");
    assert_eq!(
        bed.post("/_simulator/estate", gone.clone()).await.status,
        200
    );
    assert_eq!(bed.post("/_simulator/estate", gone).await.status, 404);
    assert!(
        bed.simulator
            .schedules(ACTIVE)
            .iter()
            .all(|row| row.principal_id != ALICE)
    );
}

#[tokio::test]
async fn an_estate_generates_units_roles_and_role_assignable_groups() {
    let estate = Estate {
        applications: vec![Estate::operator_application()],
        generate: Some(GenerateSeed {
            groups: 1,
            people: 2,
            role_assignable_groups: 3,
            administrative_units: 4,
            custom_roles: 5,
        }),
        ..Estate::default()
    };
    let bed = Bed::start(SimulatorConfig::new(estate)).await;
    let counts = bed.get("/_simulator/state").await.body["counts"].clone();
    assert_eq!(
        (&counts["groups"], &counts["administrativeUnits"]),
        (&json!(4), &json!(4))
    );
    let custom = bed
        .get(&format!(
            "{ROLES}/roleDefinitions?$filter=isBuiltIn eq false"
        ))
        .await;
    assert_eq!(custom.items().len(), 5);
    let with = json!({
        "principalId": Estate::generated_role_assignable_group(3),
        "roleDefinitionId": Estate::generated_role(5),
        "directoryScopeId": format!("/administrativeUnits/{}", Estate::generated_administrative_unit(4)),
    });
    bed.role(ELIGIBLE, "adminAssign", with)
        .await
        .is("Provisioned");
    assert!(Estate::built_in_roles().count() > 80);
}

#[tokio::test]
async fn a_person_whose_token_lacks_the_scope_reads_no_roles() {
    let bed = Bed::new().await;
    let bare = DelegatedToken {
        scopes: vec!["User.Read.All".to_owned()],
        ..DelegatedToken::of("lead@contoso.com")
    };
    bed.person(&bare)
        .get(&format!("{ROLES}/roleEligibilitySchedules"))
        .await
        .refused(403, "UnknownError");
}

#[tokio::test]
async fn activating_a_role_waits_for_an_approver_who_decides_on_beta() {
    let (bed, alice) = eligible_alice().await;
    let policy = json!({"do": "setRolePolicy", "role": "User Administrator",
        "policy": {"activation": {"approvalRequired": true}}});
    bed.post("/_simulator/estate", policy).await;
    let asked = alice.role(ACTIVE, "selfActivate", hours("PT1H")).await;
    asked.is("PendingApproval");
    assert_eq!(asked.body["approvalId"], asked.body["id"]);
    let id = asked.text("id");
    // Nobody is named, so whoever manages roles approves: the lead is Global Administrator.
    let lead = bed.seen_by("lead@contoso.com");
    let waiting = format!(
        "{ROLES}/roleAssignmentScheduleRequests/filterByCurrentUser(on='approver')\
         ?$filter=status eq 'PendingApproval'"
    );
    assert_eq!(lead.get(&waiting).await.items()[0]["id"], id);
    assert!(alice.get(&waiting).await.items().is_empty());
    let approval = format!("/beta/roleManagement/directory/roleAssignmentApprovals/{id}");
    let seen = lead.get(&format!("{approval}?$expand=steps")).await;
    assert_eq!(seen.body["steps"][0]["reviewResult"], "NotReviewed");
    let decision = json!({"reviewResult": "Approve", "justification": "on duty"});
    let step = format!("{approval}/steps/{id}");
    let patch = |who: &Bed| {
        let request = who.client.patch(format!("{}{step}", who.simulator.url()));
        request.bearer_auth(&who.token).json(&decision).send()
    };
    assert_eq!(patch(&alice).await.unwrap().status(), 403);
    assert_eq!(patch(&bed).await.unwrap().status(), 403, "an application");
    assert_eq!(patch(&lead).await.unwrap().status(), 204);
    assert_eq!(patch(&lead).await.unwrap().status(), 409);
    let seen = lead.get(&approval).await;
    assert_eq!(seen.body["steps"][0]["reviewResult"], "Approve");
    assert_eq!(bed.alices(ACTIVE).await[0]["assignmentType"], "Activated");
}
