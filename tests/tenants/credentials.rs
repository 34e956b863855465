//! Every kind of credential gets a token, and a new one is taken up without a restart.

use std::path::{Path, PathBuf};

use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{Api, api::PostParams};
use pim_harness::{Bed, Operator, bed::CLIENT_ID};
use pim_operator::api::group_grant::GroupEligibility;
use pim_simulator::{
    ApplicationSeed, CertificateSeed, FederatedCredentialSeed, IssuerSeed, ManagedIdentity,
    Operation,
};
use serde_json::{Value, json};

use crate::support::{apply, bed_with, eligible, nudge, said};

const FIRST: &str = include_str!("../fixtures/client-pkcs8.pem");
const SECOND: &str = include_str!("../fixtures/client-pkcs1.pem");
/// The issuer of the test's API server.
const ISSUER: &str = "https://kubernetes.default.svc";

async fn create_account(bed: &Bed, name: &str) {
    let account: ServiceAccount =
        serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
    let api: Api<ServiceAccount> = Api::namespaced(bed.client.clone(), &bed.namespace);
    api.create(&PostParams::default(), &account).await.unwrap();
}

/// A token that the API server issues.
async fn token(bed: &Bed, account: &str, audience: &str) -> String {
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: vec![audience.to_owned()],
            expiration_seconds: Some(600),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let api: Api<ServiceAccount> = Api::namespaced(bed.client.clone(), &bed.namespace);
    let answer = api
        .create_token_request(account, &PostParams::default(), &request)
        .await;
    answer.unwrap().status.unwrap().token
}

/// Lets Entra read the keys of the cluster's issuer.
async fn publish_keys(bed: &Bed) {
    let request = http::Request::get("/openid/v1/jwks")
        .body(Vec::new())
        .unwrap();
    let text = bed.client.request_text(request).await.unwrap();
    let mut document: Value = serde_json::from_str(&text).unwrap();
    let keys = serde_json::from_value(document["keys"].take()).unwrap();
    apply(
        bed,
        Operation::PublishKeys(IssuerSeed {
            issuer: ISSUER.to_owned(),
            keys,
        }),
    );
}

/// Has the application trust a service account of the bed.
fn trust(bed: &Bed, account: &str) {
    apply(
        bed,
        Operation::SetFederatedCredentials {
            client_id: CLIENT_ID.to_owned(),
            federated_credentials: vec![FederatedCredentialSeed {
                issuer: ISSUER.to_owned(),
                subject: format!("system:serviceaccount:{}:{account}", bed.namespace),
                audience: "api://AzureADTokenExchange".to_owned(),
            }],
        },
    );
}

async fn grants(bed: &Bed, name: &str, user: &str) {
    eligible(
        bed,
        name,
        &json!({"principal": {"userPrincipalName": user}}),
    )
    .await;
    bed.until_reason::<GroupEligibility>(name, "Provisioned")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_of_its_own_signs_a_tenant_in() {
    let credential = json!({"workloadIdentity": {
        "clientId": CLIENT_ID, "serviceAccountRef": {"name": "contoso"},
    }});
    let bed = bed_with("service_account", credential, "unused").await;
    publish_keys(&bed).await;
    trust(&bed, "contoso");
    let operator = bed.start_operator();
    let tenant = bed.until_tenant("CredentialUnavailable").await;
    let expected = format!(
        "there is no service account contoso in the operator's namespace {}: create it",
        bed.namespace
    );
    assert!(said(&tenant).contains(&expected), "{}", said(&tenant));
    create_account(&bed, "contoso").await;
    nudge(&bed, "1").await;
    bed.until_tenant("Connected").await;
    grants(&bed, "alice", "alice@contoso.com").await;
    // The trust goes to another account: the tenant says what was presented.
    trust(&bed, "fabrikam");
    nudge(&bed, "2").await;
    let tenant = bed.until_tenant("CredentialUnavailable").await;
    let expected = format!(
        "add one with issuer {ISSUER}, subject system:serviceaccount:{}:contoso and audience api://AzureADTokenExchange (AADSTS700213)",
        bed.namespace
    );
    assert!(said(&tenant).contains(&expected), "{}", said(&tenant));
    trust(&bed, "contoso");
    nudge(&bed, "3").await;
    bed.until_tenant("Connected").await;
    grants(&bed, "bob", "bob@contoso.com").await;
    operator.stop().await;
}

/// A file that is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn write(&self, text: &str) {
        std::fs::write(&self.0, text).unwrap();
    }
}

impl AsRef<Path> for Scratch {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It may never have been written.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_projected_token_signs_a_tenant_in_and_is_read_anew_each_time() {
    let credential = json!({"workloadIdentity": {"clientId": CLIENT_ID}});
    let bed = bed_with("projected", credential, "unused").await;
    publish_keys(&bed).await;
    create_account(&bed, "pim-operator").await;
    trust(&bed, "pim-operator");
    let file = Scratch(std::env::temp_dir().join(format!("{}-token", bed.namespace)));
    let mut controller = bed.controller(bed.client.clone());
    controller.federated_token_file = file.0.clone();
    let operator = Operator::start(controller);
    let tenant = bed.until_tenant("CredentialUnavailable").await;
    assert!(
        said(&tenant).contains("give the pod a projected volume with the audience"),
        "{}",
        said(&tenant)
    );
    // A token for somebody else is no token for Entra.
    file.write(&token(&bed, "pim-operator", "vault").await);
    nudge(&bed, "1").await;
    bed.eventually("the audience is named", || async {
        said(&bed.until_tenant("CredentialUnavailable").await)
            .contains("audience vault (AADSTS700212)")
    })
    .await;
    file.write(&token(&bed, "pim-operator", "api://AzureADTokenExchange").await);
    nudge(&bed, "2").await;
    bed.until_tenant("Connected").await;
    grants(&bed, "alice", "alice@contoso.com").await;
    // The cluster rotates the file, and the access token ends.
    file.write(&token(&bed, "pim-operator", "api://AzureADTokenExchange").await);
    bed.advance(chrono::TimeDelta::hours(2));
    let before = bed.simulator.traffic().counts().token_requests;
    grants(&bed, "bob", "bob@contoso.com").await;
    assert!(bed.simulator.traffic().counts().token_requests > before);
    operator.stop().await;
}

fn register(bed: &Bed, pem: &str) {
    apply(
        bed,
        Operation::SetCertificates {
            client_id: CLIENT_ID.to_owned(),
            certificates: vec![CertificateSeed {
                pem: pem.to_owned(),
                expires: None,
            }],
        },
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_signs_a_tenant_in_and_is_replaced_without_a_restart() {
    let credential = json!({"clientCertificate": {
        "clientId": CLIENT_ID, "secretRef": {"name": "entra", "key": "client-secret"},
    }});
    let bed = bed_with("certificate", credential, FIRST).await;
    let operator = bed.start_operator();
    let tenant = bed.until_tenant("CredentialUnavailable").await;
    let expected = "add it to the app registration under certificates (thumbprint A9C3461BBC8032B78BABAB0CF14F06D2ACF1E975, AADSTS700027)";
    assert!(said(&tenant).contains(expected), "{}", said(&tenant));
    register(&bed, FIRST);
    nudge(&bed, "1").await;
    bed.until_tenant("Connected").await;
    grants(&bed, "alice", "alice@contoso.com").await;
    // Rotation: the new certificate replaces the old one here and there.
    register(&bed, SECOND);
    bed.write_secret(SECOND).await.unwrap();
    bed.advance(chrono::TimeDelta::hours(2));
    grants(&bed, "bob", "bob@contoso.com").await;
    bed.write_secret("no certificate at all").await.unwrap();
    let tenant = bed.until_tenant("CredentialUnavailable").await;
    assert!(
        said(&tenant).contains("the Secret holds no private key in PEM"),
        "{}",
        said(&tenant)
    );
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_machines_identity_signs_a_tenant_in() {
    let identity = "33333333-0000-4000-8000-000000000001";
    let credential = json!({"managedIdentity": {"clientId": identity}});
    let bed = bed_with("managed_identity", credential, "unused").await;
    let url = bed.simulator.url();
    bed.create_tenant(json!({
        "credential": {"managedIdentity": {"clientId": identity}},
        "endpoints": {"graph": url, "authority": "https://authority.invalid", "managedIdentity": url},
    }))
    .await
    .unwrap();
    let operator = bed.start_operator();
    let tenant = bed.until_tenant("CredentialUnavailable").await;
    let expected =
        format!("no managed identity with the client id {identity}: assign it to the node pool");
    assert!(said(&tenant).contains(&expected), "{}", said(&tenant));
    let permissions = pim_simulator::Estate::operator_application().app_roles;
    apply(
        &bed,
        Operation::AddApplication(Box::new(ApplicationSeed {
            client_id: identity.parse().unwrap(),
            display_name: "node-pool".to_owned(),
            app_roles: permissions,
            managed_identity: Some(ManagedIdentity::UserAssigned),
            ..ApplicationSeed::default()
        })),
    );
    nudge(&bed, "1").await;
    let tenant = bed.until_tenant("Connected").await;
    let status = tenant.status.unwrap();
    assert_eq!(status.application_id.unwrap().as_str(), identity);
    grants(&bed, "alice", "alice@contoso.com").await;
    operator.stop().await;
}
