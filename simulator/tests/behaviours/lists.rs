//! What lists of PIM rows and requests take and give.

use pim_simulator::{Access, Behaviour, GroupExpansion, UnfilteredList, Window};
use serde_json::json;

use crate::bed::*;

#[tokio::test]
async fn a_list_without_group_or_principal_is_refused() {
    let bed = Bed::new().await;
    for set in ["Schedules", "ScheduleInstances", "ScheduleRequests"] {
        let path = format!("{PIM}/eligibility{set}");
        bed.get(&path).await.refused(400, "BadRequest");
        bed.get(&format!("{path}?$filter=accessId eq 'member'"))
            .await
            .refused(400, "BadRequest");
    }
    let empty = UnfilteredList::Empty;
    let bed = Bed::with(Behaviour {
        unfiltered_list: empty,
        ..Behaviour::default()
    })
    .await;
    bed.admin(ELIGIBLE, "adminAssign", none()).await;
    assert!(
        bed.get(&format!("{PIM}/eligibilityScheduleRequests"))
            .await
            .items()
            .is_empty()
    );
}

#[tokio::test]
async fn filters_that_clients_use_work_with_and_without_the_dollar_sign() {
    let bed = Bed::new().await;
    bed.admin(ELIGIBLE, "adminAssign", none()).await;
    bed.admin(
        ELIGIBLE,
        "adminAssign",
        json!({"principalId": BOB, "accessId": "owner"}),
    )
    .await;
    let count = async |filter: &str| {
        let path = format!("{PIM}/eligibilitySchedules?{filter}");
        bed.get(&path).await.items().len()
    };
    assert_eq!(count(&format!("$filter=groupId eq '{OPS}'")).await, 2);
    assert_eq!(count(&format!("filter=groupId eq '{OPS}'")).await, 2);
    assert_eq!(
        count(&format!(
            "$filter=groupId eq '{OPS}' and principalId eq '{ALICE}'"
        ))
        .await,
        1
    );
    assert_eq!(
        count(&format!(
            "$filter=groupId eq '{OPS}' and accessId eq 'member'"
        ))
        .await,
        1
    );
    assert_eq!(
        count(&format!(
            "$filter=groupId eq '{OPS}' and accessId ne 'member'"
        ))
        .await,
        1
    );
    assert_eq!(count(&format!("$filter=principal/id eq '{BOB}'")).await, 1);
    assert_eq!(
        count(&format!(
            "$filter=group/id eq '{OPS}' and startswith(principal/displayName,'al')"
        ))
        .await,
        1
    );
    assert_eq!(
        count(&format!("%24filter=groupId%20eq%20%27{OPS}%27")).await,
        2
    );
}

#[tokio::test]
async fn unsupported_options_are_refused() {
    let bed = Bed::new().await;
    let path = format!("{PIM}/eligibilitySchedules?$filter=groupId eq '{OPS}'");
    for (option, code) in [
        ("or groupId eq 'x'", "Request_UnsupportedQuery"),
        ("and justification eq 'x'", "BadRequest"),
        (
            "and createdDateTime gt 2026-01-01T00:00:00Z",
            "Request_UnsupportedQuery",
        ),
    ] {
        bed.get(&format!("{path} {option}"))
            .await
            .refused(400, code);
    }
    for (option, code) in [
        ("$skip=1", "Request_UnsupportedQuery"),
        ("$search=x", "Request_UnsupportedQuery"),
        ("$count=true", "Request_UnsupportedQuery"),
        ("$orderby=status", "Request_UnsupportedQuery"),
        ("$select=nothing", "BadRequest"),
        ("$expand=nothing", "BadRequest"),
        ("$apply=x", "BadRequest"),
    ] {
        bed.get(&format!("{path}&{option}"))
            .await
            .refused(400, code);
    }
}

#[tokio::test]
async fn select_keeps_what_it_names_and_the_context_says_so() {
    let bed = Bed::new().await;
    bed.admin(ELIGIBLE, "adminAssign", none()).await;
    let path = format!("{PIM}/eligibilitySchedules?$filter=groupId eq '{OPS}'&$select=id,status");
    let reply = bed.get(&path).await;
    assert_eq!(reply.items()[0].as_object().unwrap().len(), 2);
    assert!(
        reply
            .text("@odata.context")
            .ends_with("/eligibilitySchedules(id,status)")
    );
}

#[tokio::test]
async fn expand_gives_group_and_principal() {
    let bed = Bed::new().await;
    let made = bed.admin(ELIGIBLE, "adminAssign", none()).await;
    let path = format!(
        "{PIM}/eligibilitySchedules?$filter=groupId eq '{OPS}'&$expand=group($select=id,displayName),principal"
    );
    let reply = bed.get(&path).await;
    assert_eq!(reply.items()[0]["group"]["displayName"], "payments-ops");
    assert_eq!(
        reply.items()[0]["principal"]["userPrincipalName"],
        "alice@contoso.com"
    );
    let one = format!(
        "{PIM}/eligibilityScheduleRequests/{}?$expand=targetSchedule",
        made.text("id")
    );
    assert_eq!(
        bed.get(&one).await.body["targetSchedule"]["id"],
        made.text("targetScheduleId")
    );
}

#[tokio::test]
async fn an_expanded_group_may_be_null_or_absent() {
    for (expansion, present) in [
        (GroupExpansion::Null, true),
        (GroupExpansion::Absent, false),
    ] {
        let bed = Bed::with(Behaviour {
            group_expansion: expansion,
            ..Behaviour::default()
        })
        .await;
        bed.admin(ELIGIBLE, "adminAssign", none()).await;
        let path = format!("{PIM}/eligibilitySchedules?$filter=groupId eq '{OPS}'&$expand=group");
        let reply = bed.get(&path).await;
        let row = reply.items()[0].as_object().unwrap();
        assert_eq!(row.contains_key("group"), present);
        assert!(row.get("group").is_none_or(serde_json::Value::is_null));
    }
}

#[tokio::test]
async fn pages_are_linked_with_an_opaque_token_on_the_same_host() {
    let bed = Bed::with(Behaviour {
        pim_page_size: Some(2),
        ..Behaviour::default()
    })
    .await;
    for principal in [ALICE, BOB, CAROL, LEAD, DEPLOYER] {
        bed.admin(ELIGIBLE, "adminAssign", json!({"principalId": principal}))
            .await
            .is("Provisioned");
    }
    let mut next =
        format!("{PIM}/eligibilitySchedules?$filter=groupId eq '{OPS}'&$select=principalId");
    let (mut seen, mut pages) = (Vec::new(), 0);
    while !next.is_empty() {
        let reply = bed.get(&next).await;
        pages += 1;
        seen.extend(reply.items().iter().map(|row| row["principalId"].clone()));
        reply.text("@odata.nextLink").clone_into(&mut next);
        let same_host = next.starts_with(&bed.simulator.url()) && next.contains("$skiptoken=");
        assert!(next.is_empty() || same_host, "{next}");
    }
    assert_eq!((seen.len(), pages), (5, 3));
    assert_eq!(seen[0], ALICE);
    let broken =
        format!("{PIM}/eligibilitySchedules?$filter=groupId eq '{OPS}'&$skiptoken=invented");
    bed.get(&broken).await.refused(400, "BadRequest");
}

#[tokio::test]
async fn requests_sort_by_creation_and_filter_by_target_schedule() {
    let bed = Bed::new().await;
    let first = bed.admin(ELIGIBLE, "adminAssign", none()).await;
    bed.advance(5);
    let second = bed.admin(ELIGIBLE, "adminUpdate", none()).await;
    let base = format!("{PIM}/eligibilityScheduleRequests?$filter=groupId eq '{OPS}'");
    let newest = bed
        .get(&format!("{base}&$orderby=createdDateTime desc&$top=1"))
        .await;
    assert_eq!(newest.items()[0]["id"], second.body["id"]);
    let rest = bed.get(newest.text("@odata.nextLink")).await;
    assert_eq!(rest.items()[0]["id"], first.body["id"]);
    let by_target = format!(
        "{base} and targetScheduleId eq '{}'",
        first.text("targetScheduleId")
    );
    assert_eq!(bed.get(&by_target).await.items()[0]["id"], first.body["id"]);
    let pending = format!("{base} and status eq 'PendingApproval'");
    assert!(bed.get(&pending).await.items().is_empty());
}

#[tokio::test]
async fn rows_held_through_a_group_appear_only_when_the_principal_is_named() {
    let bed = Bed::new().await;
    let admin = bed.simulator.admin();
    admin.add_member(APPROVERS, ALICE, Access::Member).unwrap();
    admin
        .assign(ELIGIBLE, OPS, APPROVERS, Access::Member, Window::days(30))
        .unwrap();
    let rows = bed.pim_rows(ELIGIBLE, "Schedules").await;
    assert_eq!(
        (rows.len(), &rows[0]["principalId"]),
        (1, &json!(APPROVERS))
    );
    let path = format!("{PIM}/eligibilitySchedules?$filter=principalId eq '{ALICE}'");
    let reply = bed.get(&path).await;
    assert_eq!(reply.items().len(), 1);
    assert_eq!(reply.items()[0]["memberType"], "group");
    assert_eq!(reply.items()[0]["groupId"], OPS);
}

#[tokio::test]
async fn unknown_segments_and_methods_are_refused() {
    let bed = Bed::new().await;
    let unknown = bed.get(&format!("{PIM}/roleAssignmentApprovals")).await;
    unknown.refused(400, "BadRequest");
    assert_eq!(
        unknown.message(),
        "Resource not found for the segment 'roleAssignmentApprovals'."
    );
    let patch = bed
        .send(
            reqwest::Method::DELETE,
            &format!("{PIM}/eligibilitySchedules/x"),
            None,
        )
        .await;
    assert_eq!(patch.status, 405);
}

#[tokio::test]
async fn answers_carry_the_ids_and_headers_of_graph() {
    let bed = Bed::new().await;
    let reply = bed.get("/v1.0/nothing").await;
    reply.refused(400, "BadRequest");
    let header = |name: &str| reply.headers[name].to_str().unwrap().to_owned();
    let inner = &reply.body["error"]["innerError"];
    assert_eq!(inner["request-id"], header("request-id").as_str());
    assert_eq!(
        inner["client-request-id"],
        header("client-request-id").as_str()
    );
    assert!(!inner["date"].as_str().unwrap().ends_with('Z'));
    assert!(header("x-ms-ags-diagnostic").contains("DataCenter"));
}
