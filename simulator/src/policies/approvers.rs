//! Approvers: how they are stored, written by the two versions of the API, and shown.
//!
//! v1.0 shows `userId` and `groupId`, beta shows `id`. The documented v1.0 PATCH uses beta's names, so
//! v1.0 takes both. An id that names nobody is accepted; only one that is no id at all is refused.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::change::APPROVAL;
use super::effective::rule;
use super::shapes::{self, null_element, wrong_type};
use crate::error::GraphError;
use crate::world::World;

/// Who decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Approver {
    User(Uuid),
    /// Any member.
    GroupMembers(Uuid),
}

const USER: &str = "#microsoft.graph.singleUser";
const GROUP: &str = "#microsoft.graph.groupMembers";

impl Approver {
    fn key(self) -> (&'static str, &'static str, Uuid) {
        match self {
            Self::User(id) => (USER, "userId", id),
            Self::GroupMembers(id) => (GROUP, "groupId", id),
        }
    }

    /// As stored: what v1.0 shows, without the description.
    pub fn stored(self) -> Value {
        let (type_, name, id) = self.key();
        json!({"@odata.type": type_, name: id})
    }

    fn from_stored(value: &Value) -> Option<Self> {
        let id = |name: &str| Uuid::try_parse(value[name].as_str()?).ok();
        match value["@odata.type"].as_str()? {
            USER => id("userId").or_else(|| id("id")).map(Self::User),
            GROUP => id("groupId").or_else(|| id("id")).map(Self::GroupMembers),
            _ => None,
        }
    }
}

/// The approvers of the only stage.
pub(super) fn of(rules: &[Value]) -> Vec<Approver> {
    rule(rules, APPROVAL)
        .and_then(|rule| rule["setting"]["approvalStages"].as_array())
        .into_iter()
        .flatten()
        .filter_map(|stage| stage["primaryApprovers"].as_array())
        .flatten()
        .filter_map(Approver::from_stored)
        .collect()
}

/// Reads the approvers of a PATCH.
pub(super) fn parse(list: &Value, beta: bool) -> Result<Vec<Value>, GraphError> {
    let list = list
        .as_array()
        .ok_or_else(|| wrong_type("primaryApprovers", "Collection(microsoft.graph.subjectSet)"))?;
    list.iter()
        .map(|approver| match approver {
            Value::Null => Err(null_element("primaryApprovers")),
            Value::Object(map) => parse_one(map, beta).map(Approver::stored),
            _ => Err(wrong_type("primaryApprovers", "microsoft.graph.subjectSet")),
        })
        .collect()
}

fn parse_one(map: &Map<String, Value>, beta: bool) -> Result<Approver, GraphError> {
    let abstract_type = if beta { "userSet" } else { "subjectSet" };
    let type_ = shapes::type_of(map, abstract_type)?;
    let (own, make): (_, fn(Uuid) -> Approver) = match type_ {
        "#microsoft.graph.singleUser" => ("userId", Approver::User),
        "#microsoft.graph.groupMembers" => ("groupId", Approver::GroupMembers),
        // Managers and sponsors are known to the metadata, not to PIM.
        _ => return Err(shapes::invalid_policy()),
    };
    for name in map.keys() {
        let known = match name.as_str() {
            "id" | "isBackup" | "description" => true,
            name => name.contains('@') || (!beta && name == own),
        };
        if !known {
            return Err(shapes::unknown_property(name, type_));
        }
    }
    let id = [own, "id"]
        .into_iter()
        .find_map(|name| map.get(name)?.as_str());
    let id = id.and_then(|id| Uuid::try_parse(id).ok());
    id.map(make)
        .ok_or_else(|| GraphError::bad_request("FormatException", "Unrecognized Guid format."))
}

/// Brings approvers that the portal or an estate wrote in either version's names into the stored form.
pub(super) fn normalise(rules: &mut [Value]) {
    for approver in primary(rules) {
        if let Some(known) = Approver::from_stored(approver) {
            *approver = known.stored();
        }
    }
}

/// Every approver in an approval rule.
fn primary(rules: &mut [Value]) -> impl Iterator<Item = &mut Value> {
    rules
        .iter_mut()
        .filter(|rule| rule["id"] == APPROVAL)
        .filter_map(|rule| {
            rule.get_mut("setting")?
                .get_mut("approvalStages")?
                .as_array_mut()
        })
        .flatten()
        .filter_map(|stage| stage.get_mut("primaryApprovers")?.as_array_mut())
        .flatten()
}

/// Shows approvers the way a version of the API does. Graph fills the description with the
/// approver's name, and leaves it empty while approval is off (measured).
pub(super) fn show(world: &World, rules: &mut [Value], beta: bool) {
    let on =
        rule(rules, APPROVAL).is_some_and(|rule| rule["setting"]["isApprovalRequired"] == true);
    for approver in primary(rules) {
        let Some(known) = Approver::from_stored(approver) else {
            continue;
        };
        let (type_, name, id) = known.key();
        let description = world
            .directory
            .get(id)
            .filter(|_| on)
            .map_or("", |entry| entry.object.display_name());
        *approver = if beta {
            json!({"@odata.type": type_, "isBackup": false, "id": id, "description": description})
        } else {
            json!({"@odata.type": type_, "description": description, name: id})
        };
    }
}
