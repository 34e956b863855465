//! Argo CD's convention for health scripts, and the file that people paste.

use std::{collections::BTreeMap, fmt::Write};

use serde_json::Value;
use tokio::process::Command;

use crate::tools::{argocd_cm, repository, run};

const SCRIPTS: &str = "config/argocd/resource_customizations";
const SCRIPT: &str = "entrapim.dev/_/health.lua";
const SNIPPET: &str = "config/argocd/argocd-cm.yaml";

fn script() -> String {
    std::fs::read_to_string(repository(SCRIPTS).join(SCRIPT)).unwrap()
}

#[tokio::test]
async fn the_script_passes_its_tests_in_argo_cds_own_layout() {
    let program = pim_testbed::gitops_verdicts().await.unwrap();
    let mut command = Command::new(program);
    command.arg("convention").arg(repository(SCRIPTS));
    let output = run(&mut command, "").await;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let count: usize = String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .unwrap();
    assert!(count >= 17, "{count}");
}

/// Holds the snippet against the script, or with `UPDATE=1` makes it anew: a key of its own for each kind, so that it can be
/// merged into settings that are there.
#[test]
fn what_people_paste_is_the_script_once_for_each_kind() {
    let mut wanted = String::from(
        "# Health of the kinds of entrapim.dev, for the settings of Argo CD; docs/gitops.md says how to merge it in.\n\
         # Made from config/argocd/resource_customizations: `UPDATE=1 cargo test --test gitops health`.\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: argocd-cm\ndata:\n",
    );
    for crd in pim_operator::api::crds::all() {
        let (group, kind) = (crd.spec.group, crd.spec.names.kind);
        let key = format!("resource.customizations.health.{group}_{kind}");
        writeln!(wanted, "  {key}: |").unwrap();
        for line in script().lines() {
            let line = format!("    {line}");
            wanted.push_str(line.trim_end());
            wanted.push('\n');
        }
    }
    let file = repository(SNIPPET);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(found == wanted, "{SNIPPET} is not up to date: see its head");

    let data: BTreeMap<String, Value> =
        serde_json::from_value(argocd_cm()["data"].clone()).unwrap();
    assert_eq!(data.len(), pim_operator::api::crds::all().len());
    assert!(data.values().all(|one| *one == script()));
}

/// Scripts of settings run without Lua's library of strings, unlike those that Argo CD ships.
#[test]
fn the_script_needs_no_library_that_argo_cd_keeps_closed() {
    for closed in [
        "string.", "io.", "os.", "require", ":format", ":match", ":find",
    ] {
        assert!(!script().contains(closed), "{closed}");
    }
}
