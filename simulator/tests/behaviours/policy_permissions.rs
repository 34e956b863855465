//! Who may read and change policies and authentication contexts.

use pim_simulator::DelegatedToken;
use serde_json::json;

use crate::bed::*;
use crate::policy_bed::*;

#[tokio::test]
async fn policies_of_groups_and_roles_need_permissions_of_their_own() {
    let mut bed = Bed::unlogged().await;
    let (group, role) = (
        member_policy(&bed).await,
        policy_id(&bed, &of_role(READER)).await,
    );
    let change = || {
        rule(
            "Expiration_EndUser_Assignment",
            json!({"maximumDuration": "PT1H"}),
        )
    };
    for (permission, reads, writes) in [
        (
            "RoleManagementPolicy.Read.AzureADGroup",
            (true, false),
            (false, false),
        ),
        (
            "RoleManagementPolicy.ReadWrite.AzureADGroup",
            (true, false),
            (true, false),
        ),
        (
            "RoleManagementPolicy.Read.Directory",
            (false, true),
            (false, false),
        ),
        (
            "RoleManagementPolicy.ReadWrite.Directory",
            (false, true),
            (false, true),
        ),
        (
            "RoleManagement.Read.Directory",
            (false, true),
            (false, false),
        ),
        ("RoleManagement.Read.All", (false, true), (false, false)),
        (
            "RoleManagement.ReadWrite.Directory",
            (false, true),
            (false, true),
        ),
        ("Directory.Read.All", (false, false), (false, false)),
    ] {
        bed.simulator
            .admin()
            .set_app_roles(OPERATOR, &[permission])
            .unwrap();
        bed.sign_in().await;
        for (policy, filter, read, write) in [
            (&group, of_group(OPS), reads.0, writes.0),
            (&role, of_role(READER), reads.1, writes.1),
        ] {
            let replies = [
                (bed.get(&format!("{ASSIGNMENTS}?{filter}")).await, read),
                (bed.get(&format!("{POLICIES}/{policy}")).await, read),
                (bed.get(&format!("{POLICIES}/{policy}/rules")).await, read),
                (patch(&bed, policy, &[change()]).await, write),
                (patch_rule(&bed, policy, change()).await, write),
            ];
            for (reply, allowed) in replies {
                if allowed {
                    assert!(reply.status < 300, "{permission}: {:?}", reply.body);
                } else {
                    reply.refused(403, "Authorization_RequestDenied");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_person_changes_policies_of_owned_groups_and_a_role_manager_those_of_roles() {
    let bed = Bed::new().await;
    let policy = member_policy(&bed).await;
    let scopes = [
        "RoleManagementPolicy.ReadWrite.AzureADGroup",
        "RoleManagementPolicy.ReadWrite.Directory",
    ]
    .map(str::to_owned)
    .to_vec();
    let person = |user: &str| {
        bed.person(&DelegatedToken {
            scopes: scopes.clone(),
            ..DelegatedToken::of(user)
        })
    };
    let change = || {
        rule(
            "Expiration_EndUser_Assignment",
            json!({"maximumDuration": "PT1H"}),
        )
    };
    let (bob, lead) = (person("bob@contoso.com"), person("lead@contoso.com"));
    patch(&bob, &policy, &[change()])
        .await
        .refused(403, "UnauthorizedAccessException");
    let reply = patch(&lead, &policy, &[change()]).await;
    assert_eq!(reply.body["lastModifiedBy"]["displayName"], "Lead");
    // Lead is Global Administrator of the story.
    let role = policy_id(&bed, &of_role(READER)).await;
    patch(&bob, &role, &[change()])
        .await
        .refused(403, "UnauthorizedAccessException");
    assert_eq!(patch(&lead, &role, &[change()]).await.status, 200);
}

#[tokio::test]
async fn authentication_contexts_are_listed_to_those_who_may_see_them() {
    let mut bed = Bed::new().await;
    let set = "/v1.0/identity/conditionalAccess/authenticationContextClassReferences";
    let reply = bed.get(set).await;
    let first = json!({
        "id": "c1", "displayName": "Phishing-resistant",
        "description": "A security key or a passkey", "isAvailable": true,
    });
    assert_eq!(reply.items()[0], first);
    let available = bed.get(&format!("{set}?$filter=isAvailable eq true")).await;
    assert_eq!(available.items().len(), 1);
    assert_eq!(
        bed.get(&format!("{set}/c2")).await.body["isAvailable"],
        false
    );
    bed.get(&format!("{set}/c9"))
        .await
        .refused(404, "Request_ResourceNotFound");
    for (permission, status) in [
        ("Policy.Read.ConditionalAccess", 200),
        ("User.Read.All", 403),
    ] {
        bed.simulator
            .admin()
            .set_app_roles(OPERATOR, &[permission])
            .unwrap();
        bed.sign_in().await;
        assert_eq!(bed.get(set).await.status, status);
    }
}
