//! Reading policies: lists and their demands, ids, expansion, pages, and what is not there yet.

use pim_simulator::{Behaviour, Fault, FaultKind, GroupSeed, PolicyPatch};
use serde_json::{Value, json};

use crate::bed::*;
use crate::policy_bed::*;

#[tokio::test]
async fn a_group_has_two_policies_of_seventeen_rules_with_the_documented_defaults() {
    let bed = Bed::new().await;
    let path = format!(
        "{ASSIGNMENTS}?{}&$expand=policy($expand=rules)",
        of_group(OPS)
    );
    let reply = bed.get(&path).await;
    assert!(
        reply
            .text("@odata.context")
            .ends_with("Assignments(policy(rules()))")
    );
    let relationships: Vec<_> = reply
        .items()
        .iter()
        .map(|a| &a["roleDefinitionId"])
        .collect();
    assert_eq!(relationships, ["member", "owner"]);
    for assignment in reply.items() {
        let policy = &assignment["policy"];
        assert_eq!(assignment["policyId"], policy["id"]);
        assert_eq!(policy["lastModifiedDateTime"], Value::Null);
        assert_eq!(
            policy["lastModifiedBy"],
            json!({"displayName": null, "id": null})
        );
        let rules = policy["rules"].as_array().unwrap();
        assert_eq!(rules.len(), 17);
        for (level, required, longest) in [
            ("Admin_Eligibility", true, "P365D"),
            ("Admin_Assignment", true, "P180D"),
            ("EndUser_Assignment", true, "PT8H"),
        ] {
            let expiration = find(rules, &format!("Expiration_{level}"));
            assert_eq!(expiration["isExpirationRequired"], required);
            assert_eq!(expiration["maximumDuration"], longest);
        }
        let approval = &find(rules, "Approval_EndUser_Assignment")["setting"];
        assert_eq!(approval["isApprovalRequired"], false);
        assert_eq!(
            approval["approvalStages"][0]["approvalStageTimeOutInDays"],
            1
        );
        let enabled = |id: &str| find(rules, id)["enabledRules"].clone();
        assert_eq!(enabled("Enablement_Admin_Eligibility"), json!([]));
        assert_eq!(
            enabled("Enablement_Admin_Assignment"),
            json!(["Justification"])
        );
        assert_eq!(
            enabled("Enablement_EndUser_Assignment"),
            json!(["Justification"])
        );
        let mail = find(rules, "Notification_Approver_EndUser_Assignment");
        assert_eq!(mail["notificationLevel"], "All");
        assert_eq!(mail["target"]["caller"], "EndUser");
    }
}

#[tokio::test]
async fn a_role_policy_allows_permanent_grants_and_asks_for_mfa_by_default() {
    let bed = Bed::new().await;
    let path = format!(
        "{ASSIGNMENTS}?{}&$expand=policy($expand=rules)",
        of_role(READER)
    );
    let reply = bed.get(&path).await;
    assert_eq!(reply.items().len(), 1);
    let rules = reply.items()[0]["policy"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), 17);
    for id in [
        "Expiration_Admin_Eligibility",
        "Expiration_Admin_Assignment",
    ] {
        assert_eq!(find(rules, id)["isExpirationRequired"], false);
    }
    assert_eq!(
        find(rules, "Enablement_EndUser_Assignment")["enabledRules"],
        json!(["MultiFactorAuthentication", "Justification"])
    );
}

#[tokio::test]
async fn lists_demand_the_scope_and_its_type() {
    let bed = Bed::new().await;
    for set in [POLICIES, ASSIGNMENTS] {
        for filter in [
            String::new(),
            format!("?$filter=scopeId eq '{OPS}'"),
            "?$filter=scopeType eq 'Group'".to_owned(),
            format!("?$filter=scopeId eq '{OPS}' and scopeType eq 'Subscription'"),
        ] {
            let reply = bed.get(&format!("{set}{filter}")).await;
            reply.refused(400, "UnknownError");
            let inner: Value = serde_json::from_str(reply.message()).unwrap();
            assert_eq!(inner["errorCode"], "MissingProvider");
        }
    }
}

#[tokio::test]
async fn ids_name_scope_and_relationship() {
    let bed = Bed::new().await;
    let reply = bed.get(&format!("{ASSIGNMENTS}?{}", of_group(OPS))).await;
    let owner = &reply.items()[1];
    let policy = owner["policyId"].as_str().unwrap();
    assert!(policy.starts_with(&format!("Group_{OPS}_")), "{policy}");
    assert_eq!(owner["id"], format!("{policy}_owner"));
    let one = bed.get(&format!("{ASSIGNMENTS}/{policy}_owner")).await;
    assert_eq!(one.text("policyId"), policy);
    bed.get(&format!("{ASSIGNMENTS}/{policy}_member"))
        .await
        .refused(404, "ResourceNotFound");
    let by_policy = format!("{ASSIGNMENTS}?{} and policyId eq '{policy}'", of_group(OPS));
    assert_eq!(bed.get(&by_policy).await.items().len(), 1);

    let tenant = pim_simulator::Estate::TENANT;
    for type_ in ["DirectoryRole", "Directory"] {
        let filter = format!("$filter=scopeId eq '/' and scopeType eq '{type_}'");
        let all = bed.get(&format!("{ASSIGNMENTS}?{filter}")).await;
        assert!(all.items().len() > 40);
        let ours = all
            .items()
            .iter()
            .find(|a| a["roleDefinitionId"] == READER)
            .unwrap();
        let policy = ours["policyId"].as_str().unwrap();
        assert!(
            policy.starts_with(&format!("{type_}_{tenant}_")),
            "{policy}"
        );
        assert_eq!(ours["id"], format!("{policy}_{READER}"));
        let read = bed.get(&format!("{POLICIES}/{policy}")).await;
        assert_eq!(
            (read.text("displayName"), read.text("scopeId")),
            (type_, "/")
        );
    }
}

#[tokio::test]
async fn an_invented_policy_id_is_400() {
    let bed = Bed::new().await;
    let tenant = pim_simulator::Estate::TENANT;
    for id in [
        format!("Group_{OPS}_{READER}"),
        format!("DirectoryRole_{tenant}_{OPS}"),
        format!("DirectoryRole_{OPS}_{OPS}"),
        "nonsense".to_owned(),
    ] {
        bed.get(&format!("{POLICIES}/{id}"))
            .await
            .refused(400, "BadRequest");
    }
}

#[tokio::test]
async fn rules_can_be_expanded_selected_and_read_one_by_one() {
    let bed = Bed::new().await;
    let list = format!("{POLICIES}?{}&$expand=rules($select=id)", of_group(OPS));
    let reply = bed.get(&list).await;
    assert_eq!(reply.items().len(), 2);
    let first = &reply.items()[0]["rules"][0];
    assert_eq!(first["id"], "Expiration_Admin_Eligibility");
    assert!(first["maximumDuration"].is_null());
    let policy = member_policy(&bed).await;
    let whole = bed.get(&format!("{POLICIES}/{policy}?$expand=*")).await;
    assert_eq!(whole.body["rules"], whole.body["effectiveRules"]);
    assert_eq!(whole.body["rules"].as_array().unwrap().len(), 17);
    let plain = bed.get(&format!("{POLICIES}/{policy}?$select=id")).await;
    assert_eq!(plain.text("id"), policy);
    assert!(plain.body["displayName"].is_null());
    let effective = bed
        .get(&format!("{POLICIES}/{policy}/effectiveRules"))
        .await;
    assert_eq!(effective.items(), whole.body["rules"].as_array().unwrap());
    let one = format!("{POLICIES}/{policy}/rules/Enablement_EndUser_Assignment");
    assert_eq!(
        bed.get(&one).await.text("id"),
        "Enablement_EndUser_Assignment"
    );
    bed.get(&format!("{POLICIES}/{policy}/rules/Nothing"))
        .await
        .refused(404, "ResourceNotFound");
    let nested = format!(
        "{ASSIGNMENTS}?{}&$select=id&$expand=policy($select=id;$expand=effectiveRules)",
        of_group(OPS)
    );
    let reply = bed.get(&nested).await;
    let item = &reply.items()[0];
    assert!(item["policyId"].is_null() && item["policy"]["displayName"].is_null());
    assert_eq!(
        item["policy"]["effectiveRules"].as_array().unwrap().len(),
        17
    );
    for wrong in [
        "$select=name",
        "$expand=rules",
        "$expand=policy($expand=members)",
    ] {
        bed.get(&format!("{ASSIGNMENTS}?{}&{wrong}", of_group(OPS)))
            .await
            .refused(400, "BadRequest");
    }
}

#[tokio::test]
async fn the_policies_of_all_roles_come_in_pages() {
    let bed = Bed::with(Behaviour {
        pim_page_size: Some(20),
        ..Behaviour::default()
    })
    .await;
    let mut path = format!(
        "{ASSIGNMENTS}?$filter=scopeId eq '/' and scopeType eq 'DirectoryRole'&$expand=policy($expand=rules)"
    );
    let mut roles = std::collections::HashSet::new();
    let mut pages = 0;
    loop {
        let reply = bed.get(&path).await;
        pages += 1;
        for item in reply.items() {
            assert_eq!(item["policy"]["rules"].as_array().unwrap().len(), 17);
            assert!(roles.insert(item["roleDefinitionId"].as_str().unwrap().to_owned()));
        }
        match reply.body["@odata.nextLink"].as_str() {
            Some(next) => next.clone_into(&mut path),
            None => break,
        }
    }
    assert!(pages > 3 && roles.len() > 60 && roles.contains(GLOBAL_ADMINISTRATOR));
}

#[tokio::test]
async fn a_new_group_is_404_for_some_reads_then_its_rules_are() {
    let bed = Bed::with(Behaviour {
        new_group_policy_lag: std::time::Duration::from_secs(10),
        new_group_policy_not_found_reads: 2,
        new_group_rules_not_found_reads: 1,
        ..Behaviour::default()
    })
    .await;
    let seed = GroupSeed {
        display_name: "fresh".to_owned(),
        ..GroupSeed::default()
    };
    let group = bed.simulator.admin().add_group(seed).unwrap();
    let list = format!("{ASSIGNMENTS}?{}", of_group(&group));
    bed.get(&list).await.refused(404, "ResourceNotFound");
    bed.advance(11);
    for _ in 0..2 {
        bed.get(&list).await.refused(404, "ResourceNotFound");
    }
    let policy = bed.get(&list).await.items()[0]["policyId"]
        .as_str()
        .unwrap()
        .to_owned();
    bed.get(&format!("{POLICIES}/{policy}/rules"))
        .await
        .refused(404, "ResourceNotFound");
    assert_eq!(rules(&bed, &policy).await.len(), 17);
    let nobody = format!("{ASSIGNMENTS}?{}", of_group(GLOBAL_ADMINISTRATOR));
    bed.get(&nobody).await.refused(404, "ResourceNotFound");
}

#[tokio::test]
async fn policies_of_a_deleted_group_can_be_read_but_not_changed() {
    let bed = Bed::new().await;
    let policy = member_policy(&bed).await;
    bed.simulator.admin().delete(OPS).unwrap();
    assert_eq!(rules(&bed, &policy).await.len(), 17);
    let change = rule(
        "Expiration_EndUser_Assignment",
        json!({"maximumDuration": "PT1H"}),
    );
    patch(&bed, &policy, &[change])
        .await
        .refused(404, "ResourceNotFound");
}

#[tokio::test]
async fn replicas_disagree_for_some_seconds_after_a_change() {
    let bed = Bed::with(Behaviour {
        policy_read_lag: std::time::Duration::from_secs(10),
        ..Behaviour::default()
    })
    .await;
    let policy = policy_id(&bed, &of_role(READER)).await;
    let change = rule(
        "Expiration_EndUser_Assignment",
        json!({"maximumDuration": "PT1H"}),
    );
    assert_eq!(patch_rule(&bed, &policy, change).await.status, 204);
    let mut seen = Vec::new();
    for _ in 0..4 {
        let rules = rules(&bed, &policy).await;
        seen.push(find(&rules, "Expiration_EndUser_Assignment")["maximumDuration"].clone());
    }
    assert_eq!(seen, ["PT8H", "PT1H", "PT8H", "PT1H"]);
    bed.advance(10);
    for _ in 0..2 {
        let rules = rules(&bed, &policy).await;
        assert_eq!(
            find(&rules, "Expiration_EndUser_Assignment")["maximumDuration"],
            "PT1H"
        );
    }
}

#[tokio::test]
async fn unknown_rules_are_shown_and_survive() {
    let bed = Bed::unlogged().await;
    let extension = json!({
        "@odata.type": format!("{PREFIX}CustomExtensionRule"),
        "id": "CustomExtension_EndUser_Assignment",
        "customExtensions": [],
    });
    bed.simulator
        .admin()
        .set_role_policy("Global Reader", PolicyPatch::rule(extension.clone()))
        .unwrap();
    let policy = policy_id(&bed, &of_role(READER)).await;
    let change = rule(
        "Expiration_EndUser_Assignment",
        json!({"maximumDuration": "PT1H"}),
    );
    assert_eq!(patch(&bed, &policy, &[change]).await.status, 200);
    let rules = rules(&bed, &policy).await;
    assert_eq!(rules.len(), 18);
    assert_eq!(
        find(&rules, "CustomExtension_EndUser_Assignment"),
        &extension
    );
}

#[tokio::test]
async fn an_ordered_stale_read_misses_the_last_change_and_no_other() {
    let bed = Bed::new().await;
    let change = |longest: &str| {
        rule(
            "Expiration_EndUser_Assignment",
            json!({"maximumDuration": longest}),
        )
    };
    let [reader, global] = [READER, GLOBAL_ADMINISTRATOR].map(of_role);
    let (reader, global) = (
        policy_id(&bed, &reader).await,
        policy_id(&bed, &global).await,
    );
    for policy in [&reader, &global] {
        patch_rule(&bed, policy, change("PT1H")).await;
    }
    for (policy, longest) in [(&reader, "PT1H"), (&global, "PT8H")] {
        bed.simulator
            .faults()
            .add(Fault::new(FaultKind::StaleRead).path("/policies/"));
        let rules = rules(&bed, policy).await;
        let expiration = find(&rules, "Expiration_EndUser_Assignment");
        assert_eq!(expiration["maximumDuration"], longest);
    }
}

#[tokio::test]
async fn a_role_of_the_tenant_has_a_policy_under_its_own_id() {
    let auditor = "c0570000-0000-4000-8000-000000000001";
    let bed = Bed::new().await;
    let policy = policy_id(&bed, &of_role(auditor)).await;
    assert_eq!(rules(&bed, &policy).await.len(), 17);
    let view = bed
        .simulator
        .role_policy("Group Membership Auditor")
        .unwrap();
    assert_eq!(view.id, policy);
}
