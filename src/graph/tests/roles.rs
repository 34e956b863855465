//! Directory roles: the same calls as for groups, with other paths and fields.

use serde_json::{Value, json};
use uuid::Uuid;

use super::server::{Server, answer, ok};
use crate::graph::{
    Advice, AssignmentType, Expiration, Family, Listing, MemberType, NewRequest, RequestAction,
    ScheduleInfo, ScheduleKind, ScheduleTarget,
};

fn helpdesk() -> ScheduleTarget {
    ScheduleTarget::Role {
        role_definition_id: "d1".to_owned(),
        directory_scope_id: "/administrativeUnits/u1".to_owned(),
    }
}

fn assign() -> NewRequest {
    NewRequest {
        action: RequestAction::AdminAssign,
        target: helpdesk(),
        principal_id: "p1".to_owned(),
        justification: Some("because".to_owned()),
        schedule_info: Some(ScheduleInfo {
            start_date_time: None,
            expiration: Expiration::never(),
        }),
        ticket_info: None,
        is_validation_only: false,
    }
}

#[tokio::test]
async fn one_list_holds_every_role_of_the_tenant_page_by_page() {
    let row = |id: &str, member_type: &str| {
        json!({
            "id": id, "principalId": "p1", "roleDefinitionId": "d1", "directoryScopeId": "/", "appScopeId": null,
            "createdUsing": null, "createdDateTime": null, "modifiedDateTime": null, "status": "Provisioned",
            "assignmentType": "Assigned", "memberType": member_type,
            "scheduleInfo": {"startDateTime": "2026-03-01T09:00:00.123Z", "recurrence": null,
                "expiration": {"type": "noExpiration", "endDateTime": null, "duration": null}},
        })
    };
    let server = Server::start(move |seen| {
        if seen.path.contains("skiptoken") {
            ok(&json!({"value": [row("lAPpYvVpN0KRkAEhdxReEJC2sEqbR_9Hr48lds9SGHI-1", "Inherited")]}))
        } else {
            let next = format!("http://{}{}&$skiptoken=2", seen.headers["host"], seen.path);
            ok(&json!({"value": [row("q1", "Direct")], "@odata.nextLink": next}))
        }
    })
    .await;
    let rows = server
        .client()
        .schedules(ScheduleKind::Assignment, Listing::Roles)
        .await
        .unwrap();
    let seen = server.calls();
    assert_eq!(
        seen[0].path,
        "/v1.0/roleManagement/directory/roleAssignmentSchedules?$top=999"
    );
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].member_type, MemberType::Direct);
    assert_eq!(rows[0].assignment_type, Some(AssignmentType::Assigned));
    assert_eq!(rows[1].member_type, MemberType::Inherited);
    let everywhere = ScheduleTarget::Role {
        role_definition_id: "d1".to_owned(),
        directory_scope_id: "/".to_owned(),
    };
    assert_eq!(rows[1].target(), Some(everywhere));
}

#[tokio::test]
async fn a_row_at_a_scope_within_an_application_is_about_nothing_that_is_granted_here() {
    let row = json!({"id": "q1", "principalId": "p1", "roleDefinitionId": "d1", "directoryScopeId": null, "appScopeId": "/a"});
    let server = Server::script([ok(&json!({"value": [row]}))]).await;
    let rows = server
        .client()
        .instances(ScheduleKind::Eligibility, Listing::Roles)
        .await
        .unwrap();
    assert_eq!(rows[0].target(), None);
    assert_eq!(
        server.calls()[0].path,
        "/v1.0/roleManagement/directory/roleEligibilityScheduleInstances?$top=999"
    );
}

#[tokio::test]
async fn a_request_names_role_and_scope_and_no_group() {
    let created = json!({"id": "q1", "status": "Provisioned", "action": "adminAssign", "targetScheduleId": "q1",
        "principalId": "p1", "roleDefinitionId": "d1", "directoryScopeId": "/administrativeUnits/u1"});
    let server = Server::script([answer(201, &created)]).await;
    let made = server
        .client()
        .create_request(ScheduleKind::Eligibility, &assign(), Uuid::nil())
        .await
        .unwrap();
    assert_eq!(made.target(), Some(helpdesk()));
    let seen = server.calls();
    assert_eq!(
        seen[0].path,
        "/v1.0/roleManagement/directory/roleEligibilityScheduleRequests"
    );
    assert_eq!(
        seen[0].json(),
        json!({"action": "adminAssign", "principalId": "p1", "roleDefinitionId": "d1",
            "directoryScopeId": "/administrativeUnits/u1", "justification": "because",
            "scheduleInfo": {"expiration": {"type": "noExpiration"}}})
    );
}

#[tokio::test]
async fn requests_are_asked_for_by_role_and_never_for_the_whole_tenant() {
    let list = || ok(&json!({"value": []}));
    let server = Server::script([list(), list(), answer(204, &Value::Null)]).await;
    let client = server.client();
    let kind = ScheduleKind::Assignment;
    client.requests(kind, &helpdesk(), "p1").await.unwrap();
    client.request_history(kind, &helpdesk()).await.unwrap();
    client
        .cancel_request(kind, Family::Roles, "q1", Uuid::nil())
        .await
        .unwrap();
    let paths: Vec<String> = server.calls().into_iter().map(|seen| seen.path).collect();
    let set = "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests";
    let role = "?$filter=roleDefinitionId%20eq%20%27d1%27";
    assert_eq!(
        paths,
        [
            format!("{set}{role}%20and%20principalId%20eq%20%27p1%27"),
            format!("{set}{role}"),
            format!("{set}/q1/cancel"),
        ]
    );
}

#[tokio::test]
async fn nothing_to_remove_is_the_same_surprise_for_roles_and_groups() {
    let refusal = |code: &str| json!({"error": {"code": code, "message": "…"}});
    let mut remove = assign();
    remove.action = RequestAction::AdminRemove;
    for status in [400, 404] {
        let server = Server::script([answer(status, &refusal("RoleAssignmentDoesNotExist"))]).await;
        let error = server
            .client()
            .create_request(ScheduleKind::Assignment, &remove, Uuid::nil())
            .await
            .unwrap_err();
        assert_eq!(error.advice(), Advice::ReObserve, "{status}");
    }
}

#[tokio::test]
async fn roles_are_looked_up_in_one_list_and_units_by_id_or_name() {
    let named = || ok(&json!({"value": [{"id": "u1", "displayName": "Sales"}]}));
    let server = Server::script([named(), named(), ok(&json!({"id": "u1"}))]).await;
    let client = server.client();
    assert_eq!(client.role_definitions().await.unwrap()[0].id, "u1");
    let units = client.administrative_units_by_name("O'Sales").await;
    assert_eq!(units.unwrap().len(), 1);
    assert!(client.administrative_unit("u1").await.unwrap().is_some());
    assert!(client.administrative_unit("..").await.unwrap().is_none());
    let paths: Vec<String> = server.calls().into_iter().map(|seen| seen.path).collect();
    assert_eq!(
        paths,
        [
            "/v1.0/roleManagement/directory/roleDefinitions?$select=id,displayName",
            "/v1.0/directory/administrativeUnits?$filter=displayName%20eq%20%27O%27%27Sales%27&$select=id,displayName",
            "/v1.0/directory/administrativeUnits/u1?$select=id,displayName",
        ]
    );
}
