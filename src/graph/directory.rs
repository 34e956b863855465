//! Looking up users, groups, service principals, role definitions and administrative units.

use serde::Deserialize;
use serde_json::json;
use url::{Url, form_urlencoded};

use super::{
    client::GraphClient,
    error::GraphError,
    observer::EndpointClass,
    wire::{AdministrativeUnit, DirectoryObject, GroupObject, ObjectKind, RoleDefinition},
};

/// The most groups of one `checkMemberGroups` call.
const GROUPS_PER_CHECK: usize = 20;
/// The most ids of one `getByIds` call.
const IDS_PER_CALL: usize = 1000;
const USER_FIELDS: &str = "id,displayName,userPrincipalName";
const GROUP_FIELDS: &str = "id,displayName,groupTypes,membershipRule,onPremisesSyncEnabled,isAssignableToRole,securityEnabled";
const NAME_FIELDS: &str = "id,displayName";
const SERVICE_PRINCIPAL_FIELDS: &str = "id,displayName,appId";

impl GraphClient {
    /// A user by object id or user principal name. The sign-in name of a guest is not its user principal name.
    ///
    /// # Errors
    /// Any [`GraphError`].
    pub async fn user(&self, id_or_upn: &str) -> Result<Option<DirectoryObject>, GraphError> {
        if cannot_be_a_key(id_or_upn) {
            return Ok(None);
        }
        let key;
        let segments: &[&str] = if id_or_upn.starts_with('$') {
            // A path segment that starts with a dollar sign would be taken for an instruction.
            key = format!("users('{}')", quoted(id_or_upn));
            &[&key]
        } else {
            &["users", id_or_upn]
        };
        let url = self.url(segments, Some(&select(USER_FIELDS)));
        self.object(EndpointClass::Users, url, ObjectKind::User)
            .await
    }

    /// All groups with this display name. Names are not unique: more than one match is the caller's question to answer.
    ///
    /// # Errors
    /// Any [`GraphError`].
    pub async fn groups_by_name(&self, display_name: &str) -> Result<Vec<GroupObject>, GraphError> {
        let filter = filter_query(&equals("displayName", display_name));
        let query = format!("{filter}&{}", select(GROUP_FIELDS));
        let url = self.url(&["groups"], Some(&query));
        self.list(EndpointClass::Groups, url).await
    }

    /// A group by object id.
    ///
    /// # Errors
    /// Any [`GraphError`].
    pub async fn group(&self, id: &str) -> Result<Option<GroupObject>, GraphError> {
        if cannot_be_a_key(id) {
            return Ok(None);
        }
        let url = self.url(&["groups", id], Some(&select(GROUP_FIELDS)));
        self.get_optional(EndpointClass::Groups, url).await
    }

    /// A service principal by object id.
    ///
    /// # Errors
    /// Any [`GraphError`].
    pub async fn service_principal(&self, id: &str) -> Result<Option<DirectoryObject>, GraphError> {
        if cannot_be_a_key(id) {
            return Ok(None);
        }
        let url = self.url(
            &["servicePrincipals", id],
            Some(&select(SERVICE_PRINCIPAL_FIELDS)),
        );
        let kind = ObjectKind::ServicePrincipal;
        self.object(EndpointClass::ServicePrincipals, url, kind)
            .await
    }

    /// A service principal by the id of its application, which is not the object id that grants need.
    ///
    /// # Errors
    /// Any [`GraphError`].
    pub async fn service_principal_by_app_id(
        &self,
        app_id: &str,
    ) -> Result<Option<DirectoryObject>, GraphError> {
        let key = format!("servicePrincipals(appId='{}')", quoted(app_id));
        let url = self.url(&[&key], Some(&select(SERVICE_PRINCIPAL_FIELDS)));
        self.object(
            EndpointClass::ServicePrincipals,
            url,
            ObjectKind::ServicePrincipal,
        )
        .await
    }

    /// Every directory role of the tenant, built-in and custom: some hundred. Graph's own comparison of role names minds the case
    /// and takes one name at a time, so one list serves better.
    ///
    /// # Errors
    /// Any [`GraphError`]; a failed part fails the whole.
    pub async fn role_definitions(&self) -> Result<Vec<RoleDefinition>, GraphError> {
        let segments = ["roleManagement", "directory", "roleDefinitions"];
        let url = self.url(&segments, Some(&select(NAME_FIELDS)));
        self.list(EndpointClass::RoleDefinitions, url).await
    }

    /// An administrative unit by object id.
    ///
    /// # Errors
    /// Any [`GraphError`].
    pub async fn administrative_unit(
        &self,
        id: &str,
    ) -> Result<Option<AdministrativeUnit>, GraphError> {
        if cannot_be_a_key(id) {
            return Ok(None);
        }
        let segments = ["directory", "administrativeUnits", id];
        let url = self.url(&segments, Some(&select(NAME_FIELDS)));
        self.get_optional(EndpointClass::AdministrativeUnits, url)
            .await
    }

    /// All administrative units with this display name. Names are not unique.
    ///
    /// # Errors
    /// Any [`GraphError`].
    pub async fn administrative_units_by_name(
        &self,
        display_name: &str,
    ) -> Result<Vec<AdministrativeUnit>, GraphError> {
        let filter = filter_query(&equals("displayName", display_name));
        let query = format!("{filter}&{}", select(NAME_FIELDS));
        let url = self.url(&["directory", "administrativeUnits"], Some(&query));
        self.list(EndpointClass::AdministrativeUnits, url).await
    }

    /// Objects of any kind by object id, in no particular order. Unknown ids are silently absent.
    ///
    /// # Errors
    /// Any [`GraphError`]; a failed part fails the whole.
    pub async fn objects_by_ids(&self, ids: &[String]) -> Result<Vec<DirectoryObject>, GraphError> {
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(IDS_PER_CALL) {
            let url = self.url(&["directoryObjects", "getByIds"], None);
            let body = json!({ "ids": chunk }).to_string().into_bytes();
            let part = self.list_by_post(EndpointClass::DirectoryObjects, url, body);
            found.extend(part.await?);
        }
        Ok(found)
    }

    /// The ids of the groups that a service principal is a member of, directly or through other groups.
    ///
    /// # Errors
    /// Any [`GraphError`].
    pub async fn member_groups_of_service_principal(
        &self,
        id: &str,
    ) -> Result<Vec<String>, GraphError> {
        let url = self.url(&["servicePrincipals", id, "getMemberGroups"], None);
        let body = json!({ "securityEnabledOnly": false });
        self.list_by_post(
            EndpointClass::ServicePrincipals,
            url,
            body.to_string().into_bytes(),
        )
        .await
    }

    /// The ids of the groups within a group, directly or through other groups.
    ///
    /// # Errors
    /// Any [`GraphError`].
    pub async fn groups_within(&self, id: &str) -> Result<Vec<String>, GraphError> {
        #[derive(Deserialize)]
        struct Member {
            id: String,
        }
        let segments = ["groups", id, "transitiveMembers", "microsoft.graph.group"];
        let url = self.url(&segments, Some("$select=id"));
        let members: Vec<Member> = self.list(EndpointClass::Groups, url).await?;
        Ok(members.into_iter().map(|member| member.id).collect())
    }

    /// Which of these groups an object is a member of, directly or through other groups. An object that is none of the three
    /// kinds is a member of nothing.
    ///
    /// # Errors
    /// Any [`GraphError`]; a failed part fails the whole.
    pub async fn is_member_of(
        &self,
        kind: &ObjectKind,
        id: &str,
        groups: &[String],
    ) -> Result<Vec<String>, GraphError> {
        let (collection, class) = match kind {
            ObjectKind::User => ("users", EndpointClass::Users),
            ObjectKind::Group => ("groups", EndpointClass::Groups),
            ObjectKind::ServicePrincipal => ("servicePrincipals", EndpointClass::ServicePrincipals),
            ObjectKind::Unknown(_) => return Ok(Vec::new()),
        };
        let mut found = Vec::new();
        for chunk in groups.chunks(GROUPS_PER_CHECK) {
            let url = self.url(&[collection, id, "checkMemberGroups"], None);
            let body = json!({ "groupIds": chunk }).to_string().into_bytes();
            let part: Vec<String> = self.list_by_post(class, url, body).await?;
            found.extend(part);
        }
        Ok(found)
    }

    async fn object(
        &self,
        class: EndpointClass,
        url: Url,
        kind: ObjectKind,
    ) -> Result<Option<DirectoryObject>, GraphError> {
        let found: Option<DirectoryObject> = self.get_optional(class, url).await?;
        // Graph names the kind only where several are possible.
        Ok(found.map(|object| DirectoryObject { kind, ..object }))
    }
}

/// `field eq 'value'`.
pub(super) fn equals(field: &str, value: &str) -> String {
    format!("{field} eq '{}'", quoted(value))
}

/// `$filter=…`, escaped.
pub(super) fn filter_query(filter: &str) -> String {
    // The form encoding writes blanks as plus signs, which OData does not know; real plus signs are escaped by then.
    let escaped: String = form_urlencoded::byte_serialize(filter.as_bytes()).collect();
    format!("$filter={}", escaped.replace('+', "%20"))
}

fn select(fields: &str) -> String {
    format!("$select={fields}")
}

/// Texts that vanish from a path, so that it would name the whole collection.
fn cannot_be_a_key(text: &str) -> bool {
    matches!(text, "" | "." | "..")
}

/// `OData` doubles quotes inside quotes.
fn quoted(text: &str) -> String {
    text.replace('\'', "''")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_blanks_and_signs_in_names_survive() {
        assert_eq!(
            filter_query(&equals("displayName", "O'Neil & Sons + 1")),
            "$filter=displayName%20eq%20%27O%27%27Neil%20%26%20Sons%20%2B%201%27"
        );
    }
}
