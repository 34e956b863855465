use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Response};
use kube::client::Body;
use serde_json::json;

use super::*;
use crate::api::group_grant::GroupEligibility;

fn alice() -> ObjectKey {
    ObjectKey {
        kind: "GroupEligibility",
        namespace: "payments".to_owned(),
        name: "alice".to_owned(),
    }
}

fn claims(labels: &Value, annotations: &Value) -> Vec<(Tool, String)> {
    let map = |value: &Value| serde_json::from_value(value.clone()).expect("a map");
    let argocd = ["argocd".to_owned(), "teams".to_owned()];
    claimed(&map(labels), &map(annotations), &alice(), &argocd)
        .into_iter()
        .map(|record| (record.tool, format!("{}/{}", record.namespace, record.name)))
        .collect()
}

#[test]
fn labels_and_the_objects_own_tracking_id_lead_to_a_record() {
    let flux = json!({
        "kustomize.toolkit.fluxcd.io/name": "apps",
        "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
    });
    assert_eq!(
        claims(&flux, &json!({})),
        [(Tool::Kustomization, "flux-system/apps".to_owned())]
    );
    let helm = json!({
        "helm.toolkit.fluxcd.io/name": "access",
        "helm.toolkit.fluxcd.io/namespace": "payments",
    });
    assert_eq!(
        claims(&helm, &json!({})),
        [(Tool::HelmRelease, "payments/access".to_owned())]
    );
    let tracking = |id| json!({"argocd.argoproj.io/tracking-id": id});
    let application = |name: &str| vec![(Tool::Application, name.to_owned())];
    let own = tracking("access:entrapim.dev/GroupEligibility:payments/alice");
    assert_eq!(claims(&json!({}), &own), application("argocd/access"));
    let own = tracking("teams_access:entrapim.dev/GroupEligibility:payments/alice");
    assert_eq!(claims(&json!({}), &own), application("teams/access"));
    let label = json!({"argocd.argoproj.io/instance": "access"});
    assert_eq!(claims(&label, &json!({})), application("argocd/access"));
}

#[test]
fn what_belongs_to_another_object_or_namespace_or_is_no_name_leads_nowhere() {
    for id in [
        "access:entrapim.dev/GroupEligibility:payments/bob",
        "access:entrapim.dev/GroupEligibility:other/alice",
        "elsewhere_access:entrapim.dev/GroupEligibility:payments/alice",
        "../../secrets:entrapim.dev/GroupEligibility:payments/alice",
        "a/b:entrapim.dev/GroupEligibility:payments/alice",
        ":entrapim.dev/GroupEligibility:payments/alice",
        "access",
    ] {
        let annotations = json!({"argocd.argoproj.io/tracking-id": id});
        assert_eq!(claims(&json!({}), &annotations), [], "{id}");
    }
    let half = json!({"kustomize.toolkit.fluxcd.io/name": "apps"});
    assert_eq!(claims(&half, &json!({})), []);
}

#[test]
fn a_record_tells_its_revision_and_what_it_lists() {
    let applied = |tool: Tool, status: Value| {
        let applied = tool.applied(&status);
        let lists = applied.objects.contains(&inventory_id(&alice()));
        (applied.revision, lists)
    };
    let main = Some("main@sha1:abc".to_owned());
    let inventory = json!({"entries": [
        {"id": "payments_alice_entrapim.dev_GroupEligibility", "v": "v1alpha1"},
        {"id": "payments_web_apps_Deployment", "v": "v1"},
    ]});
    let attempted = json!({
        "lastAttemptedRevision": "main@sha1:abc", "lastAppliedRevision": "main@sha1:old",
        "inventory": inventory,
    });
    assert_eq!(
        applied(Tool::Kustomization, attempted),
        (main.clone(), true)
    );
    let earlier = json!({"lastAppliedRevision": "main@sha1:abc"});
    assert_eq!(applied(Tool::Kustomization, earlier), (main.clone(), false));
    let resources = json!([{
        "group": "entrapim.dev", "version": "v1alpha1", "kind": "GroupEligibility",
        "namespace": "payments", "name": "alice", "status": "Synced",
    }]);
    let synced = json!({
        "operationState": {"syncResult": {"revision": "abc"}},
        "sync": {"revision": "old"}, "resources": resources,
    });
    assert_eq!(
        applied(Tool::Application, synced),
        (Some("abc".to_owned()), true)
    );
    let compared = json!({"sync": {"revision": "abc"}, "resources": resources});
    assert_eq!(
        applied(Tool::Application, compared),
        (Some("abc".to_owned()), true)
    );
    assert_eq!(applied(Tool::Application, json!(null)), (None, false));
}

/// How the API server of a test answers for a Kustomization.
#[derive(Clone, Copy)]
enum Answer {
    Lists,
    Forbids,
    Never,
}

/// Origins over an API server that knows `kube-system` and one Kustomization, and how often that was asked for.
fn origins(answer: Answer) -> (Origins, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let server = tower::service_fn(move |request: Request<Body>| {
        let of_flux = request.uri().path().contains("/kustomizations/apps");
        counted.fetch_add(usize::from(of_flux), Ordering::SeqCst);
        async move {
            let status = json!({
                "lastAttemptedRevision": "main@sha1:abc",
                "inventory": {"entries": [{"id": "payments_alice_entrapim.dev_GroupEligibility"}]},
            });
            let (code, body) = match (of_flux, answer) {
                (false, _) => (
                    200,
                    json!({"metadata": {"name": "kube-system", "uid": "c1"}}),
                ),
                (true, Answer::Lists) => {
                    (200, json!({"metadata": {"name": "apps"}, "status": status}))
                }
                (true, Answer::Forbids) => (
                    403,
                    json!({"kind": "Status", "status": "Failure", "reason": "Forbidden", "code": 403}),
                ),
                (true, Answer::Never) => std::future::pending().await,
            };
            let body = Body::from(body.to_string().into_bytes());
            Response::builder().status(code).body(body)
        }
    });
    let client = Client::new(server, "default");
    (Origins::new(client, vec!["argocd".to_owned()]), asked)
}

fn labelled() -> GroupEligibility {
    serde_json::from_value(json!({
        "metadata": {"name": "alice", "namespace": "payments", "labels": {
            "kustomize.toolkit.fluxcd.io/name": "apps",
            "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
        }},
        "spec": {
            "group": {"displayName": "ops"}, "accessId": "member",
            "principal": {"userPrincipalName": "alice@contoso.com"},
            "scheduleInfo": {"expiration": {"type": "noExpiration"}},
        },
    }))
    .expect("a grant")
}

#[tokio::test]
async fn a_record_is_read_once_for_all_who_ask_at_the_time() {
    let (origins, asked) = origins(Answer::Lists);
    let grant = labelled();
    let expected = Origin {
        cluster: Some("c1".to_owned()),
        revision: Some("main@sha1:abc".to_owned()),
    };
    for origin in join_all((0..20).map(|_| origins.of(&grant))).await {
        assert_eq!(origin, expected);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_forbidden_or_never_answered_costs_a_second_at_most_and_once() {
    for answer in [Answer::Forbids, Answer::Never] {
        let (origins, asked) = origins(answer);
        let grant = labelled();
        let started = tokio::time::Instant::now();
        for _ in 0..3 {
            assert_eq!(origins.of(&grant).await.revision, None);
        }
        assert!(started.elapsed() <= PATIENCE + Duration::from_millis(100));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}
