//! Two lists show all roles of a tenant, whatever the number of grants.

use chrono::TimeDelta;
use pim_operator::api::role_grant::{RoleAssignment, RoleEligibility};
use pim_simulator::{Behaviour, FaultKind, Kind};
use serde_json::json;

use crate::{
    ALICE, AUDITOR, HELPDESK, SECURITY_READER, active_role, bed, eligible_role, role_lists, rows,
    support::{message, sent, start},
};

const PEOPLE: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];

#[tokio::test(flavor = "multi_thread")]
async fn a_drift_check_of_many_roles_reads_two_lists_page_by_page() {
    let small_pages = |behaviour: &mut Behaviour| behaviour.pim_page_size = Some(3);
    let bed = bed("two_lists", small_pages).await;
    let operator = start(&bed).await;
    for person in PEOPLE {
        let user = format!("{person}@contoso.com");
        for (number, role) in [HELPDESK, SECURITY_READER, AUDITOR].iter().enumerate() {
            let role = json!({"id": role});
            let name = format!("{person}-{number}");
            eligible_role(&name)
                .user(&user)
                .with("role", role.clone())
                .apply(&bed)
                .await;
            active_role(&name)
                .user(&user)
                .with("role", role)
                .apply(&bed)
                .await;
        }
    }
    for person in PEOPLE {
        for number in 0..3 {
            let name = format!("{person}-{number}");
            bed.until_reason::<RoleEligibility>(&name, "Provisioned")
                .await;
            bed.until_reason::<RoleAssignment>(&name, "Provisioned")
                .await;
        }
    }
    let (lists, posts) = (role_lists(&bed), sent(&bed).len());
    bed.simulator
        .admin()
        .remove_role(Kind::Eligibility, AUDITOR, "/", "erin@contoso.com")
        .unwrap();
    bed.advance(TimeDelta::minutes(16));
    bed.until_reason::<RoleEligibility>("erin-2", "Drifted")
        .await;
    assert!(
        role_lists(&bed) - lists <= 4,
        "{} lists",
        role_lists(&bed) - lists
    );
    assert_eq!(sent(&bed).len(), posts);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_throttled_or_fails_is_never_an_empty_one() {
    let bed = bed("throttled", |_| {}).await;
    let operator = start(&bed).await;
    eligible_role("alice").apply(&bed).await;
    bed.until_reason::<RoleEligibility>("alice", "Provisioned")
        .await;
    let busy = FaultKind::Status {
        status: 429,
        body: Some(json!({"error": {"code": "TooManyRequests", "message": "slow down"}})),
        retry_after_seconds: Some(1),
    };
    let faults = bed.simulator.faults();
    let role_lists = |kind| {
        pim_simulator::Fault::new(kind)
            .method("GET")
            .path_regex(r"/role(Eligibility|Assignment)Schedules\?")
            .always()
    };
    faults.add(role_lists(busy));
    active_role("bob").user("bob@contoso.com").apply(&bed).await;
    let bob: RoleAssignment = bed.until_reason("bob", "Throttled").await;
    assert!(!message(&bob).is_empty());
    faults.clear();
    let unavailable = FaultKind::Status {
        status: 503,
        body: None,
        retry_after_seconds: None,
    };
    faults.add(role_lists(unavailable));
    bed.advance(TimeDelta::minutes(16));
    bed.eventually("a list that failed", || async {
        let entries = bed.simulator.traffic().entries();
        entries.iter().any(|exchange| exchange.status == 503)
    })
    .await;
    faults.clear();
    bed.advance(TimeDelta::minutes(16));
    bed.until_reason::<RoleAssignment>("bob", "Provisioned")
        .await;
    assert_eq!(sent(&bed), ["adminAssign", "adminAssign"]);
    assert_eq!(rows(&bed, Kind::Eligibility, HELPDESK, ALICE).len(), 1);
    operator.stop().await;
}
