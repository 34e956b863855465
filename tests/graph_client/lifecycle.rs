use std::time::Duration;

use pim_operator::graph::{
    AccessId, Advice, Expiration, ExpirationType, Family, GraphClient, Listing, MemberType,
    ObjectKind, RequestAction, RequestState, ScheduleInfo, ScheduleKind, Secret,
};
use pim_simulator::Behaviour;
use uuid::Uuid;

use super::setup::{
    ALICE, CLIENT, PAYMENTS_OPS, TENANT, client, config, file, payments_ops, request, simulator,
};

const ELIGIBILITY: ScheduleKind = ScheduleKind::Eligibility;

#[tokio::test]
async fn a_grant_is_made_prolonged_and_taken_away() {
    let simulator = simulator("lifecycle", Behaviour::default()).await;
    let client = client(&simulator);

    let made = file(&client, &request(RequestAction::AdminAssign, Some("P30D")))
        .await
        .unwrap();
    assert_eq!(made.state(), RequestState::Succeeded);
    let rows = client
        .schedules(ELIGIBILITY, Listing::Group(PAYMENTS_OPS))
        .await;
    let row = &rows.unwrap()[0];
    assert_eq!(row.principal_id, ALICE);
    assert_eq!(row.access_id, AccessId::Member);
    assert_eq!(row.member_type, MemberType::Direct);
    assert_eq!(row.created_using.as_ref(), Some(&made.id));
    let expiration = &row.schedule_info.expiration;
    assert_eq!(expiration.kind, ExpirationType::AfterDateTime);
    let first_end = expiration.end_date_time.unwrap();
    let instances = client
        .instances(ELIGIBILITY, Listing::Group(PAYMENTS_OPS))
        .await;
    assert_eq!(
        instances.unwrap()[0].eligibility_schedule_id.as_ref(),
        Some(&row.id)
    );

    let again = file(&client, &request(RequestAction::AdminAssign, Some("P30D"))).await;
    let again = again.unwrap_err();
    assert_eq!(again.code(), Some("RoleAssignmentExists"));
    assert_eq!(again.advice(), Advice::ReObserve);

    file(&client, &request(RequestAction::AdminUpdate, Some("P60D")))
        .await
        .unwrap();
    let rows = client
        .schedules(ELIGIBILITY, Listing::Group(PAYMENTS_OPS))
        .await;
    let rows = rows.unwrap();
    assert_eq!(rows.len(), 1);
    assert!(rows[0].schedule_info.expiration.end_date_time.unwrap() > first_end);

    let removal = file(&client, &request(RequestAction::AdminRemove, None))
        .await
        .unwrap();
    assert_eq!(removal.status, "Revoked");
    assert_eq!(removal.state(), RequestState::Succeeded);
    let rows = client
        .schedules(ELIGIBILITY, Listing::Group(PAYMENTS_OPS))
        .await;
    assert!(rows.unwrap().is_empty());

    let requests = client
        .requests(ELIGIBILITY, &payments_ops(), ALICE)
        .await
        .unwrap();
    assert_eq!(requests.len(), 3);
    simulator.clock().advance(Duration::from_hours(60 * 24));
    let purged = client.request(ELIGIBILITY, Family::Groups, &made.id).await;
    assert_eq!(purged.unwrap(), None);
}

#[tokio::test]
async fn a_future_grant_can_be_cancelled_until_it_starts() {
    let simulator = simulator("cancel", Behaviour::default()).await;
    let client = client(&simulator);
    let mut body = request(RequestAction::AdminAssign, None);
    body.schedule_info = Some(ScheduleInfo {
        start_date_time: Some(simulator.clock().now() + chrono::TimeDelta::days(1)),
        expiration: Expiration::after("P7D"),
    });
    let future = file(&client, &body).await.unwrap();
    assert_eq!(future.status, "Granted");
    client
        .cancel_request(ELIGIBILITY, Family::Groups, &future.id, Uuid::new_v4())
        .await
        .unwrap();
    let cancelled = client
        .request(ELIGIBILITY, Family::Groups, &future.id)
        .await;
    assert_eq!(cancelled.unwrap().unwrap().state(), RequestState::Failed);
    let again = client
        .cancel_request(ELIGIBILITY, Family::Groups, &future.id, Uuid::new_v4())
        .await;
    assert_eq!(again.unwrap_err().advice(), Advice::ReObserve);
}

#[tokio::test]
async fn a_permanent_grant_is_refused_by_the_default_policy_by_name() {
    let simulator = simulator("policy", Behaviour::default()).await;
    let mut body = request(RequestAction::AdminAssign, None);
    body.schedule_info = Some(ScheduleInfo {
        start_date_time: None,
        expiration: Expiration::never(),
    });
    let error = file(&client(&simulator), &body).await.unwrap_err();
    let rules = vec!["ExpirationRule".to_owned()];
    assert_eq!(error.advice(), Advice::FixPolicy { rules });
}

#[tokio::test]
async fn principals_and_groups_are_found_by_every_name() {
    let simulator = simulator("directory", Behaviour::default()).await;
    simulator.admin().add_user("o'brien@contoso.com").unwrap();
    let client = client(&simulator);
    let (alice, brien, nobody, on_call, dynamic, legacy, admins, deployer) = tokio::join!(
        client.user("alice@contoso.com"),
        client.user("o'brien@contoso.com"),
        client.user("nobody@contoso.com"),
        client.groups_by_name("on-call"),
        client.groups_by_name("everyone-in-payments"),
        client.groups_by_name("legacy-operators"),
        client.group("68e55cce-0000-4000-8000-000000000003"),
        client.service_principal_by_app_id("5e4f1ce0-0000-4000-8000-00000000a001"),
    );
    assert_eq!(alice.unwrap().unwrap().id, ALICE);
    assert_eq!(
        brien.unwrap().unwrap().user_principal_name.as_deref(),
        Some("o'brien@contoso.com")
    );
    assert_eq!(nobody.unwrap(), None);
    assert_eq!(on_call.unwrap().len(), 2);
    assert!(dynamic.unwrap()[0].is_dynamic());
    assert!(legacy.unwrap()[0].is_on_premises());
    assert!(admins.unwrap().unwrap().is_role_assignable());
    let deployer = deployer.unwrap().unwrap();
    assert_eq!(deployer.kind, ObjectKind::ServicePrincipal);

    let ids = [
        ALICE,
        PAYMENTS_OPS,
        deployer.id.as_str(),
        &Uuid::nil().to_string(),
    ];
    let found = client
        .objects_by_ids(&ids.map(str::to_owned))
        .await
        .unwrap();
    let mut kinds: Vec<_> = found.into_iter().map(|object| object.kind).collect();
    kinds.sort();
    assert_eq!(
        kinds,
        [
            ObjectKind::User,
            ObjectKind::Group,
            ObjectKind::ServicePrincipal
        ]
    );
    assert_eq!(
        client.group(ALICE).await.unwrap(),
        None,
        "a user is no group"
    );
}

#[tokio::test]
async fn the_client_knows_itself_and_outlives_its_token() {
    let simulator = simulator("token", Behaviour::default()).await;
    let client = client(&simulator);
    let identity = client.identity().await.unwrap();
    assert_eq!(identity.tenant_id, TENANT);
    assert_eq!(identity.app_id, CLIENT);
    assert_eq!(identity.object_id, "11111111-0000-4000-8000-000000000002");
    assert!(
        identity
            .roles
            .iter()
            .any(|role| role == "GroupMember.Read.All")
    );
    // The token ends by the simulator's clock while the client still thinks it good.
    simulator.clock().advance(Duration::from_hours(24));
    file(&client, &request(RequestAction::AdminAssign, Some("P30D")))
        .await
        .unwrap();
    assert_eq!(simulator.traffic().counts().token_requests, 2);
}

#[tokio::test]
async fn a_wrong_secret_is_named_as_such() {
    let simulator = simulator("secret", Behaviour::default()).await;
    let mut config = config(&simulator);
    config.credential = pim_operator::graph::Credential::ClientSecret {
        client_id: CLIENT.to_owned(),
        secret: Secret::new("wrong"),
    };
    let error = GraphClient::new(config)
        .unwrap()
        .identity()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("AADSTS7000215"));
    assert_eq!(error.advice(), Advice::FixCredential);
}
