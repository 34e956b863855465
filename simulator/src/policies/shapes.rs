//! Reading the body of a rule as strictly as Graph's metadata: known names, right types, no null in
//! a list. What a rule may mean is decided in [`super::change`].

use serde_json::{Map, Value};

use crate::duration;
use crate::error::GraphError;

const NAMESPACE: &str = "#microsoft.graph.";

/// What a property holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    Bool,
    /// An ISO 8601 duration; empty counts as null.
    Duration,
    Text,
    Number,
    Texts,
    /// One of these words, in any case.
    Word(&'static [&'static str]),
    /// An object or list that is read elsewhere.
    Nested,
}

/// A type and its own properties.
pub(super) struct Type {
    pub name: &'static str,
    pub properties: &'static [(&'static str, Shape)],
}

/// The five kinds of rules.
pub(super) const RULES: [Type; 5] = [
    Type {
        name: "#microsoft.graph.unifiedRoleManagementPolicyExpirationRule",
        properties: &[
            ("isExpirationRequired", Shape::Bool),
            ("maximumDuration", Shape::Duration),
        ],
    },
    Type {
        name: "#microsoft.graph.unifiedRoleManagementPolicyEnablementRule",
        properties: &[("enabledRules", Shape::Texts)],
    },
    Type {
        name: "#microsoft.graph.unifiedRoleManagementPolicyApprovalRule",
        properties: &[("setting", Shape::Nested)],
    },
    Type {
        name: "#microsoft.graph.unifiedRoleManagementPolicyAuthenticationContextRule",
        properties: &[("isEnabled", Shape::Bool), ("claimValue", Shape::Text)],
    },
    Type {
        name: "#microsoft.graph.unifiedRoleManagementPolicyNotificationRule",
        properties: &[
            ("notificationType", Shape::Text),
            ("recipientType", Shape::Text),
            ("notificationLevel", Shape::Text),
            ("isDefaultRecipientsEnabled", Shape::Bool),
            ("notificationRecipients", Shape::Texts),
        ],
    },
];

/// `setting` of an approval rule.
pub(super) const SETTINGS: Type = Type {
    name: "#microsoft.graph.approvalSettings",
    properties: &[
        ("isApprovalRequired", Shape::Bool),
        ("isApprovalRequiredForExtension", Shape::Bool),
        ("isRequestorJustificationRequired", Shape::Bool),
        ("approvalMode", Shape::Text),
        ("approvalStages", Shape::Nested),
    ],
};

/// One of `approvalStages`.
pub(super) const STAGE: Type = Type {
    name: "#microsoft.graph.unifiedApprovalStage",
    properties: &[
        ("approvalStageTimeOutInDays", Shape::Number),
        ("isApproverJustificationRequired", Shape::Bool),
        ("escalationTimeInMinutes", Shape::Number),
        ("isEscalationEnabled", Shape::Bool),
        ("primaryApprovers", Shape::Nested),
        ("escalationApprovers", Shape::Nested),
    ],
};

/// `target` of a rule.
pub(super) const TARGET: Type = Type {
    name: "#microsoft.graph.unifiedRoleManagementPolicyRuleTarget",
    properties: &[
        ("caller", Shape::Text),
        ("operations", Shape::Nested),
        ("level", Shape::Text),
        ("inheritableSettings", Shape::Texts),
        ("enforcedSettings", Shape::Texts),
        ("targetObjects", Shape::Nested),
    ],
};

/// What `operations` of a target may say.
pub(super) const OPERATIONS: Shape = Shape::Word(&[
    "all",
    "activate",
    "deactivate",
    "assign",
    "update",
    "remove",
    "extend",
    "renew",
    "unknownFutureValue",
]);

impl Type {
    /// The properties that a body states. Null states nothing, except of a duration or a text, which
    /// it empties. `also` are names that the caller reads.
    pub fn read(
        &self,
        body: &Map<String, Value>,
        also: &[&str],
    ) -> Result<Map<String, Value>, GraphError> {
        let mut stated = Map::new();
        for (name, value) in body {
            if name.contains('@') || also.contains(&name.as_str()) {
                continue;
            }
            let shape = self.properties.iter().find(|(known, _)| known == name);
            let (_, shape) = shape.ok_or_else(|| unknown_property(name, self.name))?;
            if let Some(value) = shape.read(name, value)? {
                stated.insert(name.clone(), value);
            }
        }
        Ok(stated)
    }
}

impl Shape {
    pub fn read(self, name: &str, value: &Value) -> Result<Option<Value>, GraphError> {
        let (fits, expected) = match (self, value) {
            (Self::Duration | Self::Text, Value::Null) => return Ok(Some(Value::Null)),
            (_, Value::Null) => return Ok(None),
            (Self::Duration, Value::String(text)) if text.is_empty() => {
                return Ok(Some(Value::Null));
            }
            (Self::Bool, value) => (value.is_boolean(), "Edm.Boolean"),
            (Self::Number, value) => (value.is_i64(), "Edm.Int32"),
            (Self::Text, value) => (value.is_string(), "Edm.String"),
            (Self::Duration, value) => {
                let length = value.as_str().and_then(duration::parse);
                (length.is_some(), "Edm.Duration")
            }
            (Self::Word(words), value) => {
                let known = |word: &str| words.iter().any(|w| w.eq_ignore_ascii_case(word));
                (value.as_str().is_some_and(known), "an enumeration member")
            }
            (Self::Texts, Value::Array(items)) => {
                if items.iter().any(Value::is_null) {
                    return Err(null_element(name));
                }
                (items.iter().all(Value::is_string), "Collection(Edm.String)")
            }
            (Self::Texts, _) => (false, "Collection(Edm.String)"),
            (Self::Nested, value) => (value.is_object() || value.is_array(), "a complex value"),
        };
        if fits {
            Ok(Some(value.clone()))
        } else {
            Err(wrong_type(name, expected))
        }
    }
}

/// `@odata.type` with its `#`. An abstract type cannot be written, so the annotation has to be there.
pub(super) fn type_of<'a>(
    body: &'a Map<String, Value>,
    abstract_type: &str,
) -> Result<&'a str, GraphError> {
    let type_ = body.get("@odata.type").and_then(Value::as_str);
    type_
        .filter(|type_| type_.starts_with(NAMESPACE))
        .ok_or_else(|| {
            schema(format!(
                "The type 'microsoft.graph.{abstract_type}' is abstract; the annotation \
                 '@odata.type' must name a type derived from it."
            ))
        })
}

/// A body that does not fit the metadata.
pub(super) fn schema(message: String) -> GraphError {
    GraphError::bad_request("BadRequest", message)
}

pub(super) fn unknown_property(name: &str, type_: &str) -> GraphError {
    let type_ = type_.trim_start_matches('#');
    schema(format!(
        "The property '{name}' does not exist on type '{type_}'. Make sure to only use property \
         names that are defined by the type."
    ))
}

pub(super) fn null_element(name: &str) -> GraphError {
    schema(format!(
        "A null value was found in the collection '{name}', whose items may not be null."
    ))
}

pub(super) fn wrong_type(name: &str, expected: &str) -> GraphError {
    schema(format!(
        "The value of '{name}' is not of the type '{expected}'."
    ))
}

/// A rule that fits the metadata and makes no sense.
pub(super) fn invalid_policy() -> GraphError {
    GraphError::bad_request("InvalidPolicy", "The policy is invalid.")
}
