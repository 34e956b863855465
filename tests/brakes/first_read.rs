//! Nothing is revoked before everything that is declared has been read once.

use pim_operator::api::group_grant::GroupEligibility;
use pim_simulator::{Fault, Kind};

use crate::support::{bed, eligible, message, refusal, row, rows, start};

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_cannot_be_read_after_a_start_holds_every_revocation_of_its_tenant() {
    let bed = bed("first_read", |_| {}).await;
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    eligible("bob")
        .user("bob@contoso.com")
        .group("payments-approvers")
        .apply(&bed)
        .await;
    for name in ["alice", "bob"] {
        bed.until_reason::<GroupEligibility>(name, "Provisioned")
            .await;
    }
    operator.stop().await;
    let group = row(&bed, Kind::Eligibility, "bob").group_id;
    let outage = refusal(503, "ServiceUnavailable", "");
    bed.simulator.faults().add(
        Fault::new(outage)
            .method("GET")
            .path_regex(&format!(r"/eligibilitySchedules\?.*{group}"))
            .always(),
    );
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    let operator = start(&bed).await;
    let alice: GroupEligibility = bed.until_reason("alice", "GraphUnavailable").await;
    let said = message(&alice);
    assert!(
        said.starts_with("nothing is revoked before everything that is declared"),
        "{said}"
    );
    row(&bed, Kind::Eligibility, "alice");
    bed.simulator.faults().clear();
    bed.until_gone::<GroupEligibility>("alice").await;
    assert!(rows(&bed, Kind::Eligibility, "alice").is_empty());
    operator.stop().await;
}
