use std::time::Duration;

use chrono::{TimeZone, Utc};
use serde_json::json;
use uuid::Uuid;

use super::server::{Act, Server, answer, error, throttled};
use crate::graph::{
    AccessId, Advice, Expiration, Family, GraphClient, GraphError, NewRequest, RequestAction,
    RequestState, ScheduleInfo, ScheduleKind, ScheduleRequest, ScheduleTarget, TicketInfo,
};

fn assign() -> NewRequest {
    NewRequest {
        action: RequestAction::AdminAssign,
        target: ScheduleTarget::Group {
            access_id: AccessId::Member,
            group_id: "g1".to_owned(),
        },
        principal_id: "p1".to_owned(),
        justification: Some("because".to_owned()),
        schedule_info: Some(ScheduleInfo {
            start_date_time: Utc.with_ymd_and_hms(2026, 3, 1, 9, 0, 0).single(),
            expiration: Expiration::after("P30D"),
        }),
        ticket_info: Some(TicketInfo {
            ticket_number: Some("CHG-1".to_owned()),
            ticket_system: None,
        }),
        is_validation_only: false,
    }
}

fn remove() -> NewRequest {
    NewRequest {
        action: RequestAction::AdminRemove,
        justification: None,
        schedule_info: None,
        ticket_info: None,
        ..assign()
    }
}

fn created(status: &str) -> Act {
    answer(
        201,
        &json!({"id": "q1", "status": status, "action": "adminAssign", "targetScheduleId": "g1_member_q1"}),
    )
}

async fn post(client: &GraphClient, body: &NewRequest) -> Result<ScheduleRequest, GraphError> {
    client
        .create_request(ScheduleKind::Eligibility, body, Uuid::nil())
        .await
}

#[tokio::test]
async fn a_request_is_sent_in_graphs_form() {
    let server = Server::script([created("Provisioned")]).await;
    let request = post(&server.client(), &assign()).await.unwrap();
    assert_eq!(request.state(), RequestState::Succeeded);
    let calls = server.calls();
    let call = &calls[0];
    assert_eq!(call.method, "POST");
    assert_eq!(
        call.path,
        "/v1.0/identityGovernance/privilegedAccess/group/eligibilityScheduleRequests"
    );
    assert_eq!(call.headers["client-request-id"], Uuid::nil().to_string());
    assert_eq!(
        call.json(),
        json!({
            "action": "adminAssign", "accessId": "member", "groupId": "g1", "principalId": "p1",
            "justification": "because",
            "scheduleInfo": {
                "startDateTime": "2026-03-01T09:00:00Z",
                "expiration": {"type": "afterDuration", "duration": "P30D"},
            },
            "ticketInfo": {"ticketNumber": "CHG-1", "ticketSystem": null},
        })
    );
}

#[tokio::test]
async fn a_removal_sends_the_key_only() {
    let server = Server::script([created("Revoked")]).await;
    post(&server.client(), &remove()).await.unwrap();
    assert_eq!(
        server.calls()[0].json(),
        json!({"action": "adminRemove", "accessId": "member", "groupId": "g1", "principalId": "p1"})
    );
}

#[tokio::test]
async fn a_201_can_still_be_a_failure() {
    let server = Server::script([created("Failed")]).await;
    let request = post(&server.client(), &assign()).await.unwrap();
    assert_eq!(request.state(), RequestState::Failed);
}

#[tokio::test]
async fn a_write_is_never_repeated_when_its_outcome_is_unknown() {
    for trouble in [
        error(500, "UnknownError"),
        Act::Answer(502, vec![], "<html>Bad Gateway</html>".to_owned()),
        Act::Answer(503, vec![("retry-after", "0".to_owned())], String::new()),
        error(504, ""),
        Act::Close,
        Act::Truncated,
        Act::Answer(201, vec![], "{\"id\": ".to_owned()),
    ] {
        let server = Server::script([trouble, created("Provisioned")]).await;
        let error = post(&server.client(), &assign()).await.unwrap_err();
        assert_eq!(error.advice(), Advice::ReObserve, "{error}");
        assert_eq!(server.calls().len(), 1, "{error}");
    }
}

#[tokio::test]
async fn a_write_without_an_answer_in_time_has_to_be_looked_up() {
    let server = Server::script([Act::Hang]).await;
    let mut config = server.config();
    config.timeouts.total = Duration::from_secs(1);
    let client = GraphClient::new(config).unwrap();
    let error = post(&client, &assign()).await.unwrap_err();
    assert_eq!(error.advice(), Advice::ReObserve);
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn a_write_that_found_no_connection_has_to_be_looked_up_too() {
    let server = Server::script([Act::Hang]).await;
    let mut config = server.config();
    config.graph_root = "http://127.0.0.1:1".parse().unwrap();
    let client = GraphClient::new(config).unwrap();
    let error = post(&client, &assign()).await.unwrap_err();
    assert_eq!(error.advice(), Advice::ReObserve);
    assert_eq!(
        error.to_string(),
        "no answer from Microsoft Graph: no connection could be made (Connection refused (os error 111))"
    );
}

#[tokio::test]
async fn a_write_goes_out_again_after_401_and_after_429() {
    let server = Server::script([
        error(401, "InvalidAuthenticationToken"),
        throttled("0"),
        created("Provisioned"),
    ])
    .await;
    post(&server.client(), &assign()).await.unwrap();
    assert_eq!(server.calls().len(), 3);
    assert_eq!(server.sign_ins().len(), 2);
}

#[tokio::test]
async fn a_throttled_write_is_given_up_in_the_end() {
    let server = Server::script([throttled("0")]).await;
    let error = post(&server.client(), &assign()).await.unwrap_err();
    assert!(matches!(error.advice(), Advice::RetryAfter(_)));
    assert_eq!(error.status(), Some(429));
    assert_eq!(server.calls().len(), 3);
}

#[tokio::test]
async fn refusals_reach_the_caller_with_code_and_ids() {
    let server = Server::script([error(400, "RoleAssignmentExists")]).await;
    let error = post(&server.client(), &assign()).await.unwrap_err();
    assert_eq!(error.code(), Some("RoleAssignmentExists"));
    assert_eq!(error.message(), Some("words of Graph"));
    assert_eq!(error.request_id(), Some("req-1"));
    assert_eq!(error.advice(), Advice::ReObserve);
    assert_eq!(
        error.to_string(),
        "Microsoft Graph refused: the grant already exists (RoleAssignmentExists)"
    );
}

#[tokio::test]
async fn a_removal_knows_that_it_is_one() {
    let server = Server::script([error(400, "BadRequest")]).await;
    let client = server.client();
    let removal = post(&client, &remove()).await.unwrap_err();
    assert_eq!(removal.advice(), Advice::ReObserve);
    let grant = post(&client, &assign()).await.unwrap_err();
    assert_eq!(grant.advice(), Advice::GiveUp);
}

#[tokio::test]
async fn a_request_is_cancelled_by_its_own_id() {
    let server = Server::script([Act::Answer(204, vec![], String::new())]).await;
    let client = server.client();
    client
        .cancel_request(ScheduleKind::Assignment, Family::Groups, "q1", Uuid::nil())
        .await
        .unwrap();
    let calls = server.calls();
    assert_eq!(
        calls[0].path,
        "/v1.0/identityGovernance/privilegedAccess/group/assignmentScheduleRequests/q1/cancel"
    );
    assert_eq!(calls[0].body, "");
}
