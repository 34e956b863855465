//! Helm, and what it renders.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use pim_testbed::ControlPlane;
use serde_json::{Value, json};

/// The namespace that the documentation speaks of.
pub const NAMESPACE: &str = "pim-operator-system";
/// The release that it speaks of.
pub const RELEASE: &str = "pim-operator";

/// A path in this repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The chart's folder.
pub fn chart() -> PathBuf {
    repository("charts/pim-operator")
}

/// A file of the repository.
pub fn read(path: &str) -> String {
    let file = repository(path);
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Helm, with no files of the user's.
pub fn helm() -> Command {
    static HELM: OnceLock<PathBuf> = OnceLock::new();
    let helm = HELM.get_or_init(|| {
        // A thread of its own: the test may have a runtime already.
        let built = std::thread::spawn(|| {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(pim_testbed::helm()).unwrap()
        });
        built.join().unwrap()
    });
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("helm");
    let mut command = Command::new(helm);
    for (variable, folder) in [
        ("HELM_CACHE_HOME", "cache"),
        ("HELM_CONFIG_HOME", "config"),
        ("HELM_DATA_HOME", "data"),
    ] {
        command.env(variable, home.join(folder));
    }
    command.env_remove("KUBECONFIG");
    command
}

/// Writes values to a file of their own, which is removed when this is dropped.
pub struct ValuesFile(PathBuf);

impl ValuesFile {
    pub fn new(values: &Value) -> Self {
        let name = format!("values-{}.json", uuid::Uuid::new_v4());
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&file, values.to_string()).unwrap();
        Self(file)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ValuesFile {
    fn drop(&mut self) {
        // A file that stays does no harm.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What Helm renders for these values, or what it says against them.
pub fn try_render(values: &Value, arguments: &[&str]) -> Result<String, String> {
    let file = ValuesFile::new(values);
    let output = helm()
        .args(["template", RELEASE])
        .arg(chart())
        .args(["--namespace", NAMESPACE, "--values"])
        .arg(file.path())
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

/// The objects that Helm renders for these values.
pub fn render(values: &Value) -> Vec<Value> {
    render_with(values, &[])
}

/// The objects that Helm renders for these values and arguments.
pub fn render_with(values: &Value, arguments: &[&str]) -> Vec<Value> {
    parse(&try_render(values, arguments).unwrap_or_else(|error| panic!("{values}: {error}")))
}

/// The objects in a YAML text.
pub fn parse(text: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
    documents
        .into_iter()
        .filter(|document| !document.is_null())
        .collect()
}

/// An object by `Kind/name`, or `Kind/name@namespace`; null where there is none.
pub fn object(objects: &[Value], address: &str) -> Value {
    let (kind, name) = address.split_once('/').unwrap();
    let (name, namespace) = match name.split_once('@') {
        Some((name, namespace)) => (name, Some(namespace)),
        None => (name, None),
    };
    let found: Vec<_> = objects
        .iter()
        .filter(|object| object["kind"] == kind && object["metadata"]["name"] == name)
        .filter(|object| namespace.is_none_or(|place| object["metadata"]["namespace"] == place))
        .collect();
    assert!(found.len() < 2, "{address} is rendered more than once");
    found
        .first()
        .map_or(Value::Null, |object| (*object).clone())
}

/// What is at a place in an object; null where there is nothing. `[field=value]` in the pointer finds an element of a list.
pub fn at(object: &Value, pointer: &str) -> Value {
    let mut place = object;
    for part in pointer.split('/').filter(|part| !part.is_empty()) {
        let part = part.replace("~1", "/");
        let next = match part
            .strip_prefix('[')
            .and_then(|part| part.strip_suffix(']'))
        {
            Some(wanted) => {
                let (field, value) = wanted.split_once('=').unwrap();
                let elements = place.as_array().into_iter().flatten();
                elements.into_iter().find(|element| element[field] == value)
            }
            None => match part.parse::<usize>() {
                Ok(index) => place.get(index),
                Err(_) => place.get(part.as_str()),
            },
        };
        let Some(next) = next else { return Value::Null };
        place = next;
    }
    place.clone()
}

/// Runs Helm on a cluster, and returns what it prints.
pub fn helm_on(cluster: &ControlPlane, arguments: &[&str]) -> String {
    let output = helm()
        .args(arguments)
        .arg("--kubeconfig")
        .arg(cluster.kubeconfig_path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// This chart as it is released: packaged, once.
pub fn package() -> &'static Path {
    static PACKAGE: OnceLock<PathBuf> = OnceLock::new();
    PACKAGE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages");
        let output = helm()
            .args(["package", "--destination"])
            .arg(&folder)
            .arg(chart())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        folder.join(concat!("pim-operator-", env!("CARGO_PKG_VERSION"), ".tgz"))
    })
}

/// The chart that an upgrade starts from: the one before this, as it was packaged then.
pub fn previous_package() -> PathBuf {
    let folder = repository("tests/chart/fixtures");
    let mut packages: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|file| file.extension().is_some_and(|ending| ending == "tgz"))
        .collect();
    assert_eq!(packages.len(), 1, "{packages:?}");
    packages.remove(0)
}

/// Puts values over others, field by field.
pub fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// No values but the defaults.
pub fn defaults() -> Value {
    json!({})
}
