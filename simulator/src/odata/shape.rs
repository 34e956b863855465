//! Bodies: the collection envelope, `$select` and the context URL.

use serde::Serialize;
use serde_json::Value;

use super::query::Query;
use crate::error::GraphError;

/// Refuses names that the type does not have.
pub(crate) fn check_select(
    select: Option<&[String]>,
    type_name: &str,
    properties: &[&str],
) -> Result<(), GraphError> {
    for name in select.unwrap_or_default() {
        if !properties.contains(&name.as_str()) && name != "*" {
            return Err(GraphError::bad_request(
                "BadRequest",
                format!(
                    "Parsing OData Select and Expand failed: Could not find a property named \
                     '{name}' on type '{type_name}'."
                ),
            ));
        }
    }
    Ok(())
}

/// Keeps what `$select` names, annotations, and what `$expand` added.
pub(crate) fn select(value: &mut Value, select: Option<&[String]>, expanded: &[&str]) {
    let (Some(names), Value::Object(map)) = (select, value) else {
        return;
    };
    if names.iter().any(|name| name == "*") {
        return;
    }
    map.retain(|key, _| {
        key.starts_with('@')
            || names.iter().any(|name| name == key)
            || expanded.contains(&key.as_str())
    });
}

/// The context of a collection or entity.
pub(crate) fn context(base: &str, version: &str, set: &str, query: &Query, entity: bool) -> String {
    let mut context = format!("{base}/{version}/$metadata#{set}");
    if let Some(select) = &query.select {
        context.push('(');
        context.push_str(&select.join(","));
        context.push(')');
    }
    if entity {
        context.push_str("/$entity");
    }
    context
}

/// A page of a collection.
#[derive(Serialize)]
pub(crate) struct Collection<T> {
    #[serde(rename = "@odata.context")]
    pub context: String,
    #[serde(rename = "@odata.count", skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    #[serde(rename = "@odata.nextLink", skip_serializing_if = "Option::is_none")]
    pub next_link: Option<String>,
    pub value: Vec<T>,
}

/// An entity with its context.
#[derive(Serialize)]
pub(crate) struct Entity<T> {
    #[serde(rename = "@odata.context")]
    pub context: String,
    #[serde(flatten)]
    pub entity: T,
}
