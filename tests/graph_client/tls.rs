use pim_operator::graph::GraphClient;
use pim_simulator::{Behaviour, TlsFiles};

use super::setup::{config, start};

#[tokio::test]
async fn an_extra_certificate_authority_is_trusted_and_a_strange_one_is_not() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let certificate_pem = made.cert.pem();
    let tls = TlsFiles {
        certificate_pem: certificate_pem.clone(),
        key_pem: made.signing_key.serialize_pem(),
    };
    let simulator = start("tls", Behaviour::default(), Some(tls)).await;

    let mut trusting = config(&simulator);
    trusting.extra_ca_pem = Some(certificate_pem.into_bytes());
    GraphClient::new(trusting)
        .unwrap()
        .identity()
        .await
        .unwrap();

    let wary = GraphClient::new(config(&simulator)).unwrap();
    let error = wary.identity().await.unwrap_err();
    assert!(
        error.to_string().contains("invalid peer certificate"),
        "{error}"
    );
}
