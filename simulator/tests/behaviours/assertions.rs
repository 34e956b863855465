//! Signing in without a secret: service account tokens, certificates, managed identities.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use pim_simulator::{
    ApplicationSeed, CertificateSeed, Estate, IssuerSeed, ManagedIdentity, Operation,
};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, pem::PemObject as _};
use serde_json::{Value, json};

use crate::bed::*;

const PEM: &str = include_str!("../../../tests/fixtures/client-pkcs8.pem");
const OTHER_PEM: &str = include_str!("../../../tests/fixtures/client-pkcs1.pem");

#[track_caller]
fn refused(reply: &Reply, code: u32) {
    assert_eq!(reply.body["error_codes"], json!([code]), "{:?}", reply.body);
}

fn soon() -> i64 {
    chrono::Utc::now().timestamp() + 600
}

fn changed(claims: &Value, change: &Value) -> Value {
    let mut claims = claims.clone();
    let fields = claims.as_object_mut().unwrap();
    fields.extend(change.as_object().unwrap().clone());
    claims
}

fn unsigned(header: &Value, claims: &Value) -> String {
    format!(
        "{}.{}",
        BASE64.encode(header.to_string()),
        BASE64.encode(claims.to_string())
    )
}

/// An issuer of service account tokens.
struct Cluster {
    key: EcdsaKeyPair,
    random: SystemRandom,
}

impl Cluster {
    fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        Self { key, random }
    }

    fn published(&self) -> Operation {
        let (x, y) = self.key.public_key().as_ref()[1..].split_at(32);
        Operation::PublishKeys(IssuerSeed {
            issuer: "https://kubernetes.default.svc.cluster.local".to_owned(),
            keys: vec![
                json!({"kty": "EC", "crv": "P-256", "x": BASE64.encode(x), "y": BASE64.encode(y)}),
            ],
        })
    }

    fn token(&self, change: &Value) -> String {
        let claims = json!({"iss": "https://kubernetes.default.svc.cluster.local",
            "sub": "system:serviceaccount:pim-operator-system:pim-operator",
            "aud": ["api://AzureADTokenExchange"], "exp": soon()});
        let message = unsigned(&json!({"alg": "ES256"}), &changed(&claims, change));
        let signature = self.key.sign(&self.random, message.as_bytes()).unwrap();
        format!("{message}.{}", BASE64.encode(signature.as_ref()))
    }
}

#[tokio::test]
async fn a_service_account_token_is_matched_by_issuer_subject_and_audience_and_verified() {
    let bed = Bed::new().await;
    let cluster = Cluster::new();
    let unread = bed
        .sign_in_with("client_assertion", &cluster.token(&json!({})))
        .await;
    refused(&unread, 50166);
    bed.simulator.admin().apply(cluster.published()).unwrap();
    let reply = bed
        .sign_in_with("client_assertion", &cluster.token(&json!({})))
        .await;
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    for (change, code) in [
        (json!({"iss": "https://elsewhere"}), 700_211),
        (
            json!({"sub": "system:serviceaccount:default:other"}),
            700_213,
        ),
        (json!({"aud": "somebody"}), 700_212),
        (json!({"exp": 1}), 700_024),
        (json!({"nbf": soon()}), 700_024),
    ] {
        let token = cluster.token(&change);
        refused(&bed.sign_in_with("client_assertion", &token).await, code);
    }
    let forged = Cluster::new().token(&json!({}));
    refused(&bed.sign_in_with("client_assertion", &forged).await, 50013);
}

/// A certificate's holder.
struct Holder(RsaKeyPair);

impl Holder {
    fn new() -> Self {
        let der = PrivatePkcs8KeyDer::from_pem_slice(PEM.as_bytes()).unwrap();
        Self(RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap())
    }

    fn assertion(&self, bed: &Bed, certificate: &str, change: &Value) -> String {
        let der = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let thumbprint = ring::digest::digest(&ring::digest::SHA256, &der);
        let claims = json!({"iss": OPERATOR, "sub": OPERATOR, "jti": "once", "exp": soon(),
            "aud": format!("{}/{}/oauth2/v2.0/token", bed.simulator.url(), Estate::TENANT)});
        let header = json!({"alg": "RS256", "x5t#S256": BASE64.encode(thumbprint)});
        let message = unsigned(&header, &changed(&claims, change));
        let mut signature = vec![0; self.0.public().modulus_len()];
        let random = SystemRandom::new();
        self.0
            .sign(
                &RSA_PKCS1_SHA256,
                &random,
                message.as_bytes(),
                &mut signature,
            )
            .unwrap();
        format!("{message}.{}", BASE64.encode(signature))
    }
}

fn registered(pem: &str, expires: Option<chrono::DateTime<chrono::Utc>>) -> Operation {
    Operation::SetCertificates {
        client_id: OPERATOR.to_owned(),
        certificates: vec![CertificateSeed {
            pem: pem.to_owned(),
            expires,
        }],
    }
}

#[tokio::test]
async fn a_signed_assertion_is_held_against_the_registered_certificates() {
    let bed = Bed::new().await;
    let holder = Holder::new();
    let good = holder.assertion(&bed, PEM, &json!({}));
    refused(&bed.sign_in_with("client_assertion", &good).await, 700_027);
    bed.simulator.admin().apply(registered(PEM, None)).unwrap();
    let reply = bed.sign_in_with("client_assertion", &good).await;
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    for (change, code) in [
        (json!({"aud": "https://elsewhere"}), 50027),
        (json!({"jti": ""}), 50027),
        (json!({"sub": DEPLOYER}), 700_021),
        (json!({"exp": soon() - 3600}), 700_024),
        (json!({"exp": soon() + 48 * 3600}), 700_024),
    ] {
        let assertion = holder.assertion(&bed, PEM, &change);
        refused(
            &bed.sign_in_with("client_assertion", &assertion).await,
            code,
        );
    }
    // Another's thumbprint does not make the signature another's.
    bed.simulator
        .admin()
        .apply(registered(OTHER_PEM, None))
        .unwrap();
    let posing = holder.assertion(&bed, OTHER_PEM, &json!({}));
    refused(
        &bed.sign_in_with("client_assertion", &posing).await,
        700_027,
    );
    let past = chrono::Utc::now() - chrono::TimeDelta::days(1);
    bed.simulator
        .admin()
        .apply(registered(PEM, Some(past)))
        .unwrap();
    let reply = bed.sign_in_with("client_assertion", &good).await;
    refused(&reply, 700_027);
    assert!(reply.text("error_description").contains("is expired"));
}

async fn ask_machine(bed: &Bed, query: &str, header: bool) -> Reply {
    let url = format!(
        "{}/metadata/identity/oauth2/token?{query}",
        bed.simulator.url()
    );
    let mut request = bed.client.get(url);
    if header {
        request = request.header("Metadata", "true");
    }
    reply(request.send().await.unwrap()).await
}

fn identity(number: u128, how: ManagedIdentity) -> Operation {
    Operation::AddApplication(Box::new(ApplicationSeed {
        client_id: uuid::Uuid::from_u128(number),
        display_name: format!("identity {number}"),
        managed_identity: Some(how),
        ..ApplicationSeed::default()
    }))
}

#[tokio::test]
async fn a_machine_hands_out_tokens_of_the_identities_that_are_assigned_to_it() {
    const QUERY: &str = "api-version=2018-02-01&resource=https%3A%2F%2Fgraph.microsoft.com";
    let bed = Bed::new().await;
    let admin = bed.simulator.admin();
    let described = |reply: &Reply| {
        assert_eq!(reply.status, 400, "{:?}", reply.body);
        reply.text("error_description").to_owned()
    };
    let reply = ask_machine(&bed, QUERY, false).await;
    assert_eq!(described(&reply), "Required metadata header not specified");
    assert_eq!(
        described(&ask_machine(&bed, QUERY, true).await),
        "Identity not found"
    );
    admin
        .apply(identity(1, ManagedIdentity::UserAssigned))
        .unwrap();
    let reply = ask_machine(&bed, QUERY, true).await;
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    assert_eq!(reply.text("expires_in"), "3599");
    let end = (bed.now().timestamp() + 3599).to_string();
    assert_eq!(reply.text("expires_on"), end);
    assert_eq!(reply.text("resource"), "https://graph.microsoft.com");
    admin
        .apply(identity(2, ManagedIdentity::UserAssigned))
        .unwrap();
    let several = described(&ask_machine(&bed, QUERY, true).await);
    assert!(several.starts_with("Multiple user assigned identities exist"));
    let chosen = format!("{QUERY}&client_id={}", uuid::Uuid::from_u128(2));
    let reply = ask_machine(&bed, &chosen, true).await;
    assert_eq!(
        reply.text("client_id"),
        uuid::Uuid::from_u128(2).to_string()
    );
    admin
        .apply(identity(3, ManagedIdentity::SystemAssigned))
        .unwrap();
    let reply = ask_machine(&bed, QUERY, true).await;
    assert_eq!(
        reply.text("client_id"),
        uuid::Uuid::from_u128(3).to_string()
    );
    let unknown = format!("{QUERY}&client_id={OPERATOR}");
    assert_eq!(
        described(&ask_machine(&bed, &unknown, true).await),
        "Identity not found"
    );
}
