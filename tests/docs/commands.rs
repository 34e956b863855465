//! Commands in pages name targets, subcommands, flags, kinds, fields and annotations that exist.

use std::collections::BTreeSet;

use clap::CommandFactory;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray,
};
use pim_operator::{
    api::{GROUP, conditions::ConditionType, crds},
    cli::Cli,
};

use crate::{
    names::api_names,
    page::{Code, pages, read, repository},
};

/// The kinds besides ours that pages may speak of.
const KINDS: [&str; 29] = [
    "application",
    "applications",
    "clusterrole",
    "clusterrolebinding",
    "configmap",
    "crd",
    "crds",
    "deployment",
    "event",
    "events",
    "helmrelease",
    "kustomization",
    "lease",
    "leases",
    "namespace",
    "namespaces",
    "nodes",
    "pod",
    "pods",
    "prometheusrule",
    "rolebinding",
    "secret",
    "secrets",
    "service",
    "serviceaccount",
    "serviceaccounts",
    "servicemonitor",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
];
/// Flags of kubectl whose value is a word of its own.
const WITH_VALUE: [&str; 20] = [
    "-n",
    "--namespace",
    "-o",
    "--output",
    "-l",
    "--selector",
    "-p",
    "--patch",
    "--type",
    "--context",
    "--for",
    "--timeout",
    "-f",
    "--filename",
    "-k",
    "--field-selector",
    "--as",
    "--subresource",
    "-c",
    "--sort-by",
];

/// The words of each command in a text.
fn commands(text: &str) -> Vec<Vec<String>> {
    let joined = text.replace("\\\n", " ");
    let prompted = joined
        .lines()
        .any(|line| line.trim_start().starts_with("$ "));
    let mut found = Vec::new();
    let mut until: Option<String> = None;
    for line in joined.lines() {
        let line = line.trim_start();
        if let Some(end) = &until {
            if line == end {
                until = None;
            }
            continue;
        }
        let command = match (prompted, line.strip_prefix("$ ")) {
            (true, None) => continue,
            (_, Some(command)) => command,
            (false, None) => line,
        };
        if let Some((_, end)) = command.split_once("<<") {
            let end = end.split_whitespace().next().unwrap_or_default();
            until = Some(end.trim_matches(['\'', '"', '-']).to_owned());
        }
        let Some(words) = shlex::split(command) else {
            continue;
        };
        for part in words.split(|word| ["|", "||", "&&", ";"].contains(&word.as_str())) {
            let is_assignment = |word: &&String| {
                word.split_once('=').is_some_and(|(name, _)| {
                    name.chars()
                        .all(|letter| letter.is_ascii_uppercase() || letter == '_')
                })
            };
            let part: Vec<String> = part.iter().skip_while(is_assignment).cloned().collect();
            if !part.is_empty() {
                found.push(part);
            }
        }
    }
    found
}

/// What commands may name.
struct Known {
    targets: BTreeSet<String>,
    kinds: BTreeSet<String>,
    annotations: BTreeSet<String>,
    cli: clap::Command,
}

impl Known {
    fn read() -> Self {
        let makefile = read("Makefile");
        let targets = makefile.lines().filter_map(|line| line.split_once(':'));
        let targets = targets.map(|(target, _)| target.to_owned()).collect();
        let mut kinds: BTreeSet<String> = KINDS.map(str::to_owned).into();
        for crd in crds::all() {
            let names = crd.spec.names;
            kinds.insert(format!("{}.{GROUP}", names.plural));
            kinds.insert(names.plural);
            kinds.extend(names.singular);
            kinds.extend(names.short_names.into_iter().flatten());
            kinds.extend(names.categories.into_iter().flatten());
        }
        Self {
            targets,
            kinds,
            annotations: api_names(),
            cli: Cli::command(),
        }
    }

    /// What is wrong with a command, if anything is.
    fn wrong(&self, words: &[String]) -> Option<String> {
        let (program, rest) = words.split_first()?;
        match program.as_str() {
            "make" => rest
                .iter()
                .filter(|word| !word.contains('=') && !word.starts_with('-'))
                .find(|target| !self.targets.contains(*target))
                .map(|target| format!("there is no target {target}")),
            "pim-operator" => self.operator(rest),
            "kubectl" => self.kubectl(rest),
            "cargo" => cargo(rest),
            _ => None,
        }
    }

    fn operator(&self, words: &[String]) -> Option<String> {
        let (name, rest) = words.split_first()?;
        if name.starts_with("--") {
            return (!["--help", "--version"].contains(&name.as_str()))
                .then(|| format!("there is no {name}"));
        }
        let Some(command) = self.cli.find_subcommand(name) else {
            return Some(format!("there is no subcommand {name}"));
        };
        let flags: BTreeSet<&str> = command
            .get_arguments()
            .filter_map(clap::Arg::get_long)
            .collect();
        rest.iter()
            .filter_map(|word| word.strip_prefix("--"))
            .map(|word| word.split('=').next().unwrap_or_default())
            .find(|flag| !flags.contains(flag) && *flag != "help")
            .map(|flag| format!("{name} has no flag --{flag}"))
    }

    fn kubectl(&self, words: &[String]) -> Option<String> {
        if let Some(condition) = words
            .iter()
            .find_map(|word| word.strip_prefix("--for=condition="))
        {
            let condition = condition.split('=').next().unwrap_or_default();
            let ours = ConditionType::ALL
                .iter()
                .any(|type_| type_.as_str() == condition);
            if !ours && !["Available", "Established"].contains(&condition) {
                return Some(format!("there is no condition {condition}"));
            }
        }
        let mut plain = Vec::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if WITH_VALUE.contains(&word.as_str()) {
                words.next();
            } else if !word.starts_with('-') {
                plain.push(word.as_str());
            }
        }
        let (verb, rest) = plain.split_first()?;
        let kind = match *verb {
            "get" | "describe" | "delete" | "annotate" | "label" | "patch" | "edit" | "wait"
            | "explain" | "create" => rest.first()?,
            "rollout" => rest.get(1)?,
            _ => return None,
        };
        for annotation in rest.iter().filter(|word| word.starts_with("entrapim.dev/")) {
            // `NAME=VALUE` sets it, `NAME-` takes it away.
            let name = annotation.split('=').next().unwrap_or_default();
            let name = name.strip_suffix('-').unwrap_or(name);
            if !self.annotations.contains(name) {
                return Some(format!("there is no annotation {annotation}"));
            }
        }
        let names = kind.split('/').next().unwrap_or_default();
        if *verb == "explain" {
            return self.explain(kind);
        }
        names
            .split(',')
            .find(|name| !self.kinds.contains(*name) && !is_of_others(name))
            .map(|name| format!("there is no kind {name}"))
    }

    fn explain(&self, path: &str) -> Option<String> {
        let mut steps = path.split('.');
        let kind = steps.next().unwrap_or_default();
        if !self.kinds.contains(kind) {
            return Some(format!("there is no kind {kind}"));
        }
        let crds = crds::all();
        let crd = crds.iter().find(|crd| {
            let names = &crd.spec.names;
            let short = names.short_names.iter().flatten();
            names.plural == kind
                || names.singular.as_deref() == Some(kind)
                || short.into_iter().any(|name| name == kind)
        })?;
        let schema = crd.spec.versions[0].schema.as_ref().unwrap();
        let mut here: &JSONSchemaProps = schema.open_api_v3_schema.as_ref().unwrap();
        for step in steps {
            let list = match &here.items {
                Some(JSONSchemaPropsOrArray::Schema(item)) => item,
                _ => here,
            };
            match list.properties.as_ref().and_then(|fields| fields.get(step)) {
                Some(field) => here = field,
                None => return Some(format!("{path} leads to no field")),
            }
        }
        None
    }
}

/// A kind with the group of another project, of which nothing is known here, or one that a loop puts in.
fn is_of_others(kind: &str) -> bool {
    if kind.starts_with('$') {
        return true;
    }
    let group = kind.split_once('.').map(|(_, group)| group);
    group.is_some_and(|group| group != GROUP)
}

fn cargo(words: &[String]) -> Option<String> {
    let value = |flag: &str| {
        let place = words.iter().position(|word| word == flag)?;
        words.get(place + 1)
    };
    let target = value("--test")?;
    let folder = repository(format!("tests/{target}"));
    (!folder.is_dir()).then(|| format!("there is no test target {target}"))
}

fn is_shell(block: &Code) -> bool {
    ["bash", "sh", "shell", "console"].contains(&block.language.as_str())
}

#[test]
fn every_command_names_what_exists() {
    let known = Known::read();
    let (mut faults, mut count) = (Vec::new(), 0);
    for page in pages() {
        let spans = page.spans.iter().filter(|span| span.text.contains(' '));
        for code in page
            .blocks
            .iter()
            .filter(|block| is_shell(block))
            .chain(spans)
        {
            for command in commands(&code.text) {
                count += 1;
                if let Some(why) = known.wrong(&command) {
                    faults.push(format!(
                        "{}: {}: {why}",
                        page.at(code.line),
                        command.join(" ")
                    ));
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    println!("{count} commands");
}

#[test]
fn a_command_that_names_nothing_is_found() {
    let known = Known::read();
    for (text, faults) in [
        ("make demo KEEP=1\nmake tests", 1),
        ("KEEP=1 make demo", 0),
        ("pim-operator run --log-format text", 0),
        ("pim-operator start", 1),
        ("pim-operator run \\\n  --log-colour red", 1),
        (
            "kubectl -n payments get ge,ga -o yaml | pim-operator policy",
            1,
        ),
        ("kubectl get groupeligibilitys", 1),
        ("kubectl get grants.entrapim.dev", 1),
        ("kubectl get kustomizations.kustomize.toolkit.fluxcd.io", 0),
        ("kubectl wait ge/alice --for=condition=Ready", 0),
        ("kubectl wait ge/alice --for=condition=Readyy", 1),
        ("kubectl explain ge.spec.scheduleInfo.expiration", 0),
        ("kubectl explain ge.spec.schedule", 1),
        (
            "kubectl annotate et contoso entrapim.dev/acknowledge-removals=1:2",
            0,
        ),
        ("kubectl annotate et contoso entrapim.dev/confirm=1:2", 1),
        ("$ make demo\nmake nothing of this, it is output", 0),
        (
            "kubectl apply -f - <<'EOF'\nmake: nothing\nEOF\nmake nothing",
            1,
        ),
        ("cargo test --test docs && cargo test --test dogs", 1),
    ] {
        let found = commands(text)
            .iter()
            .filter_map(|command| known.wrong(command))
            .count();
        assert_eq!(found, faults, "{text}");
    }
}
