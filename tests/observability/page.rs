//! `docs/metrics.md` against the registry.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use pim_operator::{
    controller::{
        clock::SystemClock,
        metrics::{Access, Credential, Measures, Metrics, Source, TenantMeasures},
    },
    graph::{EndpointClass, Outcome},
    pim::{
        plan::Why,
        policy::{Difference, Rule, RuleId},
    },
};

use crate::exposition::{families, read, sample};

/// A tenant of which everything is known, and one of each sort of object.
struct Everything;

impl Source for Everything {
    fn tenants(&self) -> Option<BTreeSet<String>> {
        Some(BTreeSet::from(["contoso".to_owned()]))
    }

    fn measure(&self, now: DateTime<Utc>) -> Measures {
        let tenant = "contoso".to_owned();
        Measures {
            tenants: vec![TenantMeasures {
                name: tenant.clone(),
                ready: true,
                frozen: false,
                credential: Some(Credential {
                    kind: "certificate",
                    expires: now,
                }),
                snapshot_age: Some(1),
                resync_period: Some(900),
                guard: Some((true, 2)),
                standing: Some(BTreeMap::from([(("role", true), 1)])),
            }],
            objects: BTreeMap::from([((tenant.clone(), "GroupEligibility", "Provisioned"), 1)]),
            authority_lost: BTreeMap::from([((tenant, "RoleAssignment", Access::Revoked), 1)]),
            passes: BTreeMap::from([(("PimPolicy", "waiting"), 1)]),
        }
    }
}

fn approval_switched_off() -> Difference {
    let approval = |required| Rule::Approval {
        required,
        approvers: BTreeSet::new(),
        other: BTreeSet::new(),
    };
    Difference {
        rule: RuleId::Approval,
        from: approval(false),
        to: approval(true),
    }
}

/// The registry's text, with every family touched.
fn everything() -> (Arc<Metrics>, Arc<Everything>, String) {
    let metrics = Metrics::new(Arc::new(SystemClock));
    let source = Arc::new(Everything);
    metrics.follow(&source);
    metrics.reconciled("GroupEligibility", true, Duration::from_millis(3));
    metrics.unreadable("PimPolicy");
    metrics.watch_error("Secret");
    metrics.denied("RoleAssignment", "denyList");
    metrics.write("GroupEligibility", "adminAssign", true);
    metrics.grant_drift("contoso", "GroupEligibility", Why::Removed);
    metrics.policy_drift("contoso", &approval_switched_off());
    let observer = metrics.graph_observer("contoso");
    observer.call(
        EndpointClass::Users,
        Outcome::Throttled,
        Duration::from_secs(1),
    );
    observer.throttled(Duration::from_secs(1));
    let text = metrics.encode().unwrap();
    (metrics, source, text)
}

/// The rows of the page's tables that begin with a name in backquotes.
fn rows() -> Vec<Vec<String>> {
    let page = read("docs/metrics.md");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| {
        let cells = line.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect()
    })
    .collect()
}

/// The words of a cell in backquotes.
fn quoted(cell: &str) -> BTreeSet<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_page_and_the_registry_tell_of_the_same_metrics_with_the_same_types_and_labels() {
    let (_metrics, _source, text) = everything();
    let mut found: BTreeMap<_, _> = families(&text)
        .into_iter()
        .map(|(name, family)| (name, (family.type_, family.labels)))
        .collect();
    for (_, labels) in found.values_mut() {
        labels.remove("le");
    }
    let documented: BTreeMap<_, _> = rows()
        .into_iter()
        .filter(|row| row.len() == 5)
        .map(|row| {
            (
                row[0].trim_matches('`').to_owned(),
                (row[1].clone(), quoted(&row[3])),
            )
        })
        .collect();
    assert_eq!(documented, found);
}

#[test]
fn units_are_in_the_names_and_on_the_page() {
    for row in rows().into_iter().filter(|row| row.len() == 5) {
        let (name, unit, use_) = (row[0].trim_matches('`'), &row[2], &row[4]);
        let name = name.trim_end_matches("_total");
        for base in ["seconds", "bytes"] {
            assert_eq!(
                name.ends_with(base),
                unit.starts_with(base),
                "{name}: {unit}"
            );
        }
        assert!(
            use_.split_whitespace().count() > 3,
            "{name} says too little: {use_}"
        );
    }
}

#[test]
fn every_label_is_explained_and_those_of_fixed_vocabularies_by_all_their_values() {
    let (_metrics, _source, text) = everything();
    let used: BTreeSet<String> = families(&text)
        .into_values()
        .flat_map(|family| family.labels)
        .collect();
    let explained: BTreeMap<String, BTreeSet<String>> = rows()
        .into_iter()
        .filter(|row| row.len() == 2)
        .map(|row| (row[0].trim_matches('`').to_owned(), quoted(&row[1])))
        .collect();
    assert_eq!(explained.keys().cloned().collect::<BTreeSet<_>>(), used);

    let endpoints = EndpointClass::ALL.iter().map(|one| one.as_str().to_owned());
    assert_eq!(explained["endpoint"], endpoints.collect());
    let outcomes = Outcome::ALL.iter().map(|one| one.as_str().to_owned());
    assert_eq!(explained["outcome"], outcomes.collect());
    let rules = RuleId::all()
        .into_iter()
        .map(|rule| rule.as_str().to_owned());
    let mails = "Notification_{Admin,Requestor,Approver}_{Admin_Eligibility,Admin_Assignment,EndUser_Assignment}";
    let rules: BTreeSet<String> = rules
        .filter(|rule| !rule.starts_with("Notification_"))
        .chain([mails.to_owned()])
        .collect();
    assert_eq!(explained["rule"], rules);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        for (label, value) in sample(line).1 {
            let free =
                ["tenant", "version", "le", "reason", "from", "to"].contains(&label.as_str());
            assert!(
                free || explained[&label].contains(&value),
                "{label}={value} in {line}"
            );
        }
    }
}

#[test]
fn the_series_of_a_tenant_go_when_it_does() {
    let (metrics, _source, text) = everything();
    assert!(text.contains("tenant=\"contoso\""));
    // A call that was under way when its tenant went.
    let late = metrics.graph_observer("fabrikam");
    late.call(
        EndpointClass::Users,
        Outcome::Success,
        Duration::from_secs(1),
    );
    metrics.policy_drift("fabrikam", &approval_switched_off());
    let text = metrics.encode().unwrap();
    assert!(!text.contains("fabrikam"), "{text}");
    assert!(text.contains("entrapim_graph_requests_total{tenant=\"contoso\""));
}

#[test]
fn who_leads_and_who_stands_by_can_be_told_apart() {
    let (metrics, source, text) = everything();
    assert!(text.contains("\nentrapim_leader 0\n"), "{text}");
    let leading = metrics.lead();
    assert!(metrics.encode().unwrap().contains("\nentrapim_leader 1\n"));
    drop((leading, source));
    let text = metrics.encode().unwrap();
    assert!(text.contains("\nentrapim_leader 0\n"), "{text}");
    assert!(
        !text.contains("entrapim_objects"),
        "what is gone is not counted: {text}"
    );
}
