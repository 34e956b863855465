//! Signing in without a client secret.

use std::{collections::HashMap, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::server::{Act, Seen, Server, answer, empty_list, ok, throttled, token};
use crate::graph::{Advice, Credential, GraphClient, GraphError, Secret, TokenFile};

const PKCS8: &str = include_str!("../../../tests/fixtures/client-pkcs8.pem");
const PKCS1: &str = include_str!("../../../tests/fixtures/client-pkcs1.pem");

fn client(server: &Server, credential: Credential) -> Result<GraphClient, GraphError> {
    let mut config = server.config();
    config.credential = credential;
    GraphClient::new(config)
}

fn certificate(pem: &str) -> Credential {
    Credential::ClientCertificate {
        client_id: "app-1".to_owned(),
        pem: Secret::new(pem),
    }
}

fn form(seen: &Seen) -> HashMap<String, String> {
    form_urlencoded::parse(seen.body.as_bytes())
        .into_owned()
        .collect()
}

fn part(token: &str, index: usize) -> Value {
    let text = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

#[tokio::test]
async fn a_certificate_signs_short_assertions_that_are_never_the_same() {
    for pem in [PKCS8, PKCS1] {
        let server = Server::script([empty_list()]).await;
        let client = client(&server, certificate(pem)).unwrap();
        client.identity().await.unwrap();
        client.renewed_identity().await.unwrap();
        let sign_ins = server.sign_ins();
        let forms: Vec<_> = sign_ins.iter().map(form).collect();
        assert_eq!(forms.len(), 2);
        assert_eq!(
            forms[0]["client_assertion_type"],
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        );
        let assertion = &forms[0]["client_assertion"];
        let header = part(assertion, 0);
        assert_eq!(header["alg"], "RS256");
        assert_eq!(header["x5t#S256"].as_str().unwrap().len(), 43);
        let claims = part(assertion, 1);
        assert_eq!(
            (&claims["iss"], &claims["sub"]),
            (&json!("app-1"), &json!("app-1"))
        );
        let endpoint = format!("{}tenant-1/oauth2/v2.0/token", server.root);
        assert_eq!(claims["aud"], endpoint);
        let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
        assert_eq!(life, 300);
        assert_ne!(claims["jti"], part(&forms[1]["client_assertion"], 1)["jti"]);
        let key = match PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap() {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => panic!("another key"),
        };
        let (message, signature) = assertion.rsplit_once('.').unwrap();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.unwrap().public())
            .verify(
                message.as_bytes(),
                &URL_SAFE_NO_PAD.decode(signature).unwrap(),
            )
            .unwrap();
    }
}

#[tokio::test]
async fn a_certificate_that_cannot_work_is_explained_before_anybody_is_asked() {
    let server = Server::script([empty_list()]).await;
    let section = |pem: &str, what: &str| -> String {
        let start = pem.find(&format!("-----BEGIN {what}")).unwrap();
        pem[start..]
            .split_inclusive("-----END")
            .next()
            .unwrap()
            .to_owned()
            + &format!(" {what}-----\n")
    };
    let own = section(PKCS8, "CERTIFICATE");
    let key = section(PKCS8, "PRIVATE KEY");
    let foreign = section(PKCS1, "CERTIFICATE");
    let elliptic = rcgen::KeyPair::generate().unwrap().serialize_pem();
    for (pem, expected) in [
        ("nothing".to_owned(), "no private key in PEM"),
        (own.clone(), "no private key in PEM"),
        (key.clone(), "no certificate in PEM"),
        (format!("{own}{elliptic}"), "must be an RSA key"),
        (
            format!("{foreign}{key}"),
            "does not belong to the private key",
        ),
    ] {
        let error = client(&server, certificate(&pem)).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.advice(), Advice::FixCredential);
        assert!(!error.to_string().contains("BEGIN"));
    }
    // A chain beside the certificate is no trouble, whichever comes first.
    client(&server, certificate(&format!("{foreign}{own}{key}"))).unwrap();
    assert!(server.sign_ins().is_empty());
}

fn refused(code: u32, text: &str) -> Act {
    let description = format!("AADSTS{code}: {text} Trace ID: 1");
    answer(
        401,
        &json!({"error": "invalid_client", "error_codes": [code], "error_description": description}),
    )
}

#[tokio::test]
async fn a_refused_certificate_is_named_by_its_thumbprint_with_what_to_do() {
    let message = |text: &'static str| async move {
        let server = Server::start_bare(move |_| refused(700_027, text)).await;
        let client = client(&server, certificate(PKCS8)).unwrap();
        client.identity().await.unwrap_err().to_string()
    };
    assert_eq!(
        message("The certificate … is not registered on application.").await,
        "sign-in failed: the client certificate is not registered with the application: add it to the app registration under certificates (thumbprint A9C3461BBC8032B78BABAB0CF14F06D2ACF1E975, AADSTS700027)"
    );
    let expired = message("The certificate … is expired on application.").await;
    assert!(
        expired.starts_with("sign-in failed: the client certificate has expired: add a new one"),
        "{expired}"
    );
}

/// A service account token in a file.
fn write(file: &std::path::Path, subject: &str) {
    let claims =
        json!({"iss": "https://issuer", "sub": subject, "aud": ["api://AzureADTokenExchange"]});
    let token = format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims.to_string()));
    std::fs::write(file, format!("{token}\n")).unwrap();
}

fn file(name: &str) -> std::path::PathBuf {
    let unique = format!("pim-operator-{name}-{}", std::process::id());
    std::env::temp_dir().join(unique)
}

fn federated(path: &std::path::Path) -> Credential {
    Credential::Assertion {
        client_id: "app-1".to_owned(),
        provider: Arc::new(TokenFile(path.to_owned())),
    }
}

#[tokio::test]
async fn a_token_file_is_read_again_at_every_sign_in() {
    let server = Server::script([empty_list()]).await;
    let path = file("rotated");
    let client = client(&server, federated(&path)).unwrap();
    let missing = client.identity().await.unwrap_err();
    assert!(
        missing
            .to_string()
            .contains("give the pod a projected volume"),
        "{missing}"
    );
    assert_eq!(missing.advice(), Advice::FixCredential);
    write(&path, "first");
    client.renewed_identity().await.unwrap();
    write(&path, "second");
    client.renewed_identity().await.unwrap();
    let sign_ins = server.sign_ins();
    let subjects: Vec<_> = sign_ins
        .iter()
        .map(|seen| part(&form(seen)["client_assertion"], 1)["sub"].clone())
        .collect();
    assert_eq!(subjects, ["first", "second"]);
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn a_token_that_no_federated_credential_fits_is_described() {
    let path = file("mismatch");
    write(&path, "system:serviceaccount:ns:sa");
    for code in [70021, 700_211, 700_212, 700_213] {
        let server = Server::start_bare(move |_| refused(code, "No matching record.")).await;
        let client = client(&server, federated(&path)).unwrap();
        assert_eq!(
            client.identity().await.unwrap_err().to_string(),
            format!(
                "sign-in failed: no federated credential of the application fits the presented token: add one with issuer https://issuer, subject system:serviceaccount:ns:sa and audience api://AzureADTokenExchange (AADSTS{code})"
            )
        );
    }
    std::fs::remove_file(path).unwrap();
}

fn machine(server: &Server, client_id: Option<&str>) -> GraphClient {
    let credential = Credential::ManagedIdentity {
        client_id: client_id.map(str::to_owned),
        endpoint: server.root.clone(),
    };
    client(server, credential).unwrap()
}

fn machine_token(expires_on: &Value) -> Act {
    let Act::Answer(_, _, body) = token(1, 3600) else {
        panic!("no token");
    };
    let mut body: Value = serde_json::from_str(&body).unwrap();
    body["expires_on"] = expires_on.clone();
    body["expires_in"] = json!("3600");
    ok(&body)
}

#[tokio::test]
async fn a_machine_is_asked_for_the_token_of_its_identity() {
    let end = chrono::Utc::now().timestamp() + 3600;
    for expires_on in [json!(end.to_string()), json!(end)] {
        let server = Server::start_bare(move |_| machine_token(&expires_on)).await;
        let identity = machine(&server, Some("id-1")).identity().await.unwrap();
        assert_eq!(identity.expires_on.timestamp(), end);
        let calls = server.calls();
        assert_eq!(calls[0].method, "GET");
        assert_eq!(calls[0].headers["metadata"], "true");
        let (path, query) = calls[0].path.split_once('?').unwrap();
        assert_eq!(path, "/metadata/identity/oauth2/token");
        let query: HashMap<_, _> = form_urlencoded::parse(query.as_bytes()).collect();
        assert_eq!(query["api-version"], "2018-02-01");
        assert_eq!(
            query["resource"],
            server.root.as_str().trim_end_matches('/')
        );
        assert_eq!(query["client_id"], "id-1");
    }
}

#[tokio::test]
async fn a_machine_without_the_identity_says_what_to_assign() {
    for (client_id, description, expected) in [
        (
            None,
            "Identity not found",
            "the machine has no managed identity: assign one",
        ),
        (
            Some("id-1"),
            "Identity not found",
            "no managed identity with the client id id-1",
        ),
        (
            None,
            "Multiple user assigned identities exist, please specify",
            "several managed identities: name one",
        ),
    ] {
        let server = Server::start_bare(move |_| {
            answer(
                400,
                &json!({"error": "invalid_request", "error_description": description}),
            )
        })
        .await;
        let error = machine(&server, client_id).identity().await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.advice(), Advice::FixCredential);
        assert_eq!(server.calls().len(), 1);
    }
    let server = Server::start_bare(|_| throttled("1")).await;
    let busy = machine(&server, None).identity().await.unwrap_err();
    assert_eq!(busy.advice(), Advice::Retry);
}

/// Runs tests above in processes of their own, as the environment of this one is shared by all tests.
#[test]
fn the_environment_neither_redirects_a_sign_in_nor_chooses_its_source() {
    let nowhere = "http://127.0.0.1:1";
    for test in [
        "a_machine_is_asked_for_the_token_of_its_identity",
        "a_certificate_signs_short_assertions_that_are_never_the_same",
        "a_token_file_is_read_again_at_every_sign_in",
    ] {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", &format!("graph::tests::credentials::{test}")]);
        for name in [
            "AZURE_AUTHORITY_HOST",
            "IDENTITY_ENDPOINT",
            "IMDS_ENDPOINT",
            "MSI_ENDPOINT",
            "AZURE_POD_IDENTITY_AUTHORITY_HOST",
            "AZURE_REGIONAL_AUTHORITY_NAME",
        ] {
            command.env(name, nowhere);
        }
        for name in [
            "IDENTITY_HEADER",
            "MSI_SECRET",
            "AZURE_CLIENT_ID",
            "AZURE_TENANT_ID",
            "AZURE_CLIENT_SECRET",
            "AZURE_FEDERATED_TOKEN_FILE",
        ] {
            command.env(name, "ambient");
        }
        let output = command
            .env("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
        assert!(text.contains("1 passed"), "{text}");
    }
}

/// As above: a proxy is for the way out of the cluster; the machine itself is never behind one.
#[test]
fn the_metadata_service_is_never_asked_through_a_proxy() {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "graph::tests::credentials::a_machine_is_asked_for_the_token_of_its_identity",
        ])
        .env("http_proxy", "http://127.0.0.1:1")
        .env("ALL_PROXY", "http://127.0.0.1:1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}

#[tokio::test]
async fn a_new_credential_does_not_end_a_pause_that_graph_asked_for() {
    let server = Server::start(|_| throttled("300")).await;
    let mut config = server.config();
    let before = GraphClient::new(config.clone()).unwrap();
    assert!(matches!(
        before.group("g1").await,
        Err(GraphError::Throttled { .. })
    ));
    let calls = server.calls().len();
    config.credential = certificate(PKCS8);
    let after = before.replaced_by(config).unwrap();
    assert!(matches!(
        after.group("g1").await,
        Err(GraphError::Throttled { .. })
    ));
    assert_eq!(server.calls().len(), calls);
}

#[test]
fn the_end_of_a_certificate_is_that_of_the_one_that_belongs_to_the_key() {
    let end =
        |pem: &str| crate::graph::certificate_end(&Secret::new(pem)).map(|end| end.timestamp());
    // 29 October 2126, as `openssl x509 -enddate` says.
    assert_eq!(end(PKCS8), Some(4_948_929_954));
    assert!(end(PKCS1).is_some());
    let (_, key) = PKCS8.split_once("-----BEGIN PRIVATE KEY-----").unwrap();
    let (key, _) = key.split_once("-----END PRIVATE KEY-----").unwrap();
    let alone = format!("-----BEGIN PRIVATE KEY-----{key}-----END PRIVATE KEY-----\n");
    assert_eq!(end(&alone), None);
    assert_eq!(end("no PEM at all"), None);
}
