//! A sign-in that Entra refuses is reported with its code and with what to do.

use pim_simulator::{Fault, FaultKind};

use crate::support::{bed, nudge, permit, said};

fn refusal(code: u32, error: &str) -> Fault {
    let kind = FaultKind::TokenRefusal {
        status: 400,
        error: error.to_owned(),
        code,
        description: "In the words of Entra.".to_owned(),
    };
    Fault::new(kind).always()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_names_its_mend() {
    let bed = bed("refusals").await;
    let operator = bed.start_operator();
    bed.until_tenant("Connected").await;
    for (number, (code, error, expected)) in [
        (7_000_222, "invalid_client", "the client secret has expired: add a new one to the app registration, and put its value into the Secret (AADSTS7000222)"),
        (900_382, "invalid_request", "the application belongs to another national cloud: check cloud (AADSTS900382)"),
        (90002, "invalid_request", "the tenant does not exist in this cloud: check tenantId and cloud (AADSTS90002)"),
        (700_024, "invalid_client", "check that the clocks of the cluster's machines are right"),
        (700_016, "unauthorized_client", "check clientId and tenantId, and that the application was given admin consent there (AADSTS700016)"),
        (7_000_112, "unauthorized_client", "enable it under the tenant's enterprise applications (AADSTS7000112)"),
        (50166, "invalid_request", "its discovery document and keys must be public (AADSTS50166)"),
        (53003, "access_denied", "exclude it, or let it sign in from the cluster's addresses (AADSTS53003)"),
    ]
    .into_iter()
    .enumerate()
    {
        bed.simulator.faults().clear();
        bed.simulator.faults().add(refusal(code, error));
        nudge(&bed, &number.to_string()).await;
        bed.eventually(expected, || async {
            said(&bed.until_tenant("CredentialUnavailable").await).contains(expected)
        })
        .await;
    }
    bed.simulator.faults().clear();
    nudge(&bed, "mended").await;
    bed.until_tenant("Connected").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_without_consent_is_told_so_until_it_has_it() {
    let bed = bed("consent").await;
    permit(&bed, &[]);
    let operator = bed.start_operator();
    let tenant = bed.until_tenant("PermissionDenied").await;
    assert!(
        said(&tenant).ends_with("but the token carries no application permissions: add them to the application and give admin consent"),
        "{}",
        said(&tenant)
    );
    permit(&bed, &["GroupMember.Read.All"]);
    nudge(&bed, "1").await;
    bed.until_tenant("Connected").await;
    operator.stop().await;
}
