//! Tokens and discovery.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use pim_simulator::{Estate, Operation, SimulatorConfig, TlsFiles};
use serde_json::{Value, json};

use crate::bed::*;

fn tenant() -> String {
    Estate::TENANT.to_string()
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(&BASE64.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[track_caller]
fn refused(reply: &Reply, status: u16, error: &str, code: u32) {
    assert_eq!(
        (reply.status, reply.text("error")),
        (status, error),
        "{:?}",
        reply.body
    );
    assert_eq!(reply.body["error_codes"], json!([code]));
    assert!(
        reply
            .text("error_description")
            .starts_with(&format!("AADSTS{code}: "))
    );
}

#[tokio::test]
async fn a_token_carries_what_an_app_only_token_carries() {
    let bed = Bed::new().await;
    let reply = bed
        .sign_in_with("client_secret", Estate::OPERATOR_SECRET)
        .await;
    assert_eq!(reply.body["expires_in"], 3599);
    let claims = claims(reply.text("access_token"));
    assert_eq!(claims["tid"], tenant());
    assert_eq!(claims["appid"], OPERATOR);
    assert_eq!(claims["oid"], "11111111-0000-4000-8000-000000000002");
    assert_eq!(claims["aud"], bed.simulator.url());
    assert!(
        claims["roles"]
            .as_array()
            .unwrap()
            .contains(&json!("GroupMember.Read.All"))
    );
    assert_eq!(claims["exp"], bed.now().timestamp() + 3599);
}

#[tokio::test]
async fn a_delegated_token_carries_scopes_and_the_sign_in_name() {
    let bed = Bed::new().await;
    let reply = bed
        .post(
            "/_simulator/token",
            json!({"user": "alice@contoso.com", "scopes": ["User.Read.All"]}),
        )
        .await;
    let claims = claims(reply.text("access_token"));
    assert_eq!(claims["scp"], "User.Read.All");
    assert_eq!(claims["upn"], "alice@contoso.com");
    assert_eq!(claims["oid"], ALICE);
    assert!(claims.get("roles").is_none());
}

#[tokio::test]
async fn a_token_is_signed_with_the_published_key() {
    let bed = Bed::new().await;
    let keys = bed.get(&format!("/{}/discovery/v2.0/keys", tenant())).await;
    let key = &keys.body["keys"][0];
    let mut point = vec![4];
    for part in ["x", "y"] {
        point.extend(BASE64.decode(key[part].as_str().unwrap()).unwrap());
    }
    let (message, signature) = bed.token.rsplit_once('.').unwrap();
    let algorithm = &ring::signature::ECDSA_P256_SHA256_FIXED;
    ring::signature::UnparsedPublicKey::new(algorithm, point)
        .verify(message.as_bytes(), &BASE64.decode(signature).unwrap())
        .unwrap();
}

#[tokio::test]
async fn sign_in_errors_are_those_of_the_sign_in_service() {
    let bed = Bed::new().await;
    refused(
        &bed.sign_in_with("client_secret", "wrong").await,
        401,
        "invalid_client",
        7_000_215,
    );
    let other = "22222222-0000-4000-8000-000000000001";
    let reply = bed
        .token_request(&tenant(), other, "client_secret", "x")
        .await;
    refused(&reply, 400, "unauthorized_client", 700_016);
    let reply = bed
        .token_request(other, OPERATOR, "client_secret", "x")
        .await;
    refused(&reply, 400, "invalid_request", 90002);
    refused(
        &bed.sign_in_with("other", "x").await,
        401,
        "invalid_client",
        7_000_218,
    );
    let expire = Operation::ExpireSecrets {
        client_id: OPERATOR.to_owned(),
        at: None,
    };
    bed.simulator.admin().apply(expire).unwrap();
    let reply = bed
        .sign_in_with("client_secret", Estate::OPERATOR_SECRET)
        .await;
    refused(&reply, 401, "invalid_client", 7_000_222);
    bed.simulator
        .admin()
        .rotate_secret(OPERATOR, "another")
        .unwrap();
    assert_eq!(
        bed.sign_in_with("client_secret", "another").await.status,
        200
    );
}

#[tokio::test]
async fn tokens_expire_by_the_virtual_clock() {
    let mut bed = Bed::new().await;
    assert_eq!(bed.get("/v1.0/users").await.status, 200);
    bed.advance(3600);
    let reply = bed.get("/v1.0/users").await;
    reply.refused(401, "InvalidAuthenticationToken");
    assert!(
        reply.headers["www-authenticate"]
            .to_str()
            .unwrap()
            .starts_with("Bearer")
    );
    bed.sign_in().await;
    assert_eq!(bed.get("/v1.0/users").await.status, 200);
}

#[tokio::test]
async fn missing_and_invented_tokens_are_refused() {
    let mut bed = Bed::new().await;
    for token in ["", "invented"] {
        token.clone_into(&mut bed.token);
        bed.get("/v1.0/users")
            .await
            .refused(401, "InvalidAuthenticationToken");
        bed.admin(ELIGIBLE, "adminAssign", none())
            .await
            .refused(401, "InvalidAuthenticationToken");
    }
}

#[tokio::test]
async fn discovery_documents_lead_back_to_the_simulator() {
    let bed = Bed::new().await;
    let url = bed.simulator.url();
    let openid = bed
        .get(&format!(
            "/{}/v2.0/.well-known/openid-configuration",
            tenant()
        ))
        .await;
    let token = format!("{url}/{}/oauth2/v2.0/token", tenant());
    assert_eq!(openid.text("token_endpoint"), token);
    let instance = bed.get("/common/discovery/instance?api-version=1.1").await;
    assert!(instance.text("tenant_discovery_endpoint").starts_with(&url));
    let cloud = bed.get("/metadata/endpoints?api-version=2022-09-01").await;
    assert_eq!(cloud.text("microsoftGraphResourceId"), url);
    assert_eq!(cloud.body["authentication"]["loginEndpoint"], url.as_str());
    let older = bed.get("/metadata/endpoints?api-version=2020-06-01").await;
    assert!(older.body.is_array());
}

#[tokio::test]
async fn tls_is_served_with_the_given_certificate() {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate_pem = made.cert.pem();
    let key_pem = made.signing_key.serialize_pem();
    let tls = Some(TlsFiles {
        certificate_pem: certificate_pem.clone(),
        key_pem,
    });
    let config = SimulatorConfig {
        tls,
        ..SimulatorConfig::new(Estate::generate(1, 1))
    };
    let simulator = pim_simulator::Simulator::start(config).await.unwrap();
    let _ = client();
    let root = reqwest::Certificate::from_pem(certificate_pem.as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([root])
        .no_proxy()
        .build()
        .unwrap();
    let url = format!("{}/metadata/endpoints", simulator.url());
    let document = reply(client.get(url).send().await.unwrap()).await;
    assert!(
        document
            .text("microsoftGraphResourceId")
            .starts_with("https://127.0.0.1:")
    );
}
