//! The field reference of a kind, from its schema.

use std::fmt::Write;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde_json::Value;

const MADE: &str = "<!-- Made by `make docs` from the schemas in crds/. Do not edit. -->\n";

/// The page of a kind.
pub fn page(crd: &CustomResourceDefinition) -> String {
    let names = &crd.spec.names;
    let version = crd.spec.versions.first().unwrap();
    let schema = version.schema.as_ref().unwrap();
    let schema = schema.open_api_v3_schema.as_ref().unwrap();
    let mut text = format!(
        "{MADE}# {}\n\n{}\n\n",
        names.kind,
        schema.description.as_deref().unwrap()
    );
    let short = names.short_names.clone().unwrap_or_default().join("`, `");
    writeln!(text, "| | |\n|---|---|").unwrap();
    writeln!(
        text,
        "| apiVersion | `{}/{}` |",
        crd.spec.group, version.name
    )
    .unwrap();
    writeln!(text, "| Scope | {} |", crd.spec.scope).unwrap();
    writeln!(
        text,
        "| With kubectl | `{}`, `{}`, `{short}` |",
        names.plural,
        names.singular.as_deref().unwrap()
    )
    .unwrap();
    let columns = version.additional_printer_columns.iter().flatten();
    let columns: Vec<String> = columns
        .map(|column| {
            let wide = if column.priority.unwrap_or_default() > 0 {
                " (`-o wide`)"
            } else {
                ""
            };
            format!("{}{wide}", column.name)
        })
        .collect();
    writeln!(text, "| Columns | {} |", columns.join(", ")).unwrap();
    let selectable = version.selectable_fields.iter().flatten();
    let selectable: Vec<String> = selectable
        .map(|field| format!("`{}`", field.json_path.trim_start_matches('.')))
        .collect();
    if !selectable.is_empty() {
        writeln!(text, "| Field selectors | {} |", selectable.join(", ")).unwrap();
    }
    for part in ["spec", "status"] {
        let Some(inner) = schema
            .properties
            .iter()
            .flatten()
            .find(|(name, _)| *name == part)
        else {
            continue;
        };
        write!(text, "\n## {part}\n\n{}\n\n", description(inner.1)).unwrap();
        for rule in rules(inner.1) {
            writeln!(text, "- {rule}").unwrap();
        }
        if !rules(inner.1).is_empty() {
            text.push('\n');
        }
        text.push_str("| Field | Type | Limits | Meaning and rules |\n|---|---|---|---|\n");
        fields(inner.1, part, &mut text);
    }
    text
}

/// The page that lists the kinds.
pub fn index(crds: &[CustomResourceDefinition]) -> String {
    let mut text = format!(
        "{MADE}# Field reference\n\nEvery field of every kind, from the schemas that the API server judges by. `kubectl explain` says the same.\n\n| Kind | |\n|---|---|\n"
    );
    for crd in crds {
        let schema = crd.spec.versions[0].schema.as_ref().unwrap();
        let schema = schema.open_api_v3_schema.as_ref().unwrap();
        let (kind, name) = (
            &crd.spec.names.kind,
            crd.spec.names.singular.as_ref().unwrap(),
        );
        writeln!(text, "| [{kind}]({name}.md) | {} |", description(schema)).unwrap();
    }
    text
}

/// A description in a table's cell.
fn description(schema: &JSONSchemaProps) -> String {
    cell(schema.description.as_deref().unwrap_or_default())
}

/// A text that stays within its cell.
fn cell(text: &str) -> String {
    let text = text.replace('|', "\\|").replace("\n\n", "<br>");
    text.replace('\n', " ")
}

/// What the rules of a schema say, each as a sentence.
fn rules(schema: &JSONSchemaProps) -> Vec<String> {
    let rules = schema.x_kubernetes_validations.iter().flatten();
    rules
        .map(|rule| {
            let message = rule.message.as_deref().unwrap();
            let mut letters = message.chars();
            let first = letters.next().unwrap().to_uppercase();
            cell(&format!(
                "{first}{}.",
                letters.as_str().trim_end_matches('.')
            ))
        })
        .collect()
}

fn items(schema: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match &schema.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => Some(item),
        _ => None,
    }
}

fn values(schema: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match &schema.additional_properties {
        Some(JSONSchemaPropsOrBool::Schema(value)) => Some(value),
        _ => None,
    }
}

fn type_name(schema: &JSONSchemaProps) -> String {
    if let Some(item) = items(schema) {
        let kind = match schema.x_kubernetes_list_type.as_deref() {
            Some("set") => "set",
            _ => "list",
        };
        return format!("{kind} of {}", type_name(item));
    }
    if let Some(value) = values(schema) {
        return format!("map of {}", type_name(value));
    }
    let name = schema.type_.clone().unwrap();
    match schema.format.as_deref() {
        Some("date-time") => "time".to_owned(),
        _ => name,
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The bounds of a value.
fn limits(schema: &JSONSchemaProps) -> Vec<String> {
    let mut found = Vec::new();
    let whole = |bound: f64| bound.to_string();
    if let Some(words) = &schema.enum_ {
        let words: Vec<String> = words
            .iter()
            .map(|word| format!("`{}`", plain(&word.0)))
            .collect();
        found.push(words.join(", "));
    }
    let mut span = |least: Option<String>, most: Option<String>, unit: &str| match (least, most) {
        (Some(least), Some(most)) => found.push(format!("{least} to {most}{unit}")),
        (Some(least), None) => found.push(format!("at least {least}{unit}")),
        (None, Some(most)) => found.push(format!("at most {most}{unit}")),
        (None, None) => {}
    };
    let text = |number: Option<i64>| number.map(|number| number.to_string());
    span(schema.minimum.map(whole), schema.maximum.map(whole), "");
    // What may be one of some words needs no length.
    if schema.enum_.is_none() {
        span(
            text(schema.min_length),
            text(schema.max_length),
            " characters",
        );
    }
    span(text(schema.min_items), text(schema.max_items), " entries");
    span(
        text(schema.min_properties),
        text(schema.max_properties),
        " entries",
    );
    if let Some(keys) = &schema.x_kubernetes_list_map_keys {
        found.push(format!("one entry for each `{}`", keys.join("`, `")));
    }
    if let Some(inner) = items(schema).or(values(schema)) {
        let inner = limits(inner);
        if !inner.is_empty() {
            found.push(format!("each: {}", inner.join("; ")));
        }
    }
    found
}

fn fields(schema: &JSONSchemaProps, path: &str, text: &mut String) {
    let required = schema.required.clone().unwrap_or_default();
    for (name, field) in schema.properties.iter().flatten() {
        row(
            field,
            &format!("{path}.{name}"),
            required.contains(name),
            text,
        );
    }
}

fn row(field: &JSONSchemaProps, path: &str, required: bool, text: &mut String) {
    let mut kind = type_name(field);
    if required {
        kind.push_str(", **required**");
    }
    if let Some(default) = &field.default {
        write!(kind, ", default `{}`", plain(&default.0)).unwrap();
    }
    let mut meaning = description(field);
    let inner = items(field).or(values(field));
    let mut said = rules(field);
    said.extend(inner.into_iter().flat_map(|inner| {
        let rules = rules(inner);
        rules.into_iter().map(|rule| format!("Each: {rule}"))
    }));
    for rule in said {
        write!(meaning, "<br>• {rule}").unwrap();
    }
    let limits = cell(&limits(field).join("; "));
    writeln!(text, "| `{path}` | {kind} | {limits} | {meaning} |").unwrap();
    fields(field, path, text);
    if let Some(inner) = inner {
        fields(inner, &format!("{path}[]"), text);
    }
}
