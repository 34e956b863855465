//! What the CRDs demand, read from the CRDs.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use pim_operator::api::crds;

/// Every `CustomResourceDefinition`, read from the files that are installed.
pub fn committed() -> Vec<CustomResourceDefinition> {
    crds::all()
        .iter()
        .map(|crd| {
            let path = super::server::repository("crds").join(crds::file_name(crd));
            serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
        })
        .collect()
}

/// Every field of the `spec` of a kind, and `spec` itself, with its schema: `("spec.group.id", …)`. The items of a list are
/// `("spec.groups[0]", …)`, the values of a map `("spec.namespaceSelector.matchLabels[key]", …)`, as the API server names them.
pub fn fields(crd: &CustomResourceDefinition) -> Vec<(String, JSONSchemaProps)> {
    fn walk(path: &str, schema: &JSONSchemaProps, into: &mut Vec<(String, JSONSchemaProps)>) {
        into.push((path.to_owned(), schema.clone()));
        for (name, property) in schema.properties.iter().flatten() {
            walk(&format!("{path}.{name}"), property, into);
        }
        if let Some(JSONSchemaPropsOrArray::Schema(item)) = &schema.items {
            walk(&format!("{path}[0]"), item, into);
        }
        if let Some(JSONSchemaPropsOrBool::Schema(value)) = &schema.additional_properties {
            walk(&format!("{path}[key]"), value, into);
        }
    }
    let mut all = Vec::new();
    for version in &crd.spec.versions {
        let schema = version.schema.as_ref().unwrap();
        let schema = schema.open_api_v3_schema.as_ref().unwrap();
        walk(
            "spec",
            &schema.properties.as_ref().unwrap()["spec"],
            &mut all,
        );
    }
    all
}
