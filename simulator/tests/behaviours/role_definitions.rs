//! Role definitions and administrative units.

use pim_simulator::Operation;
use serde_json::{Value, json};

use crate::bed::*;
use crate::role_bed::*;

async fn names(bed: &Bed, query: &str) -> Vec<String> {
    let reply = bed.get(&format!("{ROLES}/roleDefinitions{query}")).await;
    let names = reply.items().iter().map(|role| role["displayName"].clone());
    names
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect()
}

#[tokio::test]
async fn built_in_roles_have_their_template_id_and_custom_ones_their_own() {
    let bed = Bed::new().await;
    let built_in = bed
        .get(&format!("{ROLES}/roleDefinitions/{USER_ADMINISTRATOR}"))
        .await;
    assert_eq!(built_in.text("templateId"), USER_ADMINISTRATOR);
    assert_eq!(built_in.body["isBuiltIn"], true);
    assert!(built_in.body.get("isPrivileged").is_none(), "beta only");
    let custom = bed.get(&format!("{ROLES}/roleDefinitions/{AUDITOR}")).await;
    assert_eq!(custom.text("displayName"), "Group Membership Auditor");
    assert_eq!(custom.body["isBuiltIn"], false);
    assert_eq!(names(&bed, "?$filter=isBuiltIn eq false").await.len(), 1);
    assert!(names(&bed, "").await.len() > 80);
    let selected = bed
        .get(&format!(
            "{ROLES}/roleDefinitions?$select=id,displayName&$filter=isBuiltIn eq false"
        ))
        .await;
    let row = json!({"id": AUDITOR, "displayName": "Group Membership Auditor"});
    assert_eq!(selected.items(), &vec![row]);
    bed.get(&format!("{ROLES}/roleDefinitions/{ALICE}"))
        .await
        .refused(404, "Request_ResourceNotFound");
}

#[tokio::test]
async fn role_names_compare_with_their_case_and_or_is_refused() {
    let bed = Bed::new().await;
    let by = |name: &str| format!("?$filter=displayName eq '{name}'");
    assert_eq!(names(&bed, &by("User Administrator")).await.len(), 1);
    assert!(names(&bed, &by("user administrator")).await.is_empty());
    let reply = bed
        .get(&format!(
            "{ROLES}/roleDefinitions?$filter=displayName eq 'a' or displayName eq 'b'"
        ))
        .await;
    reply.refused(400, "Request_UnsupportedQuery");
    assert_eq!(
        reply.message(),
        "Or operator not supported for this entity set."
    );
}

#[tokio::test]
async fn a_rename_by_microsoft_leaves_the_id_and_the_grants() {
    let bed = Bed::new().await;
    bed.role(ELIGIBLE, "adminAssign", none())
        .await
        .is("Provisioned");
    let deed = json!({"do": "renameRole", "role": "User Administrator", "displayName": "People Administrator"});
    assert_eq!(bed.post("/_simulator/estate", deed).await.status, 200);
    let by = |name: &str| format!("?$filter=displayName eq '{name}'");
    assert!(names(&bed, &by("User Administrator")).await.is_empty());
    assert_eq!(names(&bed, &by("People Administrator")).await.len(), 1);
    let rows = bed.alices(ELIGIBLE).await;
    assert_eq!(rows[0]["roleDefinitionId"], USER_ADMINISTRATOR);
}

#[tokio::test]
async fn a_new_custom_role_is_unknown_for_a_while_and_a_deleted_one_is_gone() {
    let bed = Bed::unlogged().await;
    bed.simulator
        .set_behaviour(|b| b.new_principal_lag = std::time::Duration::from_secs(20));
    let deed = serde_json::from_value::<Operation>(
        json!({"do": "addRoleDefinition", "displayName": "Fresh"}),
    );
    let admin = bed.simulator.admin();
    let id = admin.apply(deed.unwrap()).unwrap();
    let with = json!({"roleDefinitionId": id});
    bed.role(ELIGIBLE, "adminAssign", with.clone())
        .await
        .refused(404, "RoleNotFound");
    bed.advance(20);
    bed.role(ELIGIBLE, "adminAssign", with.clone())
        .await
        .is("Provisioned");
    admin
        .apply(Operation::DeleteRole { role: id.clone() })
        .unwrap();
    bed.role(ELIGIBLE, "adminUpdate", with)
        .await
        .refused(400, "RoleNotFound");
    bed.get(&format!("{ROLES}/roleDefinitions/{id}"))
        .await
        .refused(404, "Request_ResourceNotFound");
}

#[tokio::test]
async fn administrative_units_are_found_by_name_and_list_their_members() {
    let bed = Bed::new().await;
    let units = "/v1.0/directory/administrativeUnits";
    assert_eq!(bed.get(units).await.items().len(), 2);
    let found = bed
        .get(&format!(
            "{units}?$filter=displayName eq 'sales emea'&$select=id,displayName"
        ))
        .await;
    assert_eq!(
        found.items(),
        &vec![json!({"id": SALES_EMEA, "displayName": "Sales EMEA"})]
    );
    assert_eq!(
        bed.get(&format!("{units}/{SALES_EMEA}"))
            .await
            .text("displayName"),
        "Sales EMEA"
    );
    let members = bed.get(&format!("{units}/{SALES_EMEA}/members")).await;
    let types: Vec<&Value> = members.items().iter().map(|m| &m["@odata.type"]).collect();
    assert_eq!(types, vec!["#microsoft.graph.user"; 3]);
    bed.get(&format!("{units}/{ALICE}"))
        .await
        .refused(404, "Request_ResourceNotFound");
    bed.get("/v1.0/administrativeUnits")
        .await
        .refused(400, "BadRequest");
    let object = format!("/v1.0/directoryObjects/{SALES_EMEA}");
    assert_eq!(
        bed.get(&object).await.text("@odata.type"),
        "#microsoft.graph.administrativeUnit"
    );
    let rename: Operation = serde_json::from_value(
        json!({"do": "alterAdministrativeUnit", "unit": "Sales EMEA", "displayName": "Sales Europe", "members": []}),
    )
    .unwrap();
    bed.simulator.admin().apply(rename).unwrap();
    assert!(
        bed.get(&format!("{units}/{SALES_EMEA}/members"))
            .await
            .items()
            .is_empty()
    );
}

#[tokio::test]
async fn only_beta_says_which_roles_are_privileged() {
    let bed = Bed::unlogged().await;
    for (version, told) in [("v1.0", false), ("beta", true)] {
        let path = format!("/{version}/roleManagement/directory/roleDefinitions");
        let role = bed.get(&format!("{path}/{GLOBAL_ADMINISTRATOR}")).await;
        assert_eq!(role.body.get("isPrivileged").is_some(), told);
    }
}
