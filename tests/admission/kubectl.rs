//! What a person sees.

use serde_json::{Value, json};

use crate::{
    cases,
    server::{Server, merge_at, object},
};

const GROUP_ID: &str = "0c6f6f0e-3b0a-4f0c-8a8e-5d7f3b1c9a21";

/// Creates a grant that names its group by id, and returns it.
async fn grant(server: &Server, kind: &str, name: &str, group_id: &str) -> Value {
    let mut grant = object(kind, name, &cases::load()[0].spec);
    merge_at(
        &mut grant,
        "spec.group",
        &json!({"id": group_id, "displayName": null}),
    );
    server.create(&grant).await
}

/// The documentation as prose: kubectl wraps and indents it.
async fn explain(server: &Server, path: &str) -> String {
    let text = server.kubectl(&["explain", path]).await;
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn explain_reads_like_documentation() {
    let server = Server::get().await;
    let text = explain(&server, "ge.spec.scheduleInfo.expiration").await;
    for sentence in [
        "nothing is permanent by omission",
        "`{type: afterDuration, duration: P90D}` ends a length of time after the start",
        "an ISO 8601 duration in days, hours and minutes, such as `P90D`, `PT8H` or `P1DT12H`; at least five minutes",
        "enum: noExpiration, afterDateTime, afterDuration",
        "an instant in UTC, ISO 8601, such as `2026-12-31T17:00:00Z`",
    ] {
        assert!(text.contains(sentence), "{sentence}\n{text}");
    }
    let kinds = [
        ("ge", "A GroupEligibility makes one principal eligible"),
        (
            "ga",
            "A GroupAssignment gives one principal active membership",
        ),
        (
            "re",
            "A RoleEligibility makes one principal eligible for a directory role",
        ),
        (
            "ra",
            "A RoleAssignment gives one principal an active directory role",
        ),
        ("et", "An EntraTenant is the connection to one Entra tenant"),
        (
            "gb",
            "Nothing is granted that no boundary allows, and one boundary must allow a grant whole",
        ),
    ];
    for (short_name, sentence) in kinds {
        let text = explain(&server, short_name).await;
        assert!(text.contains(sentence), "{text}");
    }
}

#[tokio::test]
async fn explain_says_what_a_boundary_allows_where_it_is_silent() {
    let server = Server::get().await;
    let spec = explain(&server, "gb.spec").await;
    for sentence in [
        "Whoever may label a namespace can then move the fence",
        "A name authorises nothing on its own: it counts for the id that it resolved to.",
        "The kinds of objects that may grant, such as `[GroupEligibility]`.",
        "The relationships with a group that may be granted; without it, `member` only.",
        "Who may be granted access, such as `{kinds: [User]}`.",
        "With `Freeze`, the default, it stays as it is and nothing is written any more. With `Revoke` it is revoked.",
        "enum: Freeze, Revoke",
    ] {
        assert!(spec.contains(sentence), "{sentence}\n{spec}");
    }
    for (path, sentence) in [
        (
            "gb.spec.limits.permanent",
            "Whether a grant may be without an end: `Forbidden`, the default, or `Allowed`.",
        ),
        (
            "gb.spec.requirements.ticket",
            "Whether `ticketInfo` must be set: `Required` or `Optional`, the default.",
        ),
        (
            "gb.spec.principals.memberOfGroupIds",
            "as judged anew at every write",
        ),
    ] {
        let text = explain(&server, path).await;
        assert!(text.contains(sentence), "{text}");
    }
}

#[tokio::test]
async fn a_fresh_object_is_not_yet_observed_and_carries_its_defaults() {
    let server = Server::get().await;
    let mut fresh = object("GroupEligibility", "fresh", &cases::load()[0].spec);
    merge_at(&mut fresh, "spec.tenantRef", &Value::Null);
    let fresh = server.create(&fresh).await;
    // kstatus: in progress, until the operator says otherwise.
    assert_eq!(fresh["status"], json!({"observedGeneration": -1}));
    let spec = &fresh["spec"];
    assert_eq!(spec["tenantRef"], json!({"name": "default"}));
    assert_eq!(spec["managementPolicy"], "Manage");
    assert_eq!(spec["deletionPolicy"], "Revoke");
    assert_eq!(spec["suspend"], false);
    assert_eq!(spec["scheduleInfo"]["onExpiry"], "Lapse");

    let tenant = object("EntraTenant", "fresh", &cases::load()[1].spec);
    let tenant = server.create(&tenant).await;
    assert_eq!(tenant["status"], json!({"observedGeneration": -1}));
    assert_eq!(tenant["spec"]["cloud"], "Public");
    assert_eq!(tenant["spec"]["resyncPeriod"], "15m");
    assert_eq!(tenant["spec"]["freeze"], false);
    assert_eq!(
        tenant["spec"]["limits"],
        json!({"maxConcurrency": 8, "requestsPerSecond": 20})
    );
}

#[tokio::test]
async fn get_shows_what_matters() {
    let server = Server::get().await;
    let columns = |text: String| {
        let header = text.lines().next().unwrap_or_default().to_owned();
        header
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let grant_columns = [
        "NAME",
        "READY",
        "REASON",
        "PRINCIPAL",
        "TARGET",
        "ACCESS",
        "EXPIRES",
        "AGE",
    ];
    for (kind, short_name) in [("GroupEligibility", "ge"), ("GroupAssignment", "ga")] {
        let name = format!("columns-{short_name}");
        grant(&server, kind, &name, "5f3b6a44-8c1e-4d5b-9a7f-2e6d0b1c3a4f").await;
        let shown = columns(server.kubectl(&["get", short_name, &name]).await);
        assert_eq!(shown, grant_columns);
        let wide = columns(
            server
                .kubectl(&["get", short_name, &name, "-o", "wide"])
                .await,
        );
        assert_eq!(
            wide,
            [&grant_columns[..], &["MESSAGE", "BOUNDARY"]].concat()
        );
    }
    let role = |kind: &str, name: &str| object(kind, name, &cases::load()[4].spec);
    for (kind, short_name) in [("RoleEligibility", "re"), ("RoleAssignment", "ra")] {
        server.create(&role(kind, "columns")).await;
        let shown = columns(server.kubectl(&["get", short_name, "columns"]).await);
        let mut expected = grant_columns;
        expected[5] = "SCOPE";
        assert_eq!(shown, expected);
    }
    let tenant = object("EntraTenant", "columns", &cases::load()[1].spec);
    server.create(&tenant).await;
    let shown = columns(server.kubectl(&["get", "et", "columns"]).await);
    assert_eq!(shown, ["NAME", "READY", "REASON", "TENANT", "CLOUD", "AGE"]);
    let boundary = object("GrantBoundary", "columns", &cases::load()[2].spec);
    server.create(&boundary).await;
    let shown = columns(server.kubectl(&["get", "gb", "columns"]).await);
    assert_eq!(
        shown,
        ["NAME", "NAMESPACES", "TENANTS", "KINDS", "LOST", "AGE"]
    );
}

#[tokio::test]
async fn the_category_lists_every_kind() {
    let server = Server::get().await;
    grant(&server, "GroupEligibility", "category", GROUP_ID).await;
    grant(&server, "GroupAssignment", "category", GROUP_ID).await;
    server
        .create(&object("EntraTenant", "category", &cases::load()[1].spec))
        .await;
    server
        .create(&object("GrantBoundary", "category", &cases::load()[2].spec))
        .await;
    for kind in ["RoleEligibility", "RoleAssignment"] {
        let role = object(kind, "category", &cases::load()[4].spec);
        server.create(&role).await;
    }
    let listed = server.kubectl(&["get", "entrapim", "-o", "name"]).await;
    for name in [
        "roleeligibility.entrapim.dev/category",
        "roleassignment.entrapim.dev/category",
        "groupeligibility.entrapim.dev/category",
        "groupassignment.entrapim.dev/category",
        "entratenant.entrapim.dev/category",
        "grantboundary.entrapim.dev/category",
    ] {
        assert!(listed.lines().any(|line| line == name), "{listed}");
    }
}

#[tokio::test]
async fn the_server_selects_by_tenant_group_and_principal() {
    let server = Server::get().await;
    let (wanted, other) = (
        "1d0f7c52-6b7a-4c58-b7de-9c3f1e2a4b60",
        "2e1f7c52-6b7a-4c58-b7de-9c3f1e2a4b61",
    );
    let select = async |selector: String| {
        let names = server
            .kubectl(&["get", "ge", "-o", "name", "--field-selector", &selector])
            .await;
        names.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    grant(&server, "GroupEligibility", "selected", wanted).await;
    grant(&server, "GroupEligibility", "not-selected", other).await;
    assert_eq!(
        select(format!("spec.group.id={wanted}")).await,
        ["groupeligibility.entrapim.dev/selected"]
    );

    let mut by_principal = object("GroupEligibility", "by-principal", &cases::load()[0].spec);
    let principal = json!({"userPrincipalName": null, "id": wanted});
    merge_at(&mut by_principal, "spec.principal", &principal);
    merge_at(&mut by_principal, "spec.tenantRef.name", &json!("fabrikam"));
    server.create(&by_principal).await;
    for selector in [
        format!("spec.principal.id={wanted}"),
        "spec.tenantRef.name=fabrikam".to_owned(),
    ] {
        assert_eq!(
            select(selector).await,
            ["groupeligibility.entrapim.dev/by-principal"]
        );
    }
}
