//! States that objects really get into, each version of them judged.

use chrono::TimeDelta;
use pim_harness::Bed;
use pim_operator::api::{conditions::Reason, group_grant::GroupEligibility};
use pim_simulator::{Access, Kind, Window};
use serde_json::{Value, json};

use crate::{
    reasons::Shape,
    recorder::Recorder,
    support::{Manifest, eligible, manifest, nudge, refusal, start, write_fault},
    tools::{Verdicts, bed, judge, until},
};

async fn say(object: Value) -> Verdicts {
    judge(&[object]).await.remove(0)
}

fn user(name: &str) -> Manifest {
    eligible(name).user(&format!("{name}@contoso.com"))
}

async fn respec(bed: &Bed, spec: Value) {
    let api = kube::Api::<pim_operator::api::tenant::EntraTenant>::all(bed.client.clone());
    let patch = kube::api::Patch::Merge(json!({"spec": spec}));
    api.patch(&bed.tenant, &kube::api::PatchParams::default(), &patch)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_state_of_a_grant_looks_to_both_tools_as_the_table_says() {
    let bed = bed("states").await;
    let recorder = Recorder::start(&bed);
    eligible("alice").apply(&bed).await;
    let operator = start(&bed).await;
    until(&bed, "GroupEligibility", "alice", "Provisioned").await;

    let ahead = bed.now() + TimeDelta::days(10);
    user("bob").starting(ahead, "P10D").apply(&bed).await;
    user("zoe").apply(&bed).await;
    user("carol").group("no-such-group").apply(&bed).await;
    user("dave").group("on-call").apply(&bed).await;
    eligible("alice-again").apply(&bed).await;
    user("erin").permanent().apply(&bed).await;
    user("judy").lasting("P1D").apply(&bed).await;
    let role = manifest("RoleEligibility", "carol-helpdesk")
        .without("group")
        .without("accessId")
        .with("role", json!({"displayName": "Helpdesk Administrator"}));
    role.apply(&bed).await;
    let heidi = "4e1d1000-0000-4000-8000-000000000008";
    let forbidden = refusal(403, "Authorization_RequestDenied", "not allowed");
    let faults = bed.simulator.faults();
    faults.add(write_fault(forbidden).body(heidi).times(9));
    user("heidi").apply(&bed).await;
    let grace = "64ace000-0000-4000-8000-000000000007";
    let odd = refusal(400, "SomethingElse", "not today");
    faults.add(write_fault(odd).body(grace).times(9));
    user("grace").apply(&bed).await;
    for (name, reason) in [
        ("bob", "Scheduled"),
        ("zoe", "PrincipalNotFound"),
        ("carol", "TargetNotFound"),
        ("dave", "Ambiguous"),
        ("alice-again", "Conflict"),
        ("erin", "PolicyRejected"),
        ("judy", "Provisioned"),
        ("heidi", "PermissionDenied"),
        ("grace", "RequestFailed"),
    ] {
        until(&bed, "GroupEligibility", name, reason).await;
    }
    until(&bed, "RoleEligibility", "carol-helpdesk", "BoundaryDenied").await;

    bed.advance(TimeDelta::days(2));
    nudge::<GroupEligibility>(&bed, "judy").await;
    until(&bed, "GroupEligibility", "judy", "Expired").await;
    operator.stop().await;

    let seen = recorder.judge().await;
    let grants = |shape, reason| seen.contains(&("GroupEligibility".to_owned(), shape, reason));
    assert!(grants(Shape::Done, Reason::Provisioned));
    assert!(grants(Shape::Done, Reason::Expired));
    assert!(grants(Shape::Working, Reason::PrincipalNotFound));
    assert!(grants(Shape::Stuck, Reason::Conflict));
    assert!(grants(Shape::Stuck, Reason::PolicyRejected));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_to_be_written_is_suspended_and_says_what_would_be() {
    let bed = bed("paused").await;
    let recorder = Recorder::start(&bed);
    let admin = bed.simulator.admin();
    let (group, frank) = ("payments-ops", "frank@contoso.com");
    let window = Window::days(90);
    admin
        .assign(Kind::Eligibility, group, frank, Access::Member, window)
        .unwrap();
    let operator = start(&bed).await;
    let observed = |name: &str| user(name).with("managementPolicy", "Observe");
    observed("dave").apply(&bed).await;
    observed("frank").apply(&bed).await;
    user("carol").with("suspend", true).apply(&bed).await;
    user("alice").apply(&bed).await;

    let drifted = until(&bed, "GroupEligibility", "dave", "Drifted").await;
    let verdicts = say(drifted).await;
    assert_eq!(verdicts.words(), ("Suspended", "InProgress"));
    assert!(
        verdicts.argo.message.contains("is not there yet"),
        "{verdicts:?}"
    );
    let agreed = until(&bed, "GroupEligibility", "frank", "Observed").await;
    assert_eq!(say(agreed).await.words(), ("Suspended", "Current"));
    let suspended = until(&bed, "GroupEligibility", "carol", "Suspended").await;
    assert_eq!(say(suspended).await.words(), ("Suspended", "InProgress"));

    until(&bed, "GroupEligibility", "alice", "Provisioned").await;
    user("alice").with("suspend", true).apply(&bed).await;
    let granted = until(&bed, "GroupEligibility", "alice", "Suspended").await;
    assert_eq!(say(granted).await.words(), ("Suspended", "Current"));
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    let waiting = until(&bed, "GroupEligibility", "alice", "Suspended").await;
    assert_eq!(say(waiting).await.words(), ("Progressing", "Terminating"));

    respec(&bed, json!({"freeze": true})).await;
    user("bob").apply(&bed).await;
    let frozen = until(&bed, "GroupEligibility", "bob", "Frozen").await;
    assert_eq!(say(frozen).await.words(), ("Suspended", "InProgress"));
    let tenant = until(&bed, "EntraTenant", &bed.tenant, "Connected").await;
    let verdicts = say(tenant).await;
    assert_eq!(verdicts.words(), ("Suspended", "Current"));
    assert!(verdicts.argo.message.contains("`freeze` is true"));
    operator.stop().await;
    recorder.judge().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_looks_like_a_mistake_is_healthy_and_says_so() {
    let bed = bed("policies").await;
    let recorder = Recorder::start(&bed);
    let operator = start(&bed).await;
    let policy = |name: &str, access: &str, further: Value| {
        let group = json!({"id": "68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7", "accessId": access});
        let mut policy = manifest("PimPolicy", name).with("target", json!({"group": group}));
        for field in [
            "group",
            "accessId",
            "principal",
            "scheduleInfo",
            "justification",
        ] {
            policy = policy.without(field);
        }
        for (field, value) in further.as_object().unwrap() {
            policy = policy.with(field, value.clone());
        }
        policy
    };
    let rules = json!({"activation": {
        "maximumDuration": "PT4H",
        "require": ["Justification"],
        "approval": {"approvers": [{"userPrincipalName": "lead@contoso.com"}]},
    }});
    policy("members", "member", rules.clone()).apply(&bed).await;
    let applied = until(&bed, "PimPolicy", "members", "Applied").await;
    let verdicts = say(applied).await;
    assert_eq!(verdicts.words(), ("Healthy", "Current"));
    let finding = "approval depends on one person";
    assert!(verdicts.argo.message.contains(finding), "{verdicts:?}");

    policy("members-again", "member", rules.clone())
        .apply(&bed)
        .await;
    let conflict = until(&bed, "PimPolicy", "members-again", "Conflict").await;
    assert_eq!(say(conflict).await.words(), ("Degraded", "Failed"));
    let observed =
        json!({"activation": {"maximumDuration": "PT2H"}, "managementPolicy": "Observe"});
    policy("owners", "owner", observed).apply(&bed).await;
    let drifted = until(&bed, "PimPolicy", "owners", "Drifted").await;
    assert_eq!(say(drifted).await.words(), ("Suspended", "InProgress"));
    operator.stop().await;
    recorder.judge().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_waits_for_its_secret_and_then_for_a_person() {
    let bed = bed("tenant").await;
    let recorder = Recorder::start(&bed);
    let elsewhere = json!({"credential": {"clientSecret": {"secretRef": {"name": "later"}}}});
    respec(&bed, elsewhere).await;
    let operator = bed.start_operator();
    let tenant = until(&bed, "EntraTenant", &bed.tenant, "CredentialUnavailable").await;
    let verdicts = say(tenant).await;
    assert_eq!(verdicts.words(), ("Progressing", "InProgress"));
    assert!(verdicts.argo.message.contains("no Secret later"));

    bed.advance(TimeDelta::minutes(2));
    let look = json!({"metadata": {"annotations": {"entrapim.dev/requestedAt": "now"}}});
    let api = kube::Api::<pim_operator::api::tenant::EntraTenant>::all(bed.client.clone());
    let patch = kube::api::Patch::Merge(look);
    api.patch(&bed.tenant, &kube::api::PatchParams::default(), &patch)
        .await
        .unwrap();
    bed.eventually("a person to be called", || async {
        let tenant = api.get(&bed.tenant).await.unwrap();
        let conditions = tenant.status.unwrap_or_default().conditions;
        conditions.iter().any(|one| one.type_ == "Stalled")
    })
    .await;
    let tenant = until(&bed, "EntraTenant", &bed.tenant, "CredentialUnavailable").await;
    assert_eq!(say(tenant).await.words(), ("Degraded", "Failed"));

    respec(
        &bed,
        json!({"credential": {"clientSecret": {"secretRef": {"name": "entra"}}}}),
    )
    .await;
    let tenant = until(&bed, "EntraTenant", &bed.tenant, "Connected").await;
    assert_eq!(say(tenant).await.words(), ("Healthy", "Current"));

    let boundary = bed
        .write_boundary(&bed.namespace, &json!({
            "namespaces": [bed.namespace], "tenants": [bed.tenant], "kinds": ["RoleEligibility"],
            "roles": [{"id": "729827e3-9c14-49f7-bb1b-9608f156bbb8", "directoryScopeIds": ["/"]}],
            "principals": {"kinds": ["User"]},
        }))
        .await
        .unwrap();
    let verdicts = say(serde_json::to_value(boundary).unwrap()).await;
    assert_eq!(verdicts.words(), ("Healthy", "Current"));
    operator.stop().await;
    recorder.judge().await;
}
