//! Policies, as far as they are read. Rules stay in Graph's own words: they go back with what nobody here knows.

use serde::Deserialize;
use serde_json::Value;

use super::schedule::null_as_default;

/// Which policy holds for whom.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyAssignment {
    /// The id of the policy; it changes.
    pub policy_id: String,
    /// For a group `member` or `owner`, for a role the id of its definition; empty if Graph left it out.
    #[serde(default, deserialize_with = "null_as_default")]
    pub role_definition_id: String,
    /// The policy, if it was asked for.
    #[serde(default)]
    pub policy: Option<PolicyObject>,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyObject {
    /// Its id at the time; it changes.
    pub id: String,
    /// Its rules, which have to be there.
    pub rules: Vec<Value>,
}

/// An authentication context of Conditional Access.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthenticationContextObject {
    /// `c1` to `c99`.
    pub id: String,
    /// Whether it is published.
    #[serde(default)]
    pub is_available: Option<bool>,
}
