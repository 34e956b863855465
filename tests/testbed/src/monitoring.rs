//! The kinds of prometheus-operator, which are files in its Go module.

use std::{ffi::OsStr, fs, path::Path, process::Command};

use crate::{
    Error,
    go_build::{GO, find_program},
};

const MODULE: &str = "github.com/prometheus-operator/prometheus-operator";
const GO_MOD: &str = include_str!("../go/prometheus-operator/go.mod");
const GO_SUM: &str = include_str!("../go/prometheus-operator/go.sum");
const KINDS: [&str; 2] = ["servicemonitors", "prometheusrules"];

/// The definitions, as YAML. Go keeps what it fetched once, and checks it against the sums that are pinned here.
pub(crate) fn crds(cache: &Path, path: &OsStr) -> Result<Vec<String>, Error> {
    let go = find_program(path, "go").ok_or(GO)?;
    let folder = cache.join("prometheus-operator");
    fs::create_dir_all(&folder).map_err(Error::io("creating", &folder))?;
    for (name, content) in [("go.mod", GO_MOD), ("go.sum", GO_SUM)] {
        let file = folder.join(name);
        fs::write(&file, content).map_err(Error::io("writing", &file))?;
    }
    let output = Command::new(go)
        .args(["mod", "download", "-json", MODULE])
        .current_dir(&folder)
        .env("GOWORK", "off")
        .env("GOFLAGS", "-mod=readonly")
        .output()
        .map_err(Error::io("running go in", &folder))?;
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let Some(fetched) = answer["Dir"].as_str() else {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Error::Module {
            module: MODULE,
            said: format!("{}{said}", answer["Error"].as_str().unwrap_or_default()),
        });
    };
    let read = |kind: &str| {
        let name = format!("example/prometheus-operator-crd/monitoring.coreos.com_{kind}.yaml");
        let file = Path::new(fetched).join(name);
        fs::read_to_string(&file).map_err(Error::io("reading", &file))
    };
    KINDS.into_iter().map(read).collect()
}
