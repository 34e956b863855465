//! Sign-in: the token endpoint, its discovery documents, and what a token says about its caller.
//!
//! Tokens are signed JWTs (ES256, a key made at the start). Their times are virtual, and what they
//! carry is fixed when they are issued: a new permission does not reach an old token.

mod assertion;
pub(crate) mod discovery;
pub(crate) mod endpoint;
pub(crate) mod jwt;
pub(crate) mod machine;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::engine::Actor;
use crate::lock::lock;

/// Who a token stands for.
#[derive(Debug)]
pub(crate) struct Caller {
    who: Actor,
    permissions: Vec<String>,
    not_before: DateTime<Utc>,
    expires: DateTime<Utc>,
}

impl Caller {
    /// Whether the token carries one of these permissions.
    pub fn may(&self, any_of: &[&str]) -> bool {
        self.permissions
            .iter()
            .any(|permission| any_of.contains(&permission.as_str()))
    }

    pub fn actor(&self) -> Actor {
        self.who.clone()
    }

    pub fn valid(&self, now: DateTime<Utc>) -> bool {
        self.not_before <= now && now < self.expires
    }
}

/// A delegated token to be issued for a test, so that it can act as a person.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DelegatedToken {
    /// Who: id or user principal name.
    pub user: String,
    /// Scopes; those of PIM and directory reads by default.
    pub scopes: Vec<String>,
    /// Whether the person signed in with multi-factor authentication.
    pub mfa: bool,
    /// Authentication contexts that the sign-in satisfied.
    pub acrs: Vec<String>,
}

impl Default for DelegatedToken {
    fn default() -> Self {
        let scopes = [
            "PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup",
            "PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup",
            "RoleAssignmentSchedule.ReadWrite.Directory",
            "RoleEligibilitySchedule.ReadWrite.Directory",
            "PrivilegedAccess.ReadWrite.AzureAD",
            "RoleManagement.Read.Directory",
            "User.Read.All",
            "GroupMember.Read.All",
        ];
        Self {
            user: String::new(),
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            mfa: true,
            acrs: Vec::new(),
        }
    }
}

impl DelegatedToken {
    /// The default token for a person.
    #[must_use]
    pub fn of(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            ..Self::default()
        }
    }
}

/// What goes into a token besides its times.
pub(crate) struct Subject {
    pub who: Actor,
    pub oid: Uuid,
    pub app_id: Uuid,
    pub permissions: Vec<String>,
    /// User principal name of a delegated token.
    pub upn: Option<String>,
}

/// Where and when a token is issued.
pub(crate) struct Issue<'a> {
    pub tenant: Uuid,
    pub issuer: String,
    pub audience: &'a str,
    pub now: DateTime<Utc>,
    pub lifetime: std::time::Duration,
}

/// The key and the tokens it signed.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub key: jwt::SigningKey,
    issued: Mutex<HashMap<String, Arc<Caller>>>,
}

/// How many issued tokens are kept before the expired ones are forgotten.
const KEPT: usize = 10_000;

impl Tokens {
    pub fn new() -> Result<Self, jwt::KeyError> {
        Ok(Self {
            key: jwt::SigningKey::generate()?,
            issued: Mutex::default(),
        })
    }

    /// Signs a token and remembers it.
    pub fn issue(&self, subject: Subject, issue: &Issue<'_>) -> Result<String, jwt::KeyError> {
        let expires = issue.now + issue.lifetime;
        // A little slack, as Entra has: clocks differ.
        let not_before = issue.now - TimeDelta::minutes(5);
        let mut claims = json!({
            "aud": issue.audience,
            "iss": issue.issuer,
            "iat": not_before.timestamp(),
            "nbf": not_before.timestamp(),
            "exp": expires.timestamp(),
            "tid": issue.tenant,
            "oid": subject.oid,
            "sub": subject.oid,
            "appid": subject.app_id,
            "ver": "1.0",
            "uti": Uuid::new_v4(),
        });
        let (idtyp, list) = match &subject.upn {
            Some(upn) => {
                claims["upn"] = upn.as_str().into();
                ("user", ("scp", subject.permissions.join(" ").into()))
            }
            None => ("app", ("roles", subject.permissions.clone().into())),
        };
        claims["idtyp"] = idtyp.into();
        claims[list.0] = list.1;
        if let Actor::Person { mfa, contexts, .. } = &subject.who {
            claims["amr"] = if *mfa {
                json!(["pwd", "mfa"])
            } else {
                json!(["pwd"])
            };
            claims["acrs"] = json!(contexts);
        }
        let token = self.key.sign(&claims)?;
        let caller = Caller {
            who: subject.who,
            permissions: subject.permissions,
            not_before,
            expires,
        };
        let mut issued = lock(&self.issued);
        if issued.len() >= KEPT {
            issued.retain(|_, caller| caller.valid(issue.now));
        }
        issued.insert(token.clone(), Arc::new(caller));
        Ok(token)
    }

    /// The caller behind a token issued here.
    pub fn caller(&self, token: &str) -> Option<Arc<Caller>> {
        lock(&self.issued).get(token).cloned()
    }
}
