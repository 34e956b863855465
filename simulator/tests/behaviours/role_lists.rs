//! Reading schedules, instances and requests of roles.

use pim_simulator::{Access, Window};
use serde_json::json;

use crate::bed::*;
use crate::role_bed::*;

#[tokio::test]
async fn a_role_list_without_filter_is_the_whole_tenant() {
    let bed = Bed::new().await;
    bed.role(ELIGIBLE, "adminAssign", none())
        .await
        .is("Provisioned");
    bed.role(
        ELIGIBLE,
        "adminAssign",
        json!({"principalId": BOB, "roleDefinitionId": HELPDESK}),
    )
    .await
    .is("Provisioned");
    let all = bed.role_rows(ELIGIBLE, "Schedules", "").await;
    assert_eq!(all.len(), 3, "with the one of the estate");
    for filter in [
        format!("roleDefinitionId eq '{HELPDESK}'"),
        format!("principalId eq '{BOB}'"),
        format!("principal/id eq '{BOB}'"),
        format!("roleDefinitionId eq '{HELPDESK}' and directoryScopeId eq '/'"),
        format!("id eq '{}'", all[2]["id"].as_str().unwrap()),
        "tolower(roleDefinition/displayName) eq 'helpdesk administrator'".to_owned(),
    ] {
        let rows = bed.role_rows(ELIGIBLE, "Schedules", &filter).await;
        assert_eq!(rows.len(), 1, "{filter}");
        assert_eq!(rows[0]["principalId"], BOB);
    }
    let unit = format!("directoryScopeId eq '/administrativeUnits/{SALES_EMEA}'");
    assert!(bed.role_rows(ELIGIBLE, "Schedules", &unit).await.is_empty());
    assert_eq!(bed.role_rows(ACTIVE, "Schedules", &unit).await.len(), 1);
    let requests = bed
        .role_rows(ELIGIBLE, "ScheduleRequests", "status eq 'Provisioned'")
        .await;
    assert_eq!(requests.len(), 3);
}

#[tokio::test]
async fn a_role_list_hides_inherited_rows_that_the_principals_list_shows() {
    let bed = Bed::new().await;
    let role = format!("roleDefinitionId eq '{HELPDESK}'");
    let by_role = bed.role_rows(ACTIVE, "Schedules", &role).await;
    assert_eq!(by_role.len(), 1);
    assert_eq!(
        (&by_role[0]["principalId"], &by_role[0]["memberType"]),
        (&json!(HELPDESK_EMEA), &json!("Direct"))
    );
    let judys = format!("principalId eq '{JUDY}'");
    let by_principal = bed.role_rows(ACTIVE, "Schedules", &judys).await;
    assert_eq!(by_principal.len(), 1);
    assert_eq!(
        (
            &by_principal[0]["principalId"],
            &by_principal[0]["memberType"]
        ),
        (&json!(JUDY), &json!("Group"))
    );
    // Through a group in the group.
    let admin = bed.simulator.admin();
    admin
        .add_member(HELPDESK_EMEA, APPROVERS, Access::Member)
        .unwrap();
    admin.add_member(APPROVERS, BOB, Access::Member).unwrap();
    let bobs = format!("principalId eq '{BOB}'");
    for set in ["Schedules", "ScheduleInstances"] {
        let rows = bed.role_rows(ACTIVE, set, &bobs).await;
        assert_eq!(rows[0]["memberType"], "Inherited", "{set}");
    }
    let both = format!("{role} and {bobs}");
    assert_eq!(bed.role_rows(ACTIVE, "Schedules", &both).await.len(), 1);
    let own = format!("{ROLES}/roleAssignmentSchedules/filterByCurrentUser(on='principal')");
    assert!(
        bed.seen_by("judy@contoso.com")
            .get(&own)
            .await
            .items()
            .is_empty()
    );
}

#[tokio::test]
async fn an_assignment_made_outside_pim_has_one_id_and_no_dates() {
    let bed = Bed::new().await;
    let filter = format!("principalId eq '{BREAK_GLASS}'");
    let schedules = bed.role_rows(ACTIVE, "Schedules", &filter).await;
    let instances = bed.role_rows(ACTIVE, "ScheduleInstances", &filter).await;
    let (schedule, instance) = (&schedules[0], &instances[0]);
    assert!(schedule["createdUsing"].is_null() && schedule["createdDateTime"].is_null());
    assert_eq!(
        schedule["scheduleInfo"]["expiration"]["type"],
        "noExpiration"
    );
    assert_eq!(schedule["id"], instance["id"]);
    assert_eq!(instance["roleAssignmentScheduleId"], instance["id"]);
    assert!(instance["startDateTime"].is_null() && instance["endDateTime"].is_null());
    let path = format!(
        "{ROLES}/roleAssignments/{}",
        instance["id"].as_str().unwrap()
    );
    assert_eq!(
        bed.get(&path).await.text("roleDefinitionId"),
        GLOBAL_ADMINISTRATOR
    );
    let path = format!(
        "{ROLES}/roleAssignmentSchedules/{}",
        schedule["id"].as_str().unwrap()
    );
    assert_eq!(bed.get(&path).await.text("principalId"), BREAK_GLASS);
}

#[tokio::test]
async fn expansions_name_principal_role_and_scope() {
    let bed = Bed::new().await;
    bed.role(ELIGIBLE, "adminAssign", over(SALES_EMEA))
        .await
        .is("Provisioned");
    let path = format!(
        "{ROLES}/roleEligibilitySchedules?$filter=principalId eq '{ALICE}'&$select=id,memberType\
         &$expand=principal,roleDefinition($select=id,displayName),directoryScope"
    );
    let reply = bed.get(&path).await;
    let row = &reply.items()[0];
    assert_eq!(row["principal"]["displayName"], "Alice");
    assert_eq!(
        row["roleDefinition"],
        json!({"id": USER_ADMINISTRATOR, "displayName": "User Administrator"})
    );
    assert_eq!(row["directoryScope"]["displayName"], "Sales EMEA");
    assert!(row.get("status").is_none());
    let wrong = format!("{ROLES}/roleEligibilitySchedules?$expand=group");
    bed.get(&wrong).await.refused(400, "BadRequest");
    let wrong = format!("{ROLES}/roleEligibilitySchedules?$select=assignmentType");
    bed.get(&wrong).await.refused(400, "BadRequest");
    let wrong = format!("{ROLES}/roleEligibilitySchedules?$filter=groupId eq '{OPS}'");
    bed.get(&wrong).await.refused(400, "BadRequest");
}

#[tokio::test]
async fn role_lists_are_paged_and_lose_nothing() {
    let bed = Bed::new().await;
    let admin = bed.simulator.admin();
    for n in 0..7 {
        let user = admin.add_user(&format!("paged-{n}@contoso.com")).unwrap();
        admin
            .assign_role(ELIGIBLE, "User Administrator", "/", &user, Window::days(30))
            .unwrap();
    }
    bed.simulator.set_behaviour(|b| b.pim_page_size = Some(3));
    let mut next = Some(format!(
        "{ROLES}/roleEligibilitySchedules?$expand=principal"
    ));
    let (mut seen, mut pages) = (std::collections::HashSet::new(), 0);
    while let Some(path) = next {
        let page = bed.get(&path).await;
        pages += 1;
        for row in page.items() {
            assert!(row["principal"].is_object());
            assert!(seen.insert(row["id"].as_str().unwrap().to_owned()));
        }
        next = page.body["@odata.nextLink"].as_str().map(str::to_owned);
    }
    assert_eq!((seen.len(), pages), (8, 3), "with the one of the estate");
    let top = format!("{ROLES}/roleEligibilitySchedules?$top=2");
    assert_eq!(bed.get(&top).await.items().len(), 2);
}

#[tokio::test]
async fn new_and_removed_role_rows_lag_in_the_lists() {
    let bed = Bed::new().await;
    let seconds = std::time::Duration::from_secs;
    bed.simulator.set_behaviour(|b| {
        b.schedule_list_lag = seconds(12);
        b.instance_list_lag = seconds(20);
        b.removal_lag = seconds(30);
    });
    bed.role(ELIGIBLE, "adminAssign", none())
        .await
        .is("Provisioned");
    assert!(bed.alices(ELIGIBLE).await.is_empty());
    bed.advance(12);
    let filter = format!("principalId eq '{ALICE}'");
    assert_eq!(bed.alices(ELIGIBLE).await.len(), 1);
    assert!(
        bed.role_rows(ELIGIBLE, "ScheduleInstances", &filter)
            .await
            .is_empty()
    );
    bed.advance(8);
    assert_eq!(
        bed.role_rows(ELIGIBLE, "ScheduleInstances", &filter)
            .await
            .len(),
        1
    );
    bed.role(ELIGIBLE, "adminRemove", none())
        .await
        .is("Revoked");
    assert_eq!(bed.alices(ELIGIBLE).await.len(), 1);
    bed.advance(30);
    assert!(bed.alices(ELIGIBLE).await.is_empty());
}

#[tokio::test]
async fn role_requests_are_purged_after_45_days_and_the_schedule_lives_on() {
    let mut bed = Bed::new().await;
    let reply = bed
        .role(
            ELIGIBLE,
            "adminAssign",
            json!({"scheduleInfo": permanent()}),
        )
        .await;
    let path = format!(
        "{ROLES}/roleEligibilityScheduleRequests/{}",
        reply.text("id")
    );
    bed.advance(46 * 86_400);
    bed.sign_in().await;
    bed.get(&path)
        .await
        .refused(404, "RoleAssignmentRequestNotFound");
    assert_eq!(bed.alices(ELIGIBLE).await.len(), 1);
}

#[tokio::test]
async fn rows_of_deleted_principals_and_scopes_linger_as_ghosts() {
    let mut bed = Bed::new().await;
    bed.role(ELIGIBLE, "adminAssign", over(SALES_EMEA))
        .await
        .is("Provisioned");
    let admin = bed.simulator.admin();
    admin.delete("Sales EMEA").unwrap();
    assert_eq!(bed.alices(ELIGIBLE).await.len(), 1);
    bed.role(ELIGIBLE, "adminRemove", over(SALES_EMEA))
        .await
        .refused(400, "InvalidScope");
    bed.advance(25 * 3600);
    bed.sign_in().await;
    assert!(bed.alices(ELIGIBLE).await.is_empty());
    bed.role(ELIGIBLE, "adminAssign", none())
        .await
        .is("Provisioned");
    admin.remove_user(ALICE).unwrap();
    assert_eq!(bed.alices(ELIGIBLE).await.len(), 1);
    bed.role(ELIGIBLE, "adminRemove", none())
        .await
        .refused(404, "SubjectNotFound");
}
