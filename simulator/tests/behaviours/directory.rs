//! Users, groups, service principals, members.

use pim_simulator::Access;
use serde_json::{Value, json};

use crate::bed::*;

fn ids(reply: &Reply) -> Vec<&str> {
    reply
        .items()
        .iter()
        .map(|item| item["id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn users_are_found_by_id_and_by_sign_in_name() {
    let bed = Bed::new().await;
    for key in [
        ALICE,
        "alice@contoso.com",
        "ALICE@contoso.com",
        "alice%40contoso.com",
    ] {
        assert_eq!(
            bed.get(&format!("/v1.0/users/{key}")).await.text("id"),
            ALICE
        );
    }
    let path = "/v1.0/users?$filter=userPrincipalName eq 'bob@contoso.com'&$select=id";
    assert_eq!(ids(&bed.get(path).await), [BOB]);
    let nobody = bed.get("/v1.0/users/nobody@contoso.com").await;
    nobody.refused(404, "Request_ResourceNotFound");
    assert!(
        nobody
            .message()
            .starts_with("Resource 'nobody@contoso.com' does not exist")
    );
}

#[tokio::test]
async fn group_names_are_not_unique_and_compare_without_case() {
    let bed = Bed::new().await;
    let both = bed
        .get("/v1.0/groups?$filter=displayName eq 'On-Call'")
        .await;
    assert_eq!(both.items().len(), 2);
    let one = bed
        .get("/v1.0/groups?$filter=displayName eq 'payments-ops'")
        .await;
    assert_eq!(ids(&one), [OPS]);
}

#[tokio::test]
async fn a_quote_doubled_and_percent_encoded_filter_works() {
    let bed = Bed::new().await;
    let path = "/v1.0/groups?%24filter=displayName%20eq%20%27R%26D%27%27s%20auditors%27";
    assert_eq!(bed.get(path).await.items().len(), 1);
    let naive = "/v1.0/groups?$filter=displayName eq 'R%26D's auditors'";
    bed.get(naive).await.refused(400, "BadRequest");
}

#[tokio::test]
async fn is_assignable_to_role_is_null_on_plain_groups() {
    let bed = Bed::new().await;
    assert!(bed.get(&format!("/v1.0/groups/{OPS}")).await.body["isAssignableToRole"].is_null());
    assert_eq!(
        bed.get(&format!("/v1.0/groups/{ADMINS}")).await.body["isAssignableToRole"],
        true
    );
}

#[tokio::test]
async fn a_users_id_under_groups_answers_404() {
    let bed = Bed::new().await;
    bed.get(&format!("/v1.0/groups/{ALICE}"))
        .await
        .refused(404, "Request_ResourceNotFound");
    bed.get("/v1.0/groups/payments-ops")
        .await
        .refused(400, "Request_BadRequest");
}

#[tokio::test]
async fn v1_members_leave_service_principals_out_unless_cast() {
    let bed = Bed::new().await;
    let admin = bed.simulator.admin();
    admin.add_member(OPS, ALICE, Access::Member).unwrap();
    admin.add_member(OPS, DEPLOYER, Access::Member).unwrap();
    let path = format!("groups/{OPS}/members");
    assert_eq!(ids(&bed.get(&format!("/v1.0/{path}")).await), [ALICE]);
    let cast = format!("/v1.0/{path}/microsoft.graph.servicePrincipal");
    assert_eq!(ids(&bed.get(&cast).await), [DEPLOYER]);
    assert_eq!(bed.get(&format!("/beta/{path}")).await.items().len(), 2);
}

#[tokio::test]
async fn members_owners_and_nesting() {
    let bed = Bed::new().await;
    bed.simulator
        .admin()
        .add_member(OPS, APPROVERS, Access::Member)
        .unwrap();
    let direct = bed.get(&format!("/v1.0/groups/{OPS}/members")).await;
    assert_eq!(ids(&direct), [APPROVERS]);
    assert_eq!(direct.items()[0]["@odata.type"], "#microsoft.graph.group");
    let through = bed
        .get(&format!("/v1.0/groups/{OPS}/transitiveMembers"))
        .await;
    assert_eq!(through.items().len(), 3, "the group, Grace and Heidi");
    let owners = bed.get(&format!("/v1.0/groups/{OPS}/owners")).await;
    assert_eq!(ids(&owners), [LEAD]);
    let grace = "64ace000-0000-4000-8000-000000000007";
    let groups = bed
        .post(
            &format!("/v1.0/directoryObjects/{grace}/getMemberGroups"),
            json!({"securityEnabledOnly": false}),
        )
        .await;
    assert_eq!(groups.items().len(), 2);
}

#[tokio::test]
async fn service_principals_are_found_by_app_id() {
    let bed = Bed::new().await;
    let app = "5e4f1ce0-0000-4000-8000-00000000a001";
    let one = bed
        .get(&format!("/v1.0/servicePrincipals(appId='{app}')"))
        .await;
    assert_eq!(one.text("id"), DEPLOYER);
    let list = bed
        .get(&format!("/v1.0/servicePrincipals?$filter=appId eq '{app}'"))
        .await;
    assert_eq!(ids(&list), [DEPLOYER]);
}

#[tokio::test]
async fn get_by_ids_leaves_unknown_ids_out() {
    let bed = Bed::new().await;
    let unknown = "00000000-0000-4000-8000-00000000dead";
    let body = json!({"ids": [ALICE, OPS, DEPLOYER, unknown]});
    let all = bed.post("/v1.0/directoryObjects/getByIds", body).await;
    assert_eq!(ids(&all), [ALICE, OPS, DEPLOYER]);
    let body = json!({"ids": [ALICE, OPS], "types": ["user"]});
    assert_eq!(
        ids(&bed.post("/v1.0/directoryObjects/getByIds", body).await),
        [ALICE]
    );
    let many: Vec<Value> = (0..1001).map(|_| json!(ALICE)).collect();
    let reply = bed
        .post("/v1.0/directoryObjects/getByIds", json!({"ids": many}))
        .await;
    reply.refused(400, "Request_BadRequest");
    let one = bed.get(&format!("/v1.0/directoryObjects/{OPS}")).await;
    assert_eq!(one.text("@odata.type"), "#microsoft.graph.group");
}

#[tokio::test]
async fn directory_lists_page_and_refuse_advanced_queries_without_the_header() {
    let bed = Bed::new().await;
    let first = bed.get("/v1.0/users?$top=5&$select=id").await;
    assert_eq!(first.items().len(), 5);
    let second = bed.get(first.text("@odata.nextLink")).await;
    assert_eq!(second.items().len(), 5);
    assert_ne!(first.items()[0], second.items()[0]);
    let path = "/v1.0/users?$filter=displayName ne 'Alice'&$count=true";
    bed.get(path).await.refused(400, "Request_UnsupportedQuery");
    let url = format!("{}{path}", bed.simulator.url());
    let request = bed
        .client
        .get(url)
        .bearer_auth(&bed.token)
        .header("ConsistencyLevel", "eventual");
    let advanced = reply(request.send().await.unwrap()).await;
    assert_eq!(advanced.body["@odata.count"], 12);
    let sorted = bed
        .get("/v1.0/groups?$orderby=displayName desc&$top=1&$select=displayName")
        .await;
    assert_eq!(sorted.items()[0]["displayName"], "R&D's auditors");
}

#[tokio::test]
async fn deleted_objects_are_gone_from_the_directory() {
    let bed = Bed::new().await;
    bed.simulator
        .admin()
        .add_member(OPS, ALICE, Access::Member)
        .unwrap();
    bed.simulator
        .admin()
        .remove_user("alice@contoso.com")
        .unwrap();
    bed.get(&format!("/v1.0/users/{ALICE}"))
        .await
        .refused(404, "Request_ResourceNotFound");
    assert!(
        bed.get(&format!("/v1.0/groups/{OPS}/members"))
            .await
            .items()
            .is_empty()
    );
}
