//! The `CustomResourceDefinition`s as they are installed: what the derive makes, plus what it cannot say.

use std::{fs, io, path::Path};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use serde_json::{Value, json};

use super::{
    boundary::GrantBoundary,
    group_grant::{GroupAssignment, GroupEligibility},
    pim_policy::PimPolicy,
    role_grant::{RoleAssignment, RoleEligibility},
    tenant::EntraTenant,
};

/// Every `CustomResourceDefinition` of the operator, in the order of their names.
#[must_use]
pub fn all() -> Vec<CustomResourceDefinition> {
    [
        EntraTenant::crd(),
        GrantBoundary::crd(),
        GroupAssignment::crd(),
        GroupEligibility::crd(),
        PimPolicy::crd(),
        RoleAssignment::crd(),
        RoleEligibility::crd(),
    ]
    .into_iter()
    .map(finish)
    .collect()
}

/// All of them as one YAML stream.
///
/// # Errors
/// None that is known: a `CustomResourceDefinition` can be written as YAML.
pub fn to_yaml() -> io::Result<String> {
    all().iter().map(document).collect()
}

/// The file that a `CustomResourceDefinition` is kept in: `GROUP_PLURAL.yaml`.
#[must_use]
pub fn file_name(crd: &CustomResourceDefinition) -> String {
    format!("{}_{}.yaml", crd.spec.group, crd.spec.names.plural)
}

/// Writes one file a kind into `folder`, which is created where it is missing. Files whose content would stay the same are not
/// touched; files of kinds that are no more are not removed.
///
/// # Errors
/// If the folder or a file cannot be written.
pub fn write_to(folder: impl AsRef<Path>) -> io::Result<()> {
    let folder = folder.as_ref();
    fs::create_dir_all(folder)?;
    for crd in all() {
        let (path, text) = (folder.join(file_name(&crd)), document(&crd)?);
        if fs::read_to_string(&path).is_ok_and(|present| present == text) {
            continue;
        }
        fs::write(path, text)?;
    }
    Ok(())
}

/// One document of a YAML stream.
fn document(crd: &CustomResourceDefinition) -> io::Result<String> {
    let mut value = serde_json::to_value(crd)?;
    write_whole_numbers(&mut value);
    let yaml = serde_saphyr::to_string(&value).map_err(io::Error::other)?;
    Ok(format!("---\n{yaml}"))
}

/// Bounds are floats in the Rust type; `maximum: 64` reads better than `maximum: 64.0`.
fn write_whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let text = number.to_string();
            if let Some(whole) = text
                .strip_suffix(".0")
                .and_then(|text| text.parse::<i64>().ok())
            {
                *value = json!(whole);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(write_whole_numbers),
        Value::Object(fields) => fields.values_mut().for_each(write_whole_numbers),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Completes what the derive makes.
fn finish(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        let schema = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut());
        let Some(schema) = schema else { continue };
        each_schema(schema, &mut tidy);
        let properties = schema.properties.as_mut();
        if let Some(status) = properties.and_then(|properties| properties.get_mut("status")) {
            finish_status(status);
        }
    }
    crd
}

fn finish_status(status: &mut JSONSchemaProps) {
    status.description =
        Some("What the operator last observed and did. Only the operator writes it.".to_owned());
    // kstatus, and with it Flux and `kubectl wait`, takes an object without a status for finished.
    status.default = Some(JSON(json!({"observedGeneration": -1})));
    // A report must never be refused: the types that it shares with `spec` keep their shapes and lose their rules.
    each_schema(status, &mut |schema| schema.x_kubernetes_validations = None);
    let properties = status.properties.as_mut();
    if let Some(conditions) = properties.and_then(|properties| properties.get_mut("conditions")) {
        each_schema(conditions, &mut bound_condition);
    }
}

/// The bounds that Kubernetes itself gives to conditions and that the published type has lost.
fn bound_condition(schema: &mut JSONSchemaProps) {
    let Some(properties) = schema.properties.as_mut() else {
        return;
    };
    for (name, field) in properties {
        match name.as_str() {
            "message" => field.max_length = Some(32_768),
            "reason" => (field.min_length, field.max_length) = (Some(1), Some(1024)),
            "status" => {
                field.enum_ = Some(
                    ["True", "False", "Unknown"]
                        .map(|text| JSON(json!(text)))
                        .into(),
                );
            }
            "type" => field.max_length = Some(316),
            "lastTransitionTime" => field.max_length = Some(64),
            "observedGeneration" => field.minimum = Some(0.0),
            _ => {}
        }
    }
}

/// What holds for every schema.
fn tidy(schema: &mut JSONSchemaProps) {
    // schemars makes an `Option` nullable. Then `field: null` would be kept and `has()` be true of it; now it is as if the
    // field were left out.
    schema.nullable = None;
    schema.title = None;
    // Kubernetes knows no unsigned numbers.
    let signed = match schema.format.as_deref() {
        Some("uint32") => "int32",
        Some("uint64") => "int64",
        _ => "",
    };
    if !signed.is_empty() {
        schema.format = Some(signed.to_owned());
    }
    schema.description = schema.description.take().map(|text| unwrap_lines(&text));
}

/// Doc comments are wrapped for the editor; `kubectl explain` wraps for the terminal. Paragraphs stay.
fn unwrap_lines(text: &str) -> String {
    text.split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join("\n\n")
}

/// Calls `change` with a schema and all the schemas within it.
fn each_schema(schema: &mut JSONSchemaProps, change: &mut impl FnMut(&mut JSONSchemaProps)) {
    change(schema);
    for property in schema
        .properties
        .iter_mut()
        .flat_map(|all| all.values_mut())
    {
        each_schema(property, change);
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => each_schema(item, change),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => {
            for item in items {
                each_schema(item, change);
            }
        }
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = &mut schema.additional_properties {
        each_schema(value, change);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn committed() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("crds")
    }

    #[test]
    fn the_committed_files_are_those_of_the_types() {
        for crd in all() {
            let path = committed().join(file_name(&crd));
            let present = fs::read_to_string(&path).unwrap_or_default();
            assert!(
                present == document(&crd).unwrap(),
                "{} differs from src/api: run make crds",
                path.display()
            );
        }
        assert_eq!(
            fs::read_dir(committed()).unwrap().count(),
            all().len(),
            "crds/ holds files of kinds that are no more: remove them and run make crds"
        );
    }

    #[test]
    fn every_text_and_list_is_bounded_and_every_field_is_described() {
        fn check(path: &str, schema: &JSONSchemaProps) {
            let open_text = schema.type_.as_deref() == Some("string")
                && schema.max_length.is_none()
                && schema.enum_.is_none();
            assert!(!open_text, "{path} has no maxLength");
            let open_list = schema.type_.as_deref() == Some("array") && schema.max_items.is_none();
            assert!(!open_list, "{path} has no maxItems");
            let open_map =
                schema.additional_properties.is_some() && schema.max_properties.is_none();
            assert!(!open_map, "{path} has no maxProperties");
            assert!(schema.nullable.is_none(), "{path} is nullable");
            let description = schema.description.as_deref().unwrap_or_default();
            assert!(
                description.ends_with('.') || path.ends_with("[]"),
                "{path} is not described in whole sentences: {description}"
            );
            for (name, property) in schema.properties.iter().flatten() {
                check(&format!("{path}.{name}"), property);
            }
            if let Some(JSONSchemaPropsOrArray::Schema(item)) = &schema.items {
                check(&format!("{path}[]"), item);
            }
            if let Some(JSONSchemaPropsOrBool::Schema(value)) = &schema.additional_properties {
                check(&format!("{path}[]"), value);
            }
        }
        for crd in all() {
            for version in &crd.spec.versions {
                let schema = version.schema.as_ref().unwrap();
                let schema = schema.open_api_v3_schema.as_ref().unwrap();
                check(&crd.spec.names.kind, schema);
            }
        }
    }

    #[test]
    fn the_stream_holds_one_document_a_kind_that_reads_back_as_it_was() {
        let yaml = to_yaml().unwrap();
        let documents: Vec<_> = yaml
            .split("---\n")
            .filter(|text| !text.is_empty())
            .collect();
        assert_eq!(documents.len(), all().len());
        for (document, crd) in documents.into_iter().zip(all()) {
            assert!(document.starts_with("apiVersion: apiextensions.k8s.io/v1\nkind: "));
            let read: CustomResourceDefinition = serde_saphyr::from_str(document).unwrap();
            assert_eq!(read, crd);
        }
    }

    #[test]
    fn writing_again_leaves_equal_files_alone() {
        let folder = std::env::temp_dir().join(format!("crds-{}", uuid::Uuid::new_v4()));
        write_to(&folder).unwrap();
        let path = folder.join("entrapim.dev_groupeligibilities.yaml");
        let written = path.metadata().unwrap().modified().unwrap();
        write_to(&folder).unwrap();
        assert_eq!(path.metadata().unwrap().modified().unwrap(), written);
        fs::remove_dir_all(folder).unwrap();
    }
}
