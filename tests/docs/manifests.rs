//! YAML in pages is what the schemas take: whole manifests of ours, fragments of them, and values of the chart.
//!
//! Rules in CEL are not evaluated here; the API server does that for the samples in `tests/admission`.

use std::collections::BTreeMap;

use jsonschema::Validator;
use pim_operator::api::crds;
use serde_json::{Map, Value, json};

use crate::page::{pages, read};

/// Refuses fields that the schema does not name, as `kubectl apply` does.
fn strict(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            let open = fields.contains_key("additionalProperties");
            if fields.contains_key("properties") && !open {
                fields.insert("additionalProperties".to_owned(), json!(false));
            }
            fields.values_mut().for_each(strict);
        }
        Value::Array(values) => values.iter_mut().for_each(strict),
        _ => {}
    }
}

/// Lets everything be left out.
fn partial(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("required").is_some_and(Value::is_array) {
                fields.remove("required");
            }
            fields.values_mut().for_each(partial);
        }
        Value::Array(values) => values.iter_mut().for_each(partial),
        _ => {}
    }
}

fn validator(schema: &Value) -> Validator {
    jsonschema::validator_for(schema).unwrap()
}

/// What pages may show.
struct Schemas {
    /// Whole manifests, by kind.
    whole: BTreeMap<String, Validator>,
    /// `{spec: …}`, and what `spec` holds, of any kind; values of the chart.
    fragments: Vec<(String, Validator)>,
}

impl Schemas {
    fn read() -> Self {
        let (mut whole, mut fragments) = (BTreeMap::new(), Vec::new());
        for crd in crds::all() {
            let kind = crd.spec.names.kind.clone();
            let version = &crd.spec.versions[0];
            let schema = version.schema.as_ref().unwrap();
            let mut schema = serde_json::to_value(&schema.open_api_v3_schema).unwrap();
            let fields = schema["properties"].as_object_mut().unwrap();
            for name in ["apiVersion", "kind"] {
                fields.insert(name.to_owned(), json!({"type": "string"}));
            }
            fields.insert("metadata".to_owned(), json!({"type": "object"}));
            strict(&mut schema);
            whole.insert(kind.clone(), validator(&schema));
            partial(&mut schema);
            fragments.push((kind.clone(), validator(&schema)));
            fragments.push((
                format!("spec of {kind}"),
                validator(&schema["properties"]["spec"]),
            ));
        }
        let mut values: Value =
            serde_json::from_str(&read("charts/pim-operator/values.schema.json")).unwrap();
        partial(&mut values);
        fragments.push(("values of the chart".to_owned(), validator(&values)));
        Self { whole, fragments }
    }

    /// What is wrong with a document, if anything is.
    fn wrong(&self, document: &Value) -> Option<String> {
        let word = |name: &str| document[name].as_str().unwrap_or_default();
        let (version, kind) = (word("apiVersion"), word("kind"));
        if version.starts_with("entrapim.dev/") {
            let Some(schema) = self
                .whole
                .get(kind)
                .filter(|_| version.ends_with("/v1alpha1"))
            else {
                return Some(format!("there is no {kind} in {version}"));
            };
            return complaint(schema, document);
        }
        if !version.is_empty() || is_foreign(document) {
            return None;
        }
        let complaints: Vec<String> = self
            .fragments
            .iter()
            .map_while(|(name, schema)| {
                complaint(schema, document).map(|why| format!("as {name}: {why}"))
            })
            .collect();
        (complaints.len() == self.fragments.len()).then(|| complaints.join("\n    "))
    }
}

fn complaint(schema: &Validator, document: &Value) -> Option<String> {
    let mut errors = schema.iter_errors(document);
    errors
        .next()
        .map(|error| format!("{error} at {}", error.instance_path()))
}

/// A kustomization without a version, or rules of a role.
fn is_foreign(document: &Value) -> bool {
    let fields = document.as_object().map(Map::keys);
    let is_kustomization = fields.is_some_and(|mut names| {
        names.all(|name| {
            ["resources", "patches", "components", "namespace", "images"].contains(&name.as_str())
        })
    });
    let is_rule = |rule: &Value| rule["apiGroups"].is_array() && rule["verbs"].is_array();
    let rules = document.as_array();
    is_kustomization || rules.is_some_and(|rules| rules.iter().all(is_rule))
}

#[test]
fn every_block_of_yaml_is_what_a_schema_takes() {
    let schemas = Schemas::read();
    let (mut faults, mut count) = (Vec::new(), 0);
    for page in pages() {
        for block in page.blocks.iter().filter(|block| block.language == "yaml") {
            let at = page.at(block.line);
            match serde_saphyr::from_multiple::<Value>(&block.text) {
                Ok(documents) => {
                    count += documents.len();
                    let wrong = documents
                        .iter()
                        .filter_map(|document| schemas.wrong(document));
                    faults.extend(wrong.map(|why| format!("{at}: {why}")));
                }
                Err(error) => faults.push(format!("{at}: {error}")),
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    println!("{count} documents");
}

#[test]
fn what_no_schema_takes_is_found() {
    let schemas = Schemas::read();
    let read = |text: &str| serde_saphyr::from_str::<Value>(text).unwrap();
    for (text, right) in [
        (
            "{apiVersion: entrapim.dev/v1alpha1, kind: EntraTenants}",
            false,
        ),
        ("{apiVersion: entrapim.dev/v1, kind: EntraTenant}", false),
        (
            "{apiVersion: entrapim.dev/v1alpha1, kind: EntraTenant, metadata: {name: a}, spec: {}}",
            false,
        ),
        ("{spec: {freeze: true}}", true),
        ("{spec: {freezes: true}}", false),
        ("{freeze: true}", true),
        ("{freeze: maybe}", false),
        ("{tenantSecrets: [contoso]}", true),
        ("{tenantSecret: contoso}", false),
        ("{apiVersion: v1, kind: Secret}", true),
    ] {
        assert_eq!(schemas.wrong(&read(text)).is_none(), right, "{text}");
    }
}
