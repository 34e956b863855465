//! `boundaries.entrapim.dev`: what no boundary allows is refused at admission, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};
use pim_operator::{
    api::{
        boundary::{GrantBoundary, GrantKind, PrincipalKind},
        group_grant::GroupEligibilitySpec,
        guid::Guid,
    },
    pim::{
        boundary::{Boundary, Facts, Fence, GrantTarget, OperatorIdentity, Request, Ruling, Span},
        duration,
    },
};
use serde_json::{Value, json};

use crate::bed::{Bed, EDITOR, Verdict, expect_refusal, grant, repository};

const POLICY: &str = "boundaries.entrapim.dev";

/// A grant with other fields in its spec; null takes one out.
fn with(namespace: &str, kind: &str, fields: &Value) -> Value {
    let mut grant = grant(namespace, "judged");
    grant["kind"] = json!(kind);
    for (name, value) in fields.as_object().unwrap() {
        grant["spec"][name] = value.clone();
    }
    grant
}

fn lasting(duration: &str) -> Value {
    json!({"expiration": {"type": "afterDuration", "duration": duration}})
}

fn until(start: Option<&str>, end: &str) -> Value {
    json!({"startDateTime": start, "expiration": {"type": "afterDateTime", "endDateTime": end}})
}

async fn judge(namespace: &str, kind: &str, fields: Value) -> Verdict {
    let bed = Bed::shared().await;
    bed.create(EDITOR, &with(namespace, kind, &fields)).await
}

#[tokio::test]
async fn what_a_boundary_allows_passes() {
    for (kind, fields) in [
        ("GroupEligibility", json!({})),
        (
            "GroupEligibility",
            json!({"scheduleInfo": lasting("P180D")}),
        ),
        (
            "GroupEligibility",
            json!({"scheduleInfo": lasting("P179DT24H")}),
        ),
        ("GroupAssignment", json!({"scheduleInfo": lasting("PT8H")})),
        (
            "GroupAssignment",
            json!({"scheduleInfo": lasting("PT480M")}),
        ),
        // Whom an id names is for the operator to find out, as is which group a name names.
        (
            "GroupEligibility",
            json!({"principal": {"id": "0c6f6f0e-3b0a-4f0c-8a8e-5d7f3b1c9a21"}}),
        ),
    ] {
        judge("payments", kind, fields).await.unwrap();
    }
}

#[tokio::test]
async fn a_namespace_that_no_boundary_selects_is_told_whom_to_ask() {
    expect_refusal(
        &judge("lab", "GroupEligibility", json!({})).await,
        POLICY,
        "no GrantBoundary selects the namespace lab, and without one nothing may be granted from it: ask those who administer the tenant for a boundary with `namespaces: [lab]`",
    );
    // Its labels would do but for one.
    expect_refusal(
        &judge("sandbox", "GroupEligibility", json!({})).await,
        POLICY,
        "no GrantBoundary selects the namespace sandbox, and without one nothing may be granted from it: ask those who administer the tenant for a boundary with `namespaces: [sandbox]`",
    );
}

#[tokio::test]
async fn a_grant_without_an_end_is_told_how_to_end() {
    let endless = json!({"scheduleInfo": {"expiration": {"type": "noExpiration"}}});
    expect_refusal(
        &judge("payments", "GroupEligibility", endless.clone()).await,
        POLICY,
        "a grant without an end is forbidden by the GrantBoundary payments: set `scheduleInfo.expiration` to one that ends, such as `{type: afterDuration, duration: P180D}`",
    );
    expect_refusal(
        &judge("payments", "GroupAssignment", endless.clone()).await,
        POLICY,
        "a grant without an end is forbidden by the GrantBoundary payments: set `scheduleInfo.expiration` to one that ends, such as `{type: afterDuration, duration: PT8H}`",
    );
    judge("shared", "GroupEligibility", endless).await.unwrap();
}

#[tokio::test]
async fn a_window_past_the_limit_is_told_the_limit() {
    let too_long = "`scheduleInfo.expiration` lasts too long";
    for (kind, window, sentence) in [
        (
            "GroupEligibility",
            lasting("P181D"),
            " with P181D: the GrantBoundary payments allows at most P180D",
        ),
        (
            "GroupEligibility",
            lasting("P180DT1M"),
            " with P180DT1M: the GrantBoundary payments allows at most P180D",
        ),
        (
            "GroupEligibility",
            lasting("P99999DT99999H99999M"),
            " with P99999DT99999H99999M: the GrantBoundary payments allows at most P180D",
        ),
        (
            "GroupAssignment",
            lasting("PT8H1M"),
            " with PT8H1M: the GrantBoundary payments allows at most PT8H",
        ),
        (
            "GroupEligibility",
            until(None, "9999-12-31T23:59:59Z"),
            ": the GrantBoundary payments allows at most P180D",
        ),
        (
            "GroupEligibility",
            until(Some("2020-01-01T00:00:00Z"), "9999-12-31T23:59:59Z"),
            ": the GrantBoundary payments allows at most P180D",
        ),
        (
            "GroupEligibility",
            until(Some("9000-01-01T00:00:00Z"), "9000-06-30T00:01:00Z"),
            ": the GrantBoundary payments allows at most P180D",
        ),
    ] {
        let verdict = judge("payments", kind, json!({"scheduleInfo": window})).await;
        expect_refusal(&verdict, POLICY, &format!("{too_long}{sentence}"));
    }
}

#[tokio::test]
async fn a_window_between_instants_is_counted_from_now_or_a_later_start() {
    let now = chrono::Utc::now();
    let soon = (now + chrono::TimeDelta::days(179)).format("%Y-%m-%dT%H:%M:%SZ");
    for window in [
        until(None, &soon.to_string()),
        // Counted from now, since that start is past.
        until(Some("2020-01-01T00:00:00Z"), &soon.to_string()),
        until(Some("9000-01-01T00:00:00Z"), "9000-06-30T00:00:00Z"),
    ] {
        judge(
            "payments",
            "GroupEligibility",
            json!({"scheduleInfo": window}),
        )
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn missing_papers_are_named() {
    expect_refusal(
        &judge("payments", "GroupEligibility", json!({"ticketInfo": null})).await,
        POLICY,
        "`ticketInfo` must be set, such as `ticketInfo: {ticketNumber: CHG-42, ticketSystem: servicenow}`: the GrantBoundary payments requires a ticket",
    );
    expect_refusal(
        &judge(
            "payments",
            "GroupEligibility",
            json!({"justification": null}),
        )
        .await,
        POLICY,
        "`justification` must be set, such as `justification: On-call for payments`: the GrantBoundary payments requires it",
    );
}

#[tokio::test]
async fn access_that_no_boundary_gives_is_told_what_they_give() {
    let payments = "payments allows GroupEligibility and GroupAssignment in the tenant contoso with `accessId: member` to a principal that is a User";
    for (namespace, fields, sentence) in [
        (
            "payments",
            json!({"accessId": "owner"}),
            format!("no GrantBoundary gives the namespace payments this access: {payments}"),
        ),
        (
            "payments",
            json!({"tenantRef": {"name": "fabrikam"}}),
            format!("no GrantBoundary gives the namespace payments this access: {payments}"),
        ),
        (
            "payments",
            json!({"principal": {"groupDisplayName": "everybody"}}),
            format!("no GrantBoundary gives the namespace payments this access: {payments}"),
        ),
        (
            "shared",
            json!({"tenantRef": {"name": "umbrella"}, "principal": {"id": "0c6f6f0e-3b0a-4f0c-8a8e-5d7f3b1c9a21"}}),
            "no GrantBoundary gives the namespace shared this access: shared-long allows GroupEligibility in the tenant contoso with `accessId: member`; shared-short allows GroupEligibility and GroupAssignment in the tenant contoso or fabrikam with `accessId: member` or `owner`".to_owned(),
        ),
    ] {
        let verdict = judge(namespace, "GroupEligibility", fields).await;
        expect_refusal(&verdict, POLICY, &sentence);
    }
}

/// Whether the operator's own decision allows a grant, with nothing else in its way.
fn allowed(fence: &Fence, grant: &Value) -> bool {
    let spec: GroupEligibilitySpec = serde_json::from_value(grant["spec"].clone()).unwrap();
    let eligibility = grant["kind"] == "GroupEligibility";
    let expiration = &spec.terms.schedule_info.expiration;
    let length = expiration.duration.as_deref();
    let namespace = grant["metadata"]["namespace"].as_str().unwrap();
    let request = Request {
        namespace: namespace.to_owned(),
        tenant: spec.terms.tenant_ref.name.clone(),
        kind: if eligibility {
            GrantKind::GroupEligibility
        } else {
            GrantKind::GroupAssignment
        },
        target: GrantTarget::Group {
            id: Guid::new("68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7"),
            access: spec.target.access_id,
        },
        principal: Guid::new("0c6f6f0e-3b0a-4f0c-8a8e-5d7f3b1c9a21"),
        span: length.map_or(Span::Permanent, |length| {
            Span::For(duration::parse(length).unwrap())
        }),
        justified: spec.terms.justification.is_some(),
        ticketed: spec.terms.ticket_info.is_some(),
    };
    let shared = [("team", "platform"), ("stage", "live")];
    let labels = match namespace {
        "shared" => shared
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        _ => BTreeMap::new(),
    };
    let operator = OperatorIdentity {
        service_principal: Guid::new("11111111-0000-4000-8000-000000000001"),
        groups: BTreeSet::new(),
        nested: BTreeSet::new(),
    };
    let facts = Facts {
        namespace_labels: &labels,
        principal_kind: Some(if spec.terms.principal.user_principal_name.is_some() {
            PrincipalKind::User
        } else {
            PrincipalKind::Group
        }),
        memberships: &BTreeMap::new(),
        held_by_others: 0,
        operator: Some(&operator),
        protected: &[],
        role_assignable: Some(false),
        lifted: &[],
        authorized_by: None,
    };
    match fence.rule(&request, &facts) {
        Ruling::Allowed(_) => true,
        Ruling::Denied(_) => false,
        Ruling::Unknown(need) => panic!("{need:?}"),
    }
}

#[tokio::test]
async fn a_grant_is_refused_exactly_when_the_operator_would_deny_it() {
    let bed = &Bed::shared().await;
    let text = std::fs::read_to_string(repository("tests/policies/boundaries.yaml")).unwrap();
    let boundaries: Vec<GrantBoundary> = serde_saphyr::from_multiple(&text).unwrap();
    let read = |boundary: &GrantBoundary| {
        let name = boundary.metadata.name.as_deref().unwrap();
        Boundary::read((name, name, 1), &boundary.spec).unwrap()
    };
    let fence = &Fence::new(boundaries.iter().map(read).collect());

    let mut grants = vec![json!({})];
    let mut vary = |field: &str, values: &[Value]| {
        grants = grants
            .iter()
            .flat_map(|grant| {
                values.iter().map(|value| {
                    let mut grant = grant.clone();
                    grant[field] = value.clone();
                    grant
                })
            })
            .collect();
    };
    vary("namespace", &["payments", "shared"].map(Value::from));
    vary(
        "kind",
        &["GroupEligibility", "GroupAssignment"].map(Value::from),
    );
    vary(
        "tenantRef",
        &["contoso", "fabrikam"].map(|name| json!({"name": name})),
    );
    vary("accessId", &["member", "owner"].map(Value::from));
    vary(
        "principal",
        &[
            json!({"userPrincipalName": "alice@contoso.com"}),
            json!({"groupDisplayName": "payments-on-call"}),
        ],
    );
    let endless = json!({"expiration": {"type": "noExpiration"}});
    let windows = ["PT8H", "P180D", "P181D"].map(lasting);
    vary("scheduleInfo", &[&windows[..], &[endless]].concat());
    vary("justification", &[json!("On-call"), Value::Null]);
    vary("ticketInfo", &[json!({"ticketNumber": "1"}), Value::Null]);

    let verdicts: Vec<(bool, Option<String>)> = stream::iter(&grants)
        .map(|fields| {
            let mut fields = fields.clone();
            let namespace = fields["namespace"].take();
            let kind = fields["kind"].take();
            let spec = fields.as_object_mut().unwrap();
            spec.retain(|name, _| name != "namespace" && name != "kind");
            let grant = with(
                namespace.as_str().unwrap(),
                kind.as_str().unwrap(),
                &json!(spec),
            );
            let allowed = allowed(fence, &grant);
            async move {
                let verdict = bed.create(EDITOR, &grant).await;
                let wrong = verdict.is_ok() != allowed;
                let complaint = wrong.then(|| format!("{allowed}: {grant} {verdict:?}"));
                (allowed, complaint)
            }
        })
        .buffer_unordered(8)
        .collect()
        .await;
    let wrong: Vec<_> = verdicts
        .iter()
        .filter_map(|(_, wrong)| wrong.as_ref())
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let allowed = verdicts.iter().filter(|(allowed, _)| *allowed).count();
    println!("{} grants, {allowed} of them allowed", verdicts.len());
    assert!(allowed > 50 && allowed < verdicts.len() - 50);
}

#[tokio::test]
async fn a_grant_that_writes_nothing_or_is_leaving_is_not_judged() {
    let bed = Bed::shared().await;
    judge(
        "lab",
        "GroupEligibility",
        json!({"managementPolicy": "Observe"}),
    )
    .await
    .unwrap();
    let suspended = with("lab", "GroupEligibility", &json!({"suspend": true}));
    let mut stored = bed.store(&suspended).await;

    // What no boundary is about may change, and the operator's finalizer come and go.
    let mut relabelled = stored.clone();
    relabelled["metadata"]["labels"] = json!({"team": "lab"});
    relabelled["spec"]["deletionPolicy"] = json!("Retain");
    bed.update(EDITOR, &relabelled).await.unwrap();
    stored["metadata"]["finalizers"] = json!(["entrapim.dev/revoke"]);
    let stored = bed.change(crate::bed::OPERATOR, &stored).await.unwrap();

    let mut resumed = stored.clone();
    resumed["spec"]["suspend"] = json!(false);
    expect_refusal(
        &bed.update(EDITOR, &resumed).await,
        POLICY,
        "no GrantBoundary selects the namespace lab, and without one nothing may be granted from it: ask those who administer the tenant for a boundary with `namespaces: [lab]`",
    );

    let arguments = ["delete", "ge", "-n", "lab", "judged", "--wait=false"];
    bed.kubectl(&arguments, "").await;
    let leaving = bed
        .kubectl(&["get", "ge", "-n", "lab", "judged", "-o", "json"], "")
        .await;
    let mut leaving: Value = serde_json::from_str(&leaving).unwrap();
    leaving["spec"]["suspend"] = json!(false);
    bed.update(EDITOR, &leaving).await.unwrap();
}

#[tokio::test]
async fn an_edit_is_judged_where_it_concerns_a_boundary() {
    let bed = Bed::shared().await;
    let mut stored = grant("payments", "edited");
    stored = bed.store(&stored).await;
    let edit = |field: &str, value: Value| {
        let mut edited = stored.clone();
        edited["spec"][field] = value;
        edited
    };
    bed.update(EDITOR, &edit("scheduleInfo", lasting("P120D")))
        .await
        .unwrap();
    bed.update(EDITOR, &edit("justification", json!("Another one")))
        .await
        .unwrap();
    expect_refusal(
        &bed.update(EDITOR, &edit("scheduleInfo", lasting("P200D")))
            .await,
        POLICY,
        "`scheduleInfo.expiration` lasts too long with P200D: the GrantBoundary payments allows at most P180D",
    );
    expect_refusal(
        &bed.update(EDITOR, &edit("ticketInfo", Value::Null)).await,
        POLICY,
        "`ticketInfo` must be set, such as `ticketInfo: {ticketNumber: CHG-42, ticketSystem: servicenow}`: the GrantBoundary payments requires a ticket",
    );
    // From when such a window would be counted no edit shows: it is left to the operator.
    bed.update(
        EDITOR,
        &edit("scheduleInfo", until(None, "9999-12-31T23:59:59Z")),
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn who_changes_a_boundary_is_reminded_of_the_config_map() {
    let bed = Bed::shared().await;
    let text = std::fs::read_to_string(repository("tests/policies/boundaries.yaml")).unwrap();
    let mut boundary: Value = serde_saphyr::from_multiple(&text).unwrap().remove(0);
    boundary["metadata"]["name"] = json!("another");
    assert_eq!(
        bed.kubectl_warnings(EDITOR, &boundary).await.trim_end(),
        "Warning: Validation failed for ValidatingAdmissionPolicy 'boundaries-changed.entrapim.dev' with binding 'boundaries-changed.entrapim.dev': admission judges by the boundaries in the ConfigMap pim-operator-system/pim-operator-boundaries, which has yet to learn of this one: run `kubectl get grantboundaries -o yaml | pim-operator policies | kubectl apply --server-side -f -`"
    );
}
