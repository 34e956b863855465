//! Links lead somewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path, PathBuf},
};

use url::Url;

use crate::page::{INDEX, Page, pages, repository};

/// The hosts that pages may point to.
const HOSTS: [&str; 16] = [
    "argo-cd.readthedocs.io",
    "azure.github.io",
    "docs.github.com",
    "docs.rs",
    "fluxcd.io",
    "github.com",
    "graphpermissions.merill.net",
    "grafana.com",
    "helm.sh",
    "kubernetes.io",
    "learn.microsoft.com",
    "marketplace.upbound.io",
    "opentelemetry.io",
    "prometheus.io",
    "registry.terraform.io",
    "www.rfc-editor.org",
];

/// `a/b/../c` as `a/c`; none if it leads out of the repository.
fn flatten(path: &Path) -> Option<PathBuf> {
    let mut flat = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                if !flat.pop() {
                    return None;
                }
            }
            part => flat.push(part),
        }
    }
    Some(flat)
}

/// The file that a link of a page leads to within the repository, and the anchor in it.
fn internal<'a>(page: &Page, target: &'a str) -> (Option<PathBuf>, Option<&'a str>) {
    let (file, anchor) = match target.split_once('#') {
        Some((file, anchor)) => (file, Some(anchor)),
        None => (target, None),
    };
    if file.is_empty() {
        return (Some(page.path.clone()), anchor);
    }
    let folder = page.path.parent().unwrap();
    (flatten(&folder.join(file)), anchor)
}

fn is_external(target: &str) -> bool {
    target.contains("://") || target.starts_with("mailto:")
}

/// What is wrong with a link, if anything is.
fn wrong(page: &Page, target: &str, all: &BTreeMap<PathBuf, &Page>) -> Option<String> {
    if is_external(target) {
        let Ok(url) = Url::parse(target) else {
            return Some("is no address".to_owned());
        };
        let host = url.host_str().unwrap_or_default();
        if url.scheme() != "https" {
            return Some("is not https".to_owned());
        }
        return (!HOSTS.contains(&host))
            .then(|| format!("leads to {host}, which HOSTS does not list"));
    }
    let (Some(file), anchor) = internal(page, target) else {
        return Some("leads out of the repository".to_owned());
    };
    if !repository(&file).exists() {
        return Some("leads to a file that does not exist".to_owned());
    }
    let anchor = anchor?;
    match all.get(&file) {
        Some(there) if there.anchors.contains(anchor) => None,
        Some(_) => Some("leads to a heading that does not exist".to_owned()),
        None => Some("has an anchor in a file that is no page".to_owned()),
    }
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let all: BTreeMap<PathBuf, &Page> =
        pages.iter().map(|page| (page.path.clone(), page)).collect();
    let mut dead = Vec::new();
    let mut count = 0;
    for page in &pages {
        for link in &page.links {
            count += 1;
            if let Some(why) = wrong(page, &link.target, &all) {
                dead.push(format!("{}: {} {why}", page.at(link.line), link.target));
            }
        }
    }
    assert!(dead.is_empty(), "\n{}", dead.join("\n"));
    println!("{count} links on {} pages", pages.len());
}

#[test]
fn every_page_can_be_reached_from_the_index() {
    let pages = pages();
    let all: BTreeMap<PathBuf, &Page> =
        pages.iter().map(|page| (page.path.clone(), page)).collect();
    let mut reached = BTreeSet::new();
    let mut ahead = vec![PathBuf::from(INDEX)];
    while let Some(path) = ahead.pop() {
        let Some(page) = all.get(&path) else { continue };
        if !reached.insert(path) {
            continue;
        }
        let links = page.links.iter().filter(|link| !is_external(&link.target));
        ahead.extend(links.filter_map(|link| internal(page, &link.target).0));
    }
    let lost: Vec<_> = all.keys().filter(|path| !reached.contains(*path)).collect();
    assert!(lost.is_empty(), "{INDEX} does not lead to {lost:?}");
}

#[test]
fn a_dead_link_is_found() {
    let here = Page::parse("docs/brakes.md".into(), "# Here\n");
    let there = Page::parse("docs/README.md".into(), "# There\n");
    let all = BTreeMap::from([(here.path.clone(), &here), (there.path.clone(), &there)]);
    for (target, fault) in [
        ("README.md", None),
        ("README.md#there", None),
        ("#here", None),
        ("../Cargo.toml", None),
        ("https://learn.microsoft.com/entra", None),
        ("https://learn.example.com/entra", Some("HOSTS")),
        ("http://learn.microsoft.com/entra", Some("https")),
        ("READMY.md", Some("file that does not exist")),
        ("README.md#here", Some("heading that does not exist")),
        ("#there", Some("heading that does not exist")),
        ("../../x.md", Some("out of the repository")),
    ] {
        let found = wrong(&here, target, &all);
        match fault {
            None => assert_eq!(found, None, "{target}"),
            Some(fault) => assert!(found.unwrap().contains(fault), "{target}"),
        }
    }
}
