//! A running operator after a small story: what it serves, and that nothing asks for more.

use std::collections::BTreeSet;

use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use pim_harness::{Bed, Operator};
use pim_operator::api::{
    group_grant::{GroupAssignment, GroupEligibility},
    tenant::EntraTenant,
};
use pim_simulator::{Access, FaultKind, GroupSeed, Kind, PolicyPatch, Window};
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    dashboard,
    exposition::{families, read, sample},
    rules::alerts,
    support::{active, bed, eligible, list_fault},
};

/// An operator that serves its metrics, and where.
async fn start(bed: &Bed) -> (Operator, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/metrics", listener.local_addr().unwrap());
    let mut controller = bed.controller(bed.client.clone());
    controller.listener = Some(listener);
    (Operator::start(controller), url)
}

async fn scrape(url: &str) -> String {
    reqwest::get(url).await.unwrap().text().await.unwrap()
}

/// The value of the one series of a name that has all these labels.
fn value(text: &str, name: &str, wanted: &[(&str, &str)]) -> Option<f64> {
    let line = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .find(|line| {
            let (found, labels) = sample(line);
            let has = |(label, value): &(&str, &str)| {
                labels
                    .iter()
                    .any(|(one, other)| one == label && other == value)
            };
            found == name && wanted.iter().all(has)
        })?;
    line.rsplit(' ').next()?.parse().ok()
}

async fn until(bed: &Bed, url: &str, name: &str, wanted: &[(&str, &str)], least: f64) {
    bed.eventually(&format!("{name}{wanted:?} of {least}"), || async {
        value(&scrape(url).await, name, wanted).is_some_and(|value| value >= least)
    })
    .await;
}

/// Something of everything: grants, a policy, drift of both, throttling, standing access, a denial and lost authority.
async fn story(bed: &Bed, url: &str) {
    bed.until_tenant("Connected").await;
    let admin = bed.simulator.admin();
    eligible("first").apply(bed).await;
    active("second").user("carol@contoso.com").apply(bed).await;
    let policy = json!({
        "apiVersion": "entrapim.dev/v1alpha1", "kind": "PimPolicy", "metadata": {"name": "rules"},
        "spec": {
            "tenantRef": {"name": "{tenant}"},
            "target": {"group": {"displayName": "payments-ops", "accessId": "member"}},
            "activation": {"maximumDuration": "PT2H"},
        },
    });
    bed.apply(&policy.to_string()).await.unwrap();
    bed.until_reason::<GroupEligibility>("first", "Provisioned")
        .await;
    bed.until_reason::<GroupAssignment>("second", "Provisioned")
        .await;
    let objects = "entrapim_objects";
    until(
        bed,
        url,
        objects,
        &[("kind", "PimPolicy"), ("reason", "Applied")],
        1.0,
    )
    .await;

    let group = "payments-ops";
    let window = Window::days(200);
    admin
        .update(
            Kind::Eligibility,
            group,
            "alice@contoso.com",
            Access::Member,
            window,
        )
        .unwrap();
    admin
        .assign(
            Kind::Assignment,
            group,
            "bob@contoso.com",
            Access::Member,
            Window::permanent(),
        )
        .unwrap();
    let loose = PolicyPatch {
        rules: vec![json!({"id": "Expiration_EndUser_Assignment", "maximumDuration": "P1D"})],
        ..PolicyPatch::default()
    };
    admin.set_policy(group, Access::Member, loose).unwrap();
    let throttle = FaultKind::Throttle {
        retry_after_seconds: 0,
        as_date: false,
    };
    bed.simulator.faults().add(list_fault(throttle));
    bed.advance(chrono::TimeDelta::minutes(16));

    let grant = [("kind", "GroupEligibility"), ("drift", "altered")];
    until(bed, url, "entrapim_grant_drifts_total", &grant, 1.0).await;
    let rule = [
        ("rule", "Expiration_EndUser_Assignment"),
        ("direction", "looser"),
    ];
    until(bed, url, "entrapim_policy_drifts_total", &rule, 1.0).await;
    let standing = [("target", "group"), ("declared", "false")];
    until(bed, url, "entrapim_standing_access", &standing, 1.0).await;

    let seed = GroupSeed {
        display_name: "late".to_owned(),
        ..GroupSeed::default()
    };
    let late = admin.add_group(seed).unwrap().parse().unwrap();
    bed.allow_group(late).await.unwrap();
    eligible("third").group("late").apply(bed).await;
    bed.until_reason::<GroupEligibility>("third", "Provisioned")
        .await;
    // The boundary is written anew, with another group in the place of this one.
    bed.allow_group(uuid::Uuid::new_v4()).await.unwrap();
    let held = [("kind", "GroupEligibility"), ("access", "held")];
    until(bed, url, "entrapim_authority_lost", &held, 1.0).await;
}

async fn expires(bed: &Bed, end: &str) {
    let api: Api<k8s_openapi::api::core::v1::Secret> =
        Api::namespaced(bed.client.clone(), &bed.namespace);
    let patch = json!({"metadata": {"annotations": {"entrapim.dev/expires": end}}});
    api.patch("entra", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_operator_serves_what_page_alerts_and_dashboard_speak_of_and_names_nobody() {
    let bed = bed("scrape", |_| {}).await;
    let (operator, url) = start(&bed).await;
    expires(&bed, "2031-05-06T07:08:09Z").await;
    story(&bed, &url).await;
    let text = scrape(&url).await;
    assert!(text.ends_with("# EOF\n"));

    let end = value(
        &text,
        "entrapim_credential_expiration_timestamp_seconds",
        &[("credential", "clientSecret")],
    );
    assert_eq!(end, Some(1_935_817_689.0));
    let of_tenant = [("tenant", bed.tenant.as_str())];
    for (name, expected) in [
        ("entrapim_tenant_ready", 1.0),
        ("entrapim_tenant_frozen", 0.0),
        ("entrapim_removal_guard_tripped", 0.0),
        ("entrapim_removals_waiting", 0.0),
        ("entrapim_resync_period_seconds", 900.0),
    ] {
        assert_eq!(value(&text, name, &of_tenant), Some(expected), "{name}");
    }
    assert_eq!(value(&text, "entrapim_leader", &[]), Some(1.0));
    assert!(value(&text, "process_resident_memory_bytes", &[]).unwrap() > 1e6);

    let families = families(&text);
    let page = read("docs/metrics.md");
    for name in families.keys() {
        assert!(
            page.contains(&format!("| `{name}` |")),
            "{name} is not documented"
        );
    }
    let served: BTreeSet<&str> = families
        .values()
        .flat_map(|family| family.samples.iter().map(String::as_str))
        .collect();
    let alerts = alerts();
    let asked = alerts
        .iter()
        .map(|alert| alert["expr"].as_str().unwrap().to_owned());
    for expression in asked.chain(dashboard::expressions()) {
        for name in names(&expression) {
            assert!(
                served.contains(name),
                "{name} is not served, in {expression}"
            );
        }
    }
    for private in [
        "first",
        "second",
        "third",
        "rules",
        "payments-ops",
        "late",
        "alice",
        "contoso.com",
        "on call",
    ] {
        assert!(
            !text.contains(&format!("\"{private}")),
            "a label tells {private}"
        );
    }
    operator.stop().await;
}

/// The names of metrics in an expression: words that begin as ours do and are not within quotes.
fn names(expression: &str) -> Vec<&str> {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let ours = |word: &&str| word.starts_with("entrapim_") || word.starts_with("process_");
    let found: Vec<_> = words.filter(ours).collect();
    assert!(!found.is_empty(), "{expression}");
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_served_of_a_tenant_that_was_deleted_nor_of_a_secret_that_says_nothing() {
    let bed = bed("scrape_gone", |_| {}).await;
    let (operator, url) = start(&bed).await;
    bed.until_tenant("Connected").await;
    let ready = "entrapim_tenant_ready";
    until(&bed, &url, ready, &[], 1.0).await;
    let end = "entrapim_credential_expiration_timestamp_seconds";
    assert_eq!(value(&scrape(&url).await, end, &[]), None);
    expires(&bed, "2031-05-06").await;
    until(&bed, &url, end, &[], 1.0).await;
    expires(&bed, "in spring").await;
    bed.eventually("no end", || async {
        value(&scrape(&url).await, end, &[]).is_none()
    })
    .await;
    let tenants: Api<EntraTenant> = Api::all(bed.client.clone());
    tenants
        .delete(&bed.tenant, &DeleteParams::default())
        .await
        .unwrap();
    bed.eventually("no series of the tenant", || async {
        !scrape(&url)
            .await
            .contains(&format!("tenant=\"{}\"", bed.tenant))
    })
    .await;
    operator.stop().await;
}
