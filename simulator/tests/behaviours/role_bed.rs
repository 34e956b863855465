//! What tests of directory roles share: names of the story, request bodies, rows.

use pim_simulator::{DelegatedToken, Kind};
use serde_json::{Value, json};

use crate::bed::*;

pub const ROLES: &str = "/v1.0/roleManagement/directory";
pub const USER_ADMINISTRATOR: &str = "fe930be7-5e62-47db-91af-98c3a49a38b1";
pub const GLOBAL_ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";
pub const GLOBAL_READER: &str = "f2ef992c-3afb-46b9-b7cf-a126ee74c451";
pub const APPLICATION_ADMINISTRATOR: &str = "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3";
pub const HELPDESK: &str = "729827e3-9c14-49f7-bb1b-9608f156bbb8";
pub const AUDITOR: &str = "c0570000-0000-4000-8000-000000000001";
pub const HELPDESK_EMEA: &str = "68e55cce-0000-4000-8000-000000000009";
pub const SALES_EMEA: &str = "a0000000-0000-4000-8000-000000000001";
pub const JUDY: &str = "10d10000-0000-4000-8000-00000000000c";
pub const BREAK_GLASS: &str = "b4ea0000-0000-4000-8000-00000000000d";

pub fn role_set(kind: Kind) -> &'static str {
    match kind {
        Kind::Assignment => "roleAssignment",
        Kind::Eligibility => "roleEligibility",
    }
}

/// A request body for Alice as User Administrator of the tenant, changed by `with`.
pub fn role_body(action: &str, with: &Value) -> Value {
    let mut changes = json!({
        "accessId": null,
        "groupId": null,
        "roleDefinitionId": USER_ADMINISTRATOR,
        "directoryScopeId": "/",
    });
    for (name, value) in with.as_object().unwrap() {
        changes[name] = value.clone();
    }
    body(action, &changes)
}

pub fn only(principal: &str) -> Value {
    json!({"principalId": principal})
}

pub fn over(unit: &str) -> Value {
    json!({"directoryScopeId": format!("/administrativeUnits/{unit}")})
}

impl Bed {
    /// POSTs a schedule request for a role.
    pub async fn role(&self, kind: Kind, action: &str, with: Value) -> Reply {
        let path = format!("{ROLES}/{}ScheduleRequests", role_set(kind));
        self.post(&path, role_body(action, &with)).await
    }

    /// Items of a set such as `Schedules`; the filter may be empty.
    pub async fn role_rows(&self, kind: Kind, suffix: &str, filter: &str) -> Vec<Value> {
        let mut path = format!("{ROLES}/{}{suffix}", role_set(kind));
        if !filter.is_empty() {
            path.push_str("?$filter=");
            path.push_str(filter);
        }
        self.get(&path).await.items().clone()
    }

    /// Schedules of Alice.
    pub async fn alices(&self, kind: Kind) -> Vec<Value> {
        let filter = format!("principalId eq '{ALICE}'");
        self.role_rows(kind, "Schedules", &filter).await
    }

    /// The same simulator seen by somebody with the default scopes.
    pub fn seen_by(&self, user: &str) -> Self {
        self.person(&DelegatedToken::of(user))
    }
}
