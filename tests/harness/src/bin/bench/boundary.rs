//! How long the fence takes to rule: in a cluster of 500 boundaries, where a namespace is selected by a few of them, and at
//! worst, where all 500 select it.

use std::{
    collections::{BTreeMap, BTreeSet},
    hint::black_box,
    time::Instant,
};

use chrono::TimeDelta;
use pim_harness::bed::BedError;
use pim_operator::{
    api::{
        boundary::{GrantKind, PrincipalKind},
        guid::Guid,
        references::AccessId,
    },
    pim::boundary::{Boundary, Facts, Fence, GrantTarget, OperatorIdentity, Request, Ruling, Span},
};
use serde_json::json;

use crate::report::{Case, Limit};

const BOUNDARIES: usize = 500;
const NAMESPACES: usize = 200;
const RULINGS: usize = 20_000;

fn id(number: usize) -> Guid {
    Guid::new(format!("00000000-0000-4000-8000-{number:012}"))
}

/// A boundary of ten groups for a few namespaces by name; every tenth one for namespaces by label.
fn boundary(number: usize, for_all: bool) -> Result<Boundary, BedError> {
    let groups: Vec<_> = (0..10)
        .map(|group| json!({"id": id(number * 10 + group).as_str()}))
        .collect();
    let namespaces: Vec<_> = (0..3)
        .map(|step| format!("team-{}", (number + step * 7) % NAMESPACES))
        .collect();
    let mut spec = json!({
        "namespaces": namespaces, "tenants": ["contoso"], "kinds": ["GroupEligibility", "GroupAssignment"],
        "groups": groups, "principals": {"kinds": ["User"]},
        "limits": {"maxEligibilityDuration": "P180D", "maxAssignmentDuration": "PT8H", "maxGrantsPerNamespace": 200},
        "requirements": {"justification": "Required"},
    });
    if for_all {
        spec["namespaceSelector"] = json!({"matchLabels": {"pim": "yes"}});
    } else if number.is_multiple_of(10) {
        spec["namespaceSelector"] = json!({"matchLabels": {"ring": (number % 4).to_string()}});
    }
    let (name, spec) = (format!("boundary-{number}"), serde_json::from_value(spec)?);
    Ok(Boundary::read((&name, &name, 1), &spec)?)
}

fn request(number: usize) -> Request {
    Request {
        namespace: format!("team-{}", number % NAMESPACES),
        tenant: "contoso".to_owned(),
        kind: GrantKind::GroupEligibility,
        // Half of them ask for a group of a boundary that selects the namespace; the others for one of some other.
        target: GrantTarget::Group {
            id: id(if number.is_multiple_of(2) {
                (number % NAMESPACES) * 10
            } else {
                number * 13 % 5_000
            }),
            access: AccessId::Member,
        },
        principal: id(90_000 + number),
        span: Span::For(TimeDelta::days(90)),
        justified: true,
        ticketed: false,
    }
}

/// Microseconds of each ruling, in order of size, and how many allowed.
fn time(fence: &Fence, labels: &BTreeMap<String, String>) -> (Vec<f64>, usize) {
    let operator = OperatorIdentity {
        service_principal: id(99_999),
        groups: BTreeSet::new(),
        nested: BTreeSet::new(),
    };
    let memberships = BTreeMap::new();
    let requests: Vec<_> = (0..RULINGS).map(request).collect();
    let mut allowed = 0;
    let mut times: Vec<f64> = requests
        .iter()
        .map(|request| {
            let facts = Facts {
                namespace_labels: labels,
                principal_kind: Some(PrincipalKind::User),
                memberships: &memberships,
                held_by_others: 7,
                operator: Some(&operator),
                protected: &[],
                role_assignable: None,
                lifted: &[],
                authorized_by: None,
            };
            let begun = Instant::now();
            let ruling = black_box(fence.rule(request, &facts));
            let took = begun.elapsed();
            allowed += usize::from(matches!(ruling, Ruling::Allowed(_)));
            took.as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times, allowed)
}

/// Measures.
pub fn measure() -> Result<Case, BedError> {
    let label = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
    let fence = |for_all| -> Result<Fence, BedError> {
        let boundaries = (0..BOUNDARIES).map(|number| boundary(number, for_all));
        Ok(Fence::new(boundaries.collect::<Result<_, _>>()?))
    };
    let (spread, allowed) = time(&fence(false)?, &label("ring", "2"));
    let (at_worst, _) = time(&fence(true)?, &label("pim", "yes"));
    let tenths = |micros: f64| (micros * 10.0).round() / 10.0;
    Ok(Case::new("boundary_decision")
        .figure("boundaries", BOUNDARIES)
        .figure("rulings", RULINGS)
        .figure("allowed", allowed)
        .figure("median_us", tenths(spread[RULINGS / 2]))
        .figure("p99_us", tenths(spread[RULINGS * 99 / 100]))
        .figure("median_us_when_all_select", tenths(at_worst[RULINGS / 2]))
        .bar("median_us", Limit::AtMost(20.0)))
}
