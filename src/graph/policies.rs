//! PIM policies of groups and directory roles, and the authentication contexts that they may name.
//!
//! A policy's id is no identity: it changes when a group comes under PIM. So policies are found by their assignments, which
//! say for whom they hold, and an id is used at once or not at all.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    client::GraphClient,
    config::Priority,
    directory::{equals, filter_query},
    error::{GraphError, Intent},
    http::Call,
    observer::EndpointClass,
    wire::{AuthenticationContextObject, PolicyAssignment},
};

impl GraphClient {
    /// The two policies of a group, for its members and for its owners, with their rules. A group that PIM does not know yet is
    /// an error that says "not found".
    ///
    /// # Errors
    /// Any [`GraphError`]; a list with a failed page is an error, never a shorter list.
    pub async fn group_policies(
        &self,
        group_id: &str,
    ) -> Result<Vec<PolicyAssignment>, GraphError> {
        let class = EndpointClass::GroupPolicies;
        self.policies(class, group_id, "Group", None).await
    }

    /// The policies of all directory roles of the tenant, with their rules.
    ///
    /// # Errors
    /// As [`GraphClient::group_policies`].
    pub async fn role_policies(&self) -> Result<Vec<PolicyAssignment>, GraphError> {
        let class = EndpointClass::RolePolicies;
        self.policies(class, "/", "DirectoryRole", None).await
    }

    /// The policy of one directory role, with its rules.
    ///
    /// # Errors
    /// As [`GraphClient::group_policies`].
    pub async fn role_policy(&self, role_id: &str) -> Result<Vec<PolicyAssignment>, GraphError> {
        let class = EndpointClass::RolePolicies;
        self.policies(class, "/", "DirectoryRole", Some(role_id))
            .await
    }

    async fn policies(
        &self,
        class: EndpointClass,
        scope_id: &str,
        scope_type: &str,
        role_definition_id: Option<&str>,
    ) -> Result<Vec<PolicyAssignment>, GraphError> {
        let mut filter = format!(
            "{} and {}",
            equals("scopeId", scope_id),
            equals("scopeType", scope_type)
        );
        if let Some(id) = role_definition_id {
            filter = format!("{filter} and {}", equals("roleDefinitionId", id));
        }
        let query = format!("{}&$expand=policy($expand=rules)", filter_query(&filter));
        let path = ["policies", "roleManagementPolicyAssignments"];
        let assignments: Vec<PolicyAssignment> =
            self.list(class, self.url(&path, Some(&query))).await?;
        // A policy without its rules must not pass for one that has none.
        if assignments.iter().any(|one| one.policy.is_none()) {
            return Err(GraphError::Unreadable {
                class,
                what: "a policy comes without its rules".to_owned(),
                status: 200,
                request_id: None,
                write: false,
            });
        }
        Ok(assignments)
    }

    /// Changes rules of a policy, all of them or none; the others stay.
    ///
    /// # Errors
    /// Any [`GraphError`]. After [`Advice::ReObserve`](super::Advice::ReObserve) the rules may or may not have been changed.
    pub async fn change_policy(
        &self,
        policy_id: &str,
        rules: &[Value],
        client_request_id: Uuid,
    ) -> Result<(), GraphError> {
        let call = Call {
            method: Method::PATCH,
            url: self.url(&["policies", "roleManagementPolicies", policy_id], None),
            class: EndpointClass::PolicyWrites,
            intent: Intent::Write,
            priority: Priority::Interactive,
            body: Some(json!({ "rules": rules }).to_string().into_bytes()),
            id: client_request_id,
        };
        self.write(call, |_, _| Ok(())).await
    }

    /// The authentication contexts of the tenant.
    ///
    /// # Errors
    /// As [`GraphClient::group_policies`].
    pub async fn authentication_contexts(
        &self,
    ) -> Result<Vec<AuthenticationContextObject>, GraphError> {
        let path = [
            "identity",
            "conditionalAccess",
            "authenticationContextClassReferences",
        ];
        self.list(EndpointClass::AuthenticationContexts, self.url(&path, None))
            .await
    }
}
