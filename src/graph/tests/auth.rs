use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::json;

use super::server::{Act, SECRET, Server, answer, empty_list, error, next, ok, token};
use crate::graph::{Advice, GraphClient, GraphError};

#[tokio::test]
async fn the_token_says_who_the_client_is() {
    let server = Server::script([empty_list()]).await;
    let identity = server.client().identity().await.unwrap();
    assert_eq!(identity.tenant_id, "tenant-1");
    assert_eq!(identity.object_id, "object-1");
    assert_eq!(identity.app_id, "app-1");
    assert_eq!(identity.roles, ["User.Read.All"]);
    let seconds = (identity.expires_on - chrono::Utc::now()).num_seconds();
    assert!((3500..=3600).contains(&seconds), "{seconds}");
    let sign_ins = server.sign_ins();
    let sign_in = &sign_ins[0];
    assert_eq!(sign_in.path, "/tenant-1/oauth2/v2.0/token");
    assert!(sign_in.body.contains("grant_type=client_credentials"));
    assert!(sign_in.body.contains(&format!("client_secret={SECRET}")));
    assert!(sign_in.body.contains("%2F.default"));
}

/// Runs the test above in a process of its own, as the environment of this one is shared by all tests.
#[test]
fn the_environment_cannot_redirect_a_sign_in() {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "graph::tests::auth::the_token_says_who_the_client_is",
        ])
        .env("AZURE_AUTHORITY_HOST", "https://127.0.0.1:1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

#[tokio::test]
async fn a_path_of_the_authority_is_kept() {
    let server = Server::script([empty_list()]).await;
    let mut config = server.config();
    config.authority = server.root.join("/login/").unwrap();
    GraphClient::new(config).unwrap().identity().await.unwrap();
    assert_eq!(
        server.sign_ins()[0].path,
        "/login/tenant-1/oauth2/v2.0/token"
    );
}

#[tokio::test]
async fn many_callers_share_one_sign_in() {
    let server = Server::start(|_| error(404, "Request_ResourceNotFound")).await;
    let client = server.client();
    let calls = (0..50).map(|n| {
        let client = client.clone();
        async move { client.group(&format!("g{n}")).await }
    });
    for found in futures::future::join_all(calls).await {
        assert_eq!(found.unwrap(), None);
    }
    assert_eq!(server.sign_ins().len(), 1);
}

#[tokio::test]
async fn a_token_near_its_end_is_renewed() {
    let count = AtomicUsize::new(0);
    let server = Server::start_bare(move |seen| {
        if seen.is_token() {
            token(count.fetch_add(1, Ordering::SeqCst), 200)
        } else {
            ok(&json!({"id": "g1"}))
        }
    })
    .await;
    let client = server.client();
    client.group("g1").await.unwrap();
    client.group("g1").await.unwrap();
    assert_eq!(server.sign_ins().len(), 2);
}

#[tokio::test]
async fn the_old_token_is_used_while_the_authority_is_in_trouble() {
    let count = AtomicUsize::new(0);
    let server = Server::start_bare(move |seen| {
        if !seen.is_token() {
            ok(&json!({"id": "g1"}))
        } else if count.fetch_add(1, Ordering::SeqCst) == 0 {
            token(1, 200)
        } else {
            Act::Answer(503, vec![], "<html>busy</html>".to_owned())
        }
    })
    .await;
    let client = server.client();
    client.group("g1").await.unwrap();
    client.group("g1").await.unwrap();
    assert_eq!(server.sign_ins().len(), 2);
}

#[tokio::test]
async fn a_401_leads_to_one_new_sign_in_for_everybody() {
    let server = Server::start(|seen| {
        if seen.headers["authorization"].contains("header1.") {
            error(401, "InvalidAuthenticationToken")
        } else if seen.path.ends_with("$batch") {
            super::server::batch(seen, |_| (200, json!({}), json!({"id": "g1"})))
        } else {
            ok(&json!({"id": "g1"}))
        }
    })
    .await;
    let client = server.client();
    let calls = (0..30).map(|n| {
        let client = client.clone();
        async move { client.group(&format!("g{n}")).await }
    });
    for found in futures::future::join_all(calls).await {
        assert_eq!(found.unwrap().unwrap().id, "g1");
    }
    assert_eq!(server.sign_ins().len(), 2);
}

#[tokio::test]
async fn a_second_401_is_an_error_of_the_credential() {
    let server = Server::script([error(401, "InvalidAuthenticationToken")]).await;
    let error = server.client().group("g1").await.unwrap_err();
    assert_eq!(error.advice(), Advice::FixCredential);
    assert_eq!(server.calls().len(), 2);
    assert_eq!(server.sign_ins().len(), 2);
}

async fn refusal(act: Act) -> (GraphError, usize) {
    let server = Server::start_bare(move |_| act.clone()).await;
    let error = server.client().identity().await.unwrap_err();
    (error, server.sign_ins().len())
}

#[tokio::test]
async fn a_refused_secret_is_explained_by_its_code_and_not_tried_again() {
    let body = json!({
        "error": "invalid_client",
        "error_description": "AADSTS7000215: Invalid \"client secret\" provided.\r\nTrace ID: 1\r\nTimestamp: 2",
        "error_codes": [7_000_215],
    });
    let (error, tries) = refusal(answer(401, &body)).await;
    assert_eq!(error.code(), Some("AADSTS7000215"));
    assert_eq!(error.advice(), Advice::FixCredential);
    assert_eq!(
        error.to_string(),
        "sign-in failed: the client secret is wrong: the Secret must hold the secret's value, not its id (AADSTS7000215)"
    );
    assert_eq!(tries, 1);
}

#[tokio::test]
async fn a_refused_secret_is_not_presented_again_at_once() {
    let server = Server::start_bare(|_| answer(401, &json!({"error": "invalid_client"}))).await;
    let client = server.client();
    for _ in 0..10 {
        let error = client.group("g1").await.unwrap_err();
        assert_eq!(error.code(), Some("invalid_client"));
    }
    assert_eq!(server.sign_ins().len(), 1);
    assert!(server.calls().is_empty());
}

#[tokio::test]
async fn an_authority_in_trouble_is_asked_again() {
    let html = Act::Answer(502, vec![], "<html>".to_owned());
    let acts = Mutex::new([html, Act::Close, token(1, 3600)].into());
    let server = Server::start_bare(move |_| next(&acts)).await;
    server.client().identity().await.unwrap();
    assert_eq!(server.sign_ins().len(), 3);
}

#[tokio::test]
async fn an_unreadable_answer_of_the_authority_is_an_error() {
    let (error, _) = refusal(Act::Answer(400, vec![], "<html>".to_owned())).await;
    assert!(matches!(error, GraphError::SignIn(_)), "{error}");
    let opaque = ok(&json!({"token_type": "Bearer", "expires_in": 3600, "access_token": "opaque"}));
    let (error, _) = refusal(opaque).await;
    assert_eq!(
        error.to_string(),
        "sign-in failed: the access token carries no readable claims"
    );
}

#[tokio::test]
async fn an_authority_that_cannot_be_reached_is_passing_trouble() {
    let server = Server::script([empty_list()]).await;
    let mut config = server.config();
    // Port 1 of loopback: nobody listens there.
    config.authority = "http://127.0.0.1:1".parse().unwrap();
    let client = Arc::new(GraphClient::new(config).unwrap());
    let error = client.group("g1").await.unwrap_err();
    assert_eq!(error.advice(), Advice::Retry);
    assert_eq!(
        error.to_string(),
        "sign-in failed: the authority cannot be reached or is in trouble (Connection refused (os error 111))"
    );
    assert!(server.calls().is_empty());
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_at_once() {
    let server = Server::script([empty_list()]).await;
    let mut config = server.config();
    config.tenant_id = "not a tenant".to_owned();
    assert!(matches!(
        GraphClient::new(config),
        Err(GraphError::Invalid(_))
    ));
    let mut config = server.config();
    config.extra_ca_pem = Some(b"not PEM".to_vec());
    assert!(matches!(
        GraphClient::new(config),
        Err(GraphError::Invalid(_))
    ));
    let mut config = server.config();
    config.limits.requests_per_second = 0;
    assert!(matches!(
        GraphClient::new(config),
        Err(GraphError::Invalid(_))
    ));
}
