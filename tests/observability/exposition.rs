//! What a scrape holds, read as Prometheus does.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// A family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Family {
    pub type_: String,
    pub labels: BTreeSet<String>,
    /// The names of its samples.
    pub samples: BTreeSet<String>,
}

/// The families of a scrape, by the name that `docs/metrics.md` calls them: that of their samples, without those of a
/// histogram's parts.
pub fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = (String::new(), String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, type_) = rest.split_once(' ').unwrap();
            current = (name.to_owned(), type_.to_owned());
        }
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        let (name, labels) = sample(line);
        let (family, type_) = &current;
        let known = if type_ == "histogram" {
            family.clone()
        } else {
            name.clone()
        };
        assert!(
            name.starts_with(family.as_str()),
            "{line} is not of {family}"
        );
        let family = families.entry(known).or_default();
        family.type_.clone_from(type_);
        family
            .labels
            .extend(labels.into_iter().map(|(label, _)| label));
        family.samples.insert(name);
    }
    families
}

/// The name and the labels of a line.
pub fn sample(line: &str) -> (String, Vec<(String, String)>) {
    let end = line.find(['{', ' ']).unwrap();
    let (name, rest) = line.split_at(end);
    let Some(labels) = rest.strip_prefix('{') else {
        return (name.to_owned(), Vec::new());
    };
    let (labels, _) = labels.rsplit_once('}').unwrap();
    let pairs = labels.split("\",").filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| {
        let (label, value) = pair.split_once("=\"").unwrap();
        (label.to_owned(), value.trim_end_matches('"').to_owned())
    });
    (name.to_owned(), pairs.collect())
}

/// A path in this repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file of this repository.
pub fn read(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap()
}
