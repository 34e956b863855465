//! The JSON of users, groups, service principals and administrative units, and what may be selected and filtered.

use serde_json::{Value, json};

use super::{Class, Entry, Object};
use crate::timestamp;

/// Properties in an answer without `$select`.
fn defaults(class: Class) -> &'static [&'static str] {
    match class {
        Class::User => &[
            "businessPhones",
            "displayName",
            "givenName",
            "jobTitle",
            "mail",
            "mobilePhone",
            "officeLocation",
            "preferredLanguage",
            "surname",
            "userPrincipalName",
            "id",
        ],
        Class::Group | Class::ServicePrincipal | Class::AdministrativeUnit => &[],
    }
}

/// Every property that a class has here.
pub(super) fn properties(class: Class) -> &'static [&'static str] {
    match class {
        Class::User => &[
            "id",
            "displayName",
            "userPrincipalName",
            "mail",
            "mailNickname",
            "givenName",
            "surname",
            "jobTitle",
            "mobilePhone",
            "officeLocation",
            "preferredLanguage",
            "businessPhones",
            "accountEnabled",
            "userType",
            "createdDateTime",
            "deletedDateTime",
            "onPremisesSyncEnabled",
        ],
        Class::Group => &[
            "id",
            "displayName",
            "description",
            "mailNickname",
            "mail",
            "mailEnabled",
            "securityEnabled",
            "groupTypes",
            "isAssignableToRole",
            "membershipRule",
            "membershipRuleProcessingState",
            "onPremisesSyncEnabled",
            "visibility",
            "createdDateTime",
            "deletedDateTime",
            "uniqueName",
        ],
        Class::ServicePrincipal => &[
            "id",
            "appId",
            "displayName",
            "accountEnabled",
            "servicePrincipalType",
            "appDisplayName",
            "createdDateTime",
            "deletedDateTime",
            "servicePrincipalNames",
            "tags",
        ],
        Class::AdministrativeUnit => &[
            "id",
            "displayName",
            "description",
            "visibility",
            "deletedDateTime",
            "isMemberManagementRestricted",
            "membershipType",
            "membershipRule",
            "membershipRuleProcessingState",
        ],
    }
}

/// Properties that a list can be filtered by.
pub(super) fn filters(class: Class) -> &'static [&'static str] {
    match class {
        Class::User => &[
            "id",
            "displayName",
            "userPrincipalName",
            "mail",
            "mailNickname",
            "accountEnabled",
        ],
        Class::Group => &["id", "displayName", "mailNickname", "isAssignableToRole"],
        Class::ServicePrincipal => &["id", "displayName", "appId", "accountEnabled"],
        Class::AdministrativeUnit => &["id", "displayName"],
    }
}

/// All properties of an object.
pub(super) fn full(entry: &Entry) -> Value {
    let created = timestamp::trimmed(entry.created);
    let deleted = entry.deleted.map(timestamp::trimmed);
    match &entry.object {
        Object::User(user) => {
            let nick = user
                .user_principal_name
                .split('@')
                .next()
                .unwrap_or_default();
            json!({
                "id": entry.id,
                "displayName": user.display_name,
                "userPrincipalName": user.user_principal_name,
                "mail": user.user_principal_name,
                "mailNickname": nick,
                "givenName": user.display_name,
                "surname": null,
                "jobTitle": null,
                "mobilePhone": null,
                "officeLocation": null,
                "preferredLanguage": null,
                "businessPhones": [],
                "accountEnabled": user.account_enabled,
                "userType": "Member",
                "createdDateTime": created,
                "deletedDateTime": deleted,
                "onPremisesSyncEnabled": null,
            })
        }
        Object::Group(group) => {
            let dynamic = group.membership_rule.is_some();
            let types: &[&str] = if dynamic { &["DynamicMembership"] } else { &[] };
            json!({
                "id": entry.id,
                "displayName": group.display_name,
                "description": group.description,
                "mailNickname": group.display_name.replace(' ', ""),
                "mail": null,
                "mailEnabled": false,
                "securityEnabled": true,
                "groupTypes": types,
                // Null, not false, on ordinary groups (measured on a live tenant).
                "isAssignableToRole": group.is_assignable_to_role.then_some(true),
                "membershipRule": group.membership_rule,
                "membershipRuleProcessingState": dynamic.then_some("On"),
                "onPremisesSyncEnabled": group.on_premises.then_some(true),
                "visibility": null,
                "createdDateTime": created,
                "deletedDateTime": deleted,
                "uniqueName": null,
            })
        }
        Object::ServicePrincipal(sp) => json!({
            "id": entry.id,
            "appId": sp.app_id,
            "displayName": sp.display_name,
            "appDisplayName": sp.display_name,
            "accountEnabled": true,
            "servicePrincipalType": "Application",
            "createdDateTime": created,
            "deletedDateTime": deleted,
            "servicePrincipalNames": [sp.app_id],
            "tags": [],
        }),
        Object::AdministrativeUnit(unit) => json!({
            "id": entry.id,
            "displayName": unit.display_name,
            "description": unit.description,
            "visibility": null,
            "deletedDateTime": deleted,
            "isMemberManagementRestricted": false,
            "membershipType": null,
            "membershipRule": null,
            "membershipRuleProcessingState": null,
        }),
    }
}

/// What an answer without `$select` has.
pub(super) fn short(entry: &Entry) -> Value {
    let mut value = full(entry);
    let defaults = defaults(entry.object.class());
    if let (Value::Object(map), false) = (&mut value, defaults.is_empty()) {
        map.retain(|key, _| defaults.contains(&key.as_str()));
    }
    value
}
