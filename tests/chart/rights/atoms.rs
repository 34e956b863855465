//! Rights, one by one: a verb on a resource, of one name where names are listed.

use std::fmt;

use pim_testbed::AuditEvent;
use serde_json::{Value, json};

/// One verb on one resource.
#[derive(Clone, Debug)]
pub struct Atom {
    /// The role that gives it, without its rules.
    role: Value,
    group: String,
    /// With the subresource, as in `groupeligibilities/status`.
    resource: String,
    verb: String,
    name: Option<String>,
}

impl fmt::Display for Atom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            group,
            resource,
            verb,
            ..
        } = self;
        let role = &self.role["metadata"]["name"];
        write!(
            f,
            "{verb} {resource}.{group} {} by {role}",
            self.name.as_deref().unwrap_or("*")
        )
    }
}

impl Atom {
    /// Whether it is one that is used where nothing happens: to see that.
    pub fn looks(&self) -> bool {
        ["list", "watch"].contains(&self.verb.as_str())
    }

    /// Whether it is limited to an object of this name.
    pub fn concerns(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name)
    }

    /// Whether it concerns a namespace only.
    pub fn is_in(&self, namespace: &str) -> bool {
        self.role["metadata"]["namespace"] == namespace || self.concerns(namespace)
    }

    /// Whether this right is what a request takes.
    pub fn allows(&self, request: &AuditEvent) -> bool {
        let asked = match request.subresource.as_str() {
            "" => request.resource.clone(),
            subresource => format!("{}/{subresource}", request.resource),
        };
        let place = self.role["metadata"]["namespace"].as_str();
        self.group == request.group
            && self.resource == asked
            && (self.verb == request.verb || self.verb == "create" && may_create(request))
            && place.is_none_or(|place| place == request.namespace)
            // A list or watch of one name has it in its field selector, where the audit log does not show it.
            && (self.name.is_none() || request.name.is_empty() || self.name.as_ref() == Some(&request.name))
    }
}

/// Whether a request takes the right to create besides its own: server-side apply of what is not there yet. Of one that was refused
/// that can only be supposed.
fn may_create(request: &AuditEvent) -> bool {
    request.verb == "patch" && matches!(request.response_code, 201 | 403)
}

/// The rights that roles give.
pub fn atoms(roles: &[Value]) -> Vec<Atom> {
    let list = |value: &Value| -> Vec<String> {
        let entries = value.as_array().into_iter().flatten();
        entries
            .filter_map(|entry| entry.as_str().map(str::to_owned))
            .collect()
    };
    let mut atoms = Vec::new();
    for role in roles {
        let mut empty = role.clone();
        empty["rules"] = json!([]);
        for rule in role["rules"].as_array().unwrap() {
            let names = list(&rule["resourceNames"]);
            let names: Vec<Option<String>> = match names.len() {
                0 => vec![None],
                _ => names.into_iter().map(Some).collect(),
            };
            for group in list(&rule["apiGroups"]) {
                for resource in list(&rule["resources"]) {
                    for verb in list(&rule["verbs"]) {
                        for name in &names {
                            atoms.push(Atom {
                                role: empty.clone(),
                                group: group.clone(),
                                resource: resource.clone(),
                                verb: verb.clone(),
                                name: name.clone(),
                            });
                        }
                    }
                }
            }
        }
    }
    atoms
}

/// The roles that give these rights, of which nothing is left out but what is taken away.
pub fn roles(atoms: &[Atom], all: &[Value]) -> Vec<Value> {
    let mut roles = all.to_vec();
    for role in &mut roles {
        let given = atoms
            .iter()
            .filter(|atom| {
                atom.role["kind"] == role["kind"] && atom.role["metadata"] == role["metadata"]
            })
            .map(|atom| {
                let mut rule = json!({
                    "apiGroups": [atom.group], "resources": [atom.resource], "verbs": [atom.verb],
                });
                if let Some(name) = &atom.name {
                    rule["resourceNames"] = json!([name]);
                }
                rule
            })
            .collect();
        role["rules"] = given;
    }
    roles
}
