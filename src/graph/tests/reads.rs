use std::time::Duration;

use serde_json::json;

use super::server::{Act, Server, answer, empty_list, error, ok};
use crate::graph::{
    AccessId, Advice, AssignmentType, ExpirationType, Family, GraphClient, GraphError, Listing,
    MemberType, NoAnswer, ObjectKind, RequestAction, RequestState, ScheduleKind, ScheduleTarget,
};

fn group(id: &str) -> ScheduleTarget {
    ScheduleTarget::Group {
        access_id: AccessId::Member,
        group_id: id.to_owned(),
    }
}

const SCHEDULES: &str = "/v1.0/identityGovernance/privilegedAccess/group/assignmentSchedules\
    ?$filter=groupId%20eq%20%27g1%27";

#[tokio::test]
async fn a_schedule_row_is_read_in_every_casing_and_with_nulls_and_new_members() {
    let server = Server::script([ok(&json!({"value": [
        {
            "id": "g1_member_q1", "groupId": "g1", "principalId": "p1", "accessId": "Member",
            "status": "Provisioned", "createdUsing": "q1", "memberType": "Direct",
            "assignmentType": "activated", "createdDateTime": "2026-03-01T09:00:03.587Z",
            "modifiedDateTime": "0001-01-01T08:00:00Z",
            "scheduleInfo": {
                "startDateTime": "2026-03-01T09:00:03.5871234Z", "recurrence": null,
                "expiration": {"type": "AfterDateTime", "endDateTime": "2026-06-01T00:00:00Z", "duration": null},
            },
        },
        {
            "id": "g1_owner_q2", "groupId": "g1", "principalId": "p2", "accessId": "sponsor",
            "status": null, "createdUsing": null, "memberType": null,
            "createdDateTime": null, "modifiedDateTime": null, "scheduleInfo": null,
        },
    ]}))])
    .await;
    let rows = server
        .client()
        .schedules(ScheduleKind::Assignment, Listing::Group("g1"))
        .await
        .unwrap();
    let calls = server.calls();
    assert_eq!(calls[0].path, SCHEDULES);
    assert!(calls[0].headers.contains_key("client-request-id"));
    assert!(calls[0].headers["user-agent"].starts_with("pim-operator/"));

    assert_eq!(rows[0].access_id, AccessId::Member);
    assert_eq!(rows[0].member_type, MemberType::Direct);
    assert_eq!(rows[0].assignment_type, Some(AssignmentType::Activated));
    assert_eq!(rows[0].modified_date_time, None);
    let expiration = &rows[0].schedule_info.expiration;
    assert_eq!(expiration.kind, ExpirationType::AfterDateTime);
    assert_eq!(
        expiration.end_date_time.unwrap().to_rfc3339(),
        "2026-06-01T00:00:00+00:00"
    );
    assert_eq!(rows[1].access_id, AccessId::Other("sponsor".to_owned()));
    assert_eq!(rows[1].created_using, None);
    assert_eq!(rows[1].schedule_info.expiration.end_date_time, None);
}

#[tokio::test]
async fn an_unreadable_end_fails_the_list_instead_of_reading_as_permanent() {
    let row = json!({"id": "1", "scheduleInfo": {"expiration": {"type": "afterDateTime", "endDateTime": "soon"}}});
    let server = Server::script([ok(&json!({"value": [row]}))]).await;
    let result = server
        .client()
        .schedules(ScheduleKind::Eligibility, Listing::Group("g1"))
        .await;
    assert!(matches!(result, Err(GraphError::Unreadable { .. })));
}

#[tokio::test]
async fn instances_and_requests_are_asked_for_by_their_keys() {
    let server = Server::script([empty_list()]).await;
    let client = server.client();
    client
        .instances(ScheduleKind::Eligibility, Listing::Group("g1"))
        .await
        .unwrap();
    client
        .requests(ScheduleKind::Assignment, &group("g1"), "p1")
        .await
        .unwrap();
    let base = "/v1.0/identityGovernance/privilegedAccess/group";
    let calls = server.calls();
    assert_eq!(
        calls[0].path,
        format!("{base}/eligibilityScheduleInstances?$filter=groupId%20eq%20%27g1%27")
    );
    assert_eq!(
        calls[1].path,
        format!(
            "{base}/assignmentScheduleRequests?$filter=groupId%20eq%20%27g1%27%20and%20principalId%20eq%20%27p1%27"
        )
    );
}

#[tokio::test]
async fn a_request_can_be_followed_until_it_is_forgotten() {
    let server = Server::script([
        ok(&json!({"id": "q1", "status": "PendingProvisioning", "action": "AdminAssign"})),
        error(404, "RoleAssignmentRequestNotFound"),
    ])
    .await;
    let client = server.client();
    let request = client
        .request(ScheduleKind::Eligibility, Family::Groups, "q1")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(request.action, RequestAction::AdminAssign);
    assert_eq!(request.state(), RequestState::InProgress);
    let gone = client
        .request(ScheduleKind::Eligibility, Family::Groups, "q1")
        .await;
    assert_eq!(gone.unwrap(), None);
}

#[tokio::test]
async fn a_404_without_graphs_envelope_is_an_error_not_an_absence() {
    let server = Server::script([Act::Answer(404, vec![], "<html>no</html>".to_owned())]).await;
    let error = server
        .client()
        .request(ScheduleKind::Eligibility, Family::Groups, "q1")
        .await
        .unwrap_err();
    assert_eq!(error.status(), Some(404));
    assert!(!error.is_not_found());
}

#[tokio::test]
async fn all_pages_of_a_list_are_followed() {
    let server = Server::start(|seen| {
        let root = format!("http://{}", seen.headers["host"]);
        if seen.path.contains("skiptoken=2") {
            ok(&json!({"value": [{"id": "3"}]}))
        } else if seen.path.contains("skiptoken=1") {
            ok(
                &json!({"value": [{"id": "2"}], "@odata.nextLink": format!("{root}/v1.0/x?$skiptoken=2")}),
            )
        } else {
            ok(
                &json!({"value": [{"id": "1"}], "@odata.nextLink": format!("{root}/v1.0/x?$skiptoken=1")}),
            )
        }
    })
    .await;
    let rows = server
        .client()
        .schedules(ScheduleKind::Assignment, Listing::Group("g1"))
        .await
        .unwrap();
    let ids: Vec<_> = rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids, ["1", "2", "3"]);
}

#[tokio::test]
async fn a_list_with_a_failed_page_fails() {
    let server = Server::start(|seen| {
        if seen.path.contains("skiptoken") {
            return error(503, "ServiceUnavailable");
        }
        let next = format!("http://{}/v1.0/x?$skiptoken=1", seen.headers["host"]);
        ok(&json!({"value": [{"id": "1"}], "@odata.nextLink": next}))
    })
    .await;
    let result = server
        .client()
        .schedules(ScheduleKind::Assignment, Listing::Group("g1"))
        .await;
    assert_eq!(result.unwrap_err().advice(), Advice::Retry);
    assert_eq!(server.calls().len(), 1 + 3, "the page is tried three times");
}

#[tokio::test]
async fn a_next_page_on_another_server_is_not_followed() {
    let stranger = Server::script([empty_list()]).await;
    let next = stranger.root.join("/v1.0/x").unwrap();
    let server =
        Server::script([ok(&json!({"value": [], "@odata.nextLink": next.as_str()}))]).await;
    let error = server
        .client()
        .schedules(ScheduleKind::Assignment, Listing::Group("g1"))
        .await
        .unwrap_err();
    assert!(matches!(error, GraphError::ForeignNextLink { .. }));
    assert!(stranger.calls().is_empty());
}

#[tokio::test]
async fn a_list_without_its_rows_is_an_error() {
    let server = Server::script([ok(&json!({"odd": true}))]).await;
    let error = server
        .client()
        .schedules(ScheduleKind::Assignment, Listing::Group("g1"))
        .await
        .unwrap_err();
    assert!(matches!(error, GraphError::Unreadable { .. }), "{error}");
}

#[tokio::test]
async fn passing_trouble_is_survived() {
    for trouble in [
        error(500, "UnknownError"),
        Act::Answer(502, vec![], "<html>Bad Gateway</html>".to_owned()),
        error(503, "ServiceUnavailable"),
        answer(504, &json!({})),
        Act::Truncated,
        Act::Close,
        Act::Answer(200, vec![], "{\"value\": [".to_owned()),
        Act::Answer(200, vec![], "<html>maintenance</html>".to_owned()),
    ] {
        let server = Server::script([trouble.clone(), trouble, empty_list()]).await;
        let rows = server
            .client()
            .schedules(ScheduleKind::Assignment, Listing::Group("g1"))
            .await;
        assert_eq!(rows.unwrap(), []);
        assert_eq!(server.calls().len(), 3);
    }
}

#[tokio::test]
async fn lasting_trouble_is_an_error_after_a_few_tries() {
    let server = Server::script([Act::Answer(502, vec![], "<html>".to_owned())]).await;
    let error = server
        .client()
        .schedules(ScheduleKind::Assignment, Listing::Group("g1"))
        .await
        .unwrap_err();
    assert_eq!(error.advice(), Advice::Retry);
    assert_eq!(error.to_string(), "Microsoft Graph answered with HTTP 502");
    assert_eq!(server.calls().len(), 3);
}

#[tokio::test]
async fn an_answer_that_never_comes_ends_with_the_time_limit() {
    let server = Server::script([Act::Hang]).await;
    let mut config = server.config();
    // Long enough for the sign-in, which has the same limit.
    config.timeouts.total = Duration::from_secs(1);
    config.retry.max_attempts = 2;
    let client = GraphClient::new(config).unwrap();
    let error = client.group("g1").await.unwrap_err();
    let reason = NoAnswer::Timeout;
    assert!(
        matches!(error, GraphError::NoAnswer { reason: r, write: false, .. } if r == reason),
        "{error}"
    );
    assert_eq!(server.calls().len(), 2);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let stranger = Server::script([empty_list()]).await;
    let location = vec![("location", stranger.root.to_string())];
    let server = Server::script([Act::Answer(302, location, String::new())]).await;
    let error = server.client().group("g1").await.unwrap_err();
    assert_eq!(error.advice(), Advice::GiveUp);
    assert!(stranger.calls().is_empty());
}

#[tokio::test]
async fn a_user_is_found_by_id_or_name_and_may_be_absent() {
    let server = Server::script([
        ok(&json!({"id": "u1", "displayName": "Alice", "userPrincipalName": "a#EXT#@x"})),
        ok(&json!({"id": "u2"})),
        error(404, "Request_ResourceNotFound"),
    ])
    .await;
    let client = server.client();
    let alice = client.user("a_b#EXT#@x.com").await.unwrap().unwrap();
    assert_eq!(alice.kind, ObjectKind::User);
    client.user("$dollar'@x.com").await.unwrap();
    assert_eq!(client.user("nobody@x.com").await.unwrap(), None);
    let select = "?$select=id,displayName,userPrincipalName";
    let calls = server.calls();
    assert_eq!(
        calls[0].path,
        format!("/v1.0/users/a_b%23EXT%23@x.com{select}")
    );
    assert_eq!(
        calls[1].path,
        format!("/v1.0/users('$dollar''@x.com'){select}")
    );
}

#[tokio::test]
async fn a_text_that_is_no_key_finds_nothing_instead_of_everything() {
    let server = Server::script([empty_list()]).await;
    let client = server.client();
    for text in ["", ".", ".."] {
        assert_eq!(client.user(text).await.unwrap(), None);
        assert_eq!(client.group(text).await.unwrap(), None);
    }
    assert!(server.calls().is_empty());
}

#[tokio::test]
async fn groups_show_what_pim_cannot_manage_and_all_of_one_name() {
    let server = Server::script([ok(&json!({"value": [
        {"id": "g1", "groupTypes": ["DynamicMembership"], "membershipRule": "true", "isAssignableToRole": null},
        {"id": "g2", "groupTypes": [], "onPremisesSyncEnabled": true, "isAssignableToRole": true},
    ]}))])
    .await;
    let groups = server.client().groups_by_name("It's ours").await.unwrap();
    assert_eq!(groups.len(), 2);
    assert!(groups[0].is_dynamic() && !groups[0].is_role_assignable());
    assert!(groups[1].is_on_premises() && groups[1].is_role_assignable());
    assert!(
        server.calls()[0]
            .path
            .contains("$filter=displayName%20eq%20%27It%27%27s%20ours%27")
    );
}

#[tokio::test]
async fn a_service_principal_is_found_by_its_application() {
    let server = Server::script([ok(&json!({"id": "s1", "appId": "a1"}))]).await;
    let found = server.client().service_principal_by_app_id("a1").await;
    let found = found.unwrap().unwrap();
    assert_eq!(found.kind, ObjectKind::ServicePrincipal);
    assert_eq!(found.app_id.as_deref(), Some("a1"));
    assert_eq!(
        server.calls()[0].path,
        "/v1.0/servicePrincipals(appId='a1')?$select=id,displayName,appId"
    );
}

#[tokio::test]
async fn many_ids_are_looked_up_in_chunks_and_kinds_are_kept() {
    let server = Server::start(|seen| {
        let body = seen.json();
        let first = body["ids"][0].clone();
        ok(&json!({"value": [
            {"@odata.type": "#microsoft.graph.user", "id": first},
            {"@odata.type": "#microsoft.graph.device", "id": "d"},
        ]}))
    })
    .await;
    let ids: Vec<String> = (0..1001).map(|n| format!("id{n}")).collect();
    let found = server.client().objects_by_ids(&ids).await.unwrap();
    let calls = server.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].json()["ids"].as_array().unwrap().len(), 1000);
    assert_eq!(found[0].kind, ObjectKind::User);
    assert_eq!(found[1].kind, ObjectKind::Unknown("device".to_owned()));
    assert_eq!(found[2].id, "id1000");
}

#[tokio::test]
async fn looking_up_ids_is_a_read_and_is_repeated_like_one() {
    let server = Server::script([error(503, ""), empty_list()]).await;
    let found = server.client().objects_by_ids(&["a".to_owned()]).await;
    assert_eq!(found.unwrap(), []);
}
