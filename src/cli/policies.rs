//! `pim-operator policies`.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use serde_json::Value;

use super::CliError;
use crate::{api::boundary::GrantBoundary, pim::echo};

/// The ConfigMap that `config/policies/boundaries.yaml` names.
const CONFIG_MAP: &str = "pim-operator-boundaries";
/// What etcd and the API server take in one ConfigMap.
const MAX_BYTES: usize = 1024 * 1024;

/// Options of `policies`.
#[derive(Debug, Args)]
pub struct PoliciesArgs {
    /// Files with boundaries; without any, or for -, the standard input.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The namespace of the ConfigMap.
    #[arg(long, value_name = "NAME", default_value = "pim-operator-system")]
    namespace: String,
}

impl PoliciesArgs {
    pub(super) fn execute(self) -> Result<(), CliError> {
        let mut boundaries = Vec::new();
        if self.files.is_empty() {
            boundaries.extend(read(Path::new("-"))?);
        }
        for file in &self.files {
            boundaries.extend(read(file)?);
        }
        let map = config_map(&boundaries, self.namespace)?;
        let yaml = serde_saphyr::to_string(&serde_json::to_value(map)?)?;
        Ok(io::stdout().lock().write_all(yaml.as_bytes())?)
    }
}

/// The boundaries in a file, or in the standard input.
fn read(file: &Path) -> Result<Vec<GrantBoundary>, CliError> {
    let text = if file == Path::new("-") {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    let text = text.map_err(|error| format!("{}: {error}", file.display()))?;
    boundaries(&text).map_err(|error| format!("{}: {error}", file.display()).into())
}

/// The boundaries in a stream of YAML or JSON, and in the lists therein.
fn boundaries(text: &str) -> Result<Vec<GrantBoundary>, CliError> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text)?;
    documents
        .into_iter()
        .flat_map(|document| match document.get("items") {
            Some(Value::Array(items)) => items.clone(),
            _ => vec![document],
        })
        .filter(|object| object["kind"] == "GrantBoundary")
        .map(|object| {
            let name = object["metadata"]["name"].clone();
            serde_json::from_value(object)
                .map_err(|error| format!("GrantBoundary {name}: {error}").into())
        })
        .collect()
}

fn config_map(boundaries: &[GrantBoundary], namespace: String) -> Result<ConfigMap, CliError> {
    let mut lines = BTreeMap::new();
    for boundary in boundaries {
        let name = boundary.metadata.name.clone().unwrap_or_default();
        let line = echo::line(&name, &boundary.spec)
            .map_err(|error| format!("GrantBoundary {name}: {error}"))?;
        if lines.insert(name.clone(), line).is_some() {
            return Err(format!("GrantBoundary {name} is there twice: keep one of them").into());
        }
    }
    // In the order of their names: what is unchanged is written unchanged.
    let text: String = lines.into_values().map(|line| line + "\n").collect();
    let bytes = text.len();
    if bytes > MAX_BYTES {
        let problem = format!(
            "the boundaries take {bytes} bytes, and a ConfigMap has room for {MAX_BYTES}: select namespaces by `namespaceSelector` rather than by name, or do without the policy boundaries.entrapim.dev"
        );
        return Err(problem.into());
    }
    Ok(ConfigMap {
        metadata: ObjectMeta {
            name: Some(CONFIG_MAP.to_owned()),
            namespace: Some(namespace),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([("boundaries".to_owned(), text)])),
        ..ConfigMap::default()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn boundary(name: &str) -> String {
        format!(
            "apiVersion: entrapim.dev/v1alpha1\nkind: GrantBoundary\nmetadata: {{name: {name}}}\nspec: {{namespaces: [{name}], tenants: [contoso], kinds: [GroupEligibility], principals: {{kinds: [User]}}}}\n"
        )
    }

    fn names(text: &str) -> Vec<String> {
        let map = config_map(&boundaries(text).unwrap(), "here".to_owned()).unwrap();
        assert_eq!(map.metadata.namespace.as_deref(), Some("here"));
        let lines = &map.data.unwrap()["boundaries"];
        let name = |line: &str| line.split(';').next().unwrap().to_owned();
        lines.lines().map(name).collect()
    }

    #[test]
    fn boundaries_are_found_in_streams_and_lists_among_other_objects() {
        let other = "apiVersion: v1\nkind: Secret\nmetadata: {name: entra}\n";
        let stream = format!("{}---\n{other}---\n{}", boundary("b"), boundary("a"));
        assert_eq!(names(&stream), ["a", "b"]);

        let items: Vec<Value> = serde_saphyr::from_multiple(&stream).unwrap();
        let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items});
        assert_eq!(names(&list.to_string()), ["a", "b"]);
        assert_eq!(
            names(r#"{"apiVersion": "v1", "kind": "List", "items": []}"#),
            [""; 0]
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let misread = boundary("a").replace("[User]", "[Users]");
        let error = boundaries(&misread).unwrap_err().to_string();
        assert!(error.starts_with("GrantBoundary \"a\": "), "{error}");

        let twice = format!("{}---\n{}", boundary("a"), boundary("a"));
        let twice = config_map(&boundaries(&twice).unwrap(), String::new());
        assert_eq!(
            twice.unwrap_err().to_string(),
            "GrantBoundary a is there twice: keep one of them"
        );
    }

    #[test]
    fn more_than_a_config_map_holds_is_refused_with_the_way_out() {
        let one = boundaries(&boundary("a")).unwrap().remove(0);
        let many: Vec<_> = (0..20_000)
            .map(|number| {
                let mut one = one.clone();
                one.metadata.name = Some(format!("boundary-{number}"));
                one
            })
            .collect();
        let error = config_map(&many, String::new()).unwrap_err().to_string();
        assert!(error.contains("by `namespaceSelector`"), "{error}");
    }
}
