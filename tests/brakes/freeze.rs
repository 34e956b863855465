//! `freeze`: nothing but revocations.

use pim_operator::api::group_grant::GroupEligibility;
use pim_simulator::Kind;
use serde_json::json;

use crate::{
    estate::respec,
    support::{bed, eligible, holds, message, row, rows, sent, start},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_tenant_is_only_revoked_from_and_goes_on_when_it_thaws() {
    let bed = bed("frozen", |_| {}).await;
    let operator = start(&bed).await;
    for name in ["alice", "bob"] {
        let user = format!("{name}@contoso.com");
        eligible(name).user(&user).apply(&bed).await;
        bed.until_reason::<GroupEligibility>(name, "Provisioned")
            .await;
    }
    respec(&bed, json!({"freeze": true})).await;
    bed.eventually("the tenant to say so", || async {
        let status = crate::estate::tenant(&bed).await.status.unwrap_or_default();
        status
            .conditions
            .iter()
            .any(|ready| ready.message.contains("`freeze` is true"))
    })
    .await;
    eligible("carol")
        .user("carol@contoso.com")
        .apply(&bed)
        .await;
    eligible("bob")
        .user("bob@contoso.com")
        .lasting("P10D")
        .apply(&bed)
        .await;
    for name in ["carol", "bob"] {
        let frozen: GroupEligibility = bed.until_reason(name, "Frozen").await;
        assert!(
            message(&frozen).contains(&bed.tenant),
            "{}",
            message(&frozen)
        );
        assert!(!holds(&frozen, "Ready") && !holds(&frozen, "InSync"));
    }
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    bed.until_gone::<GroupEligibility>("alice").await;
    assert!(rows(&bed, Kind::Eligibility, "alice").is_empty());
    assert_eq!(sent(&bed), ["adminAssign", "adminAssign", "adminRemove"]);

    respec(&bed, json!({"freeze": false})).await;
    for name in ["carol", "bob"] {
        bed.until_reason::<GroupEligibility>(name, "Provisioned")
            .await;
        row(&bed, Kind::Eligibility, name);
    }
    assert_eq!(sent(&bed).len(), 5);
    operator.stop().await;
}
