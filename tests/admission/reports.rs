//! The operator's own writes: `status` takes whatever it has to report.

use chrono::{DateTime, Utc};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use pim_operator::api::{
    boundary::PrincipalKind,
    group_grant::GroupEligibility,
    guid::Guid,
    schedule_info::{Expiration, ExpirationType},
    status::{
        AuthorizedBy, CreatedVia, DeclaredWindow, GrantStatus, InstanceStatus, LastRequest,
        ResolvedReferences, ScheduleStatus,
    },
};
use serde_json::json;

use crate::{
    cases,
    server::{Server, object},
};

const REQUEST_ID: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";

/// A status with every field set, to values as long and as odd as Graph has them.
fn full_status() -> GrantStatus {
    let instant: DateTime<Utc> = "2026-11-22T03:04:05.123456789Z".parse().unwrap();
    let odd_id = Guid::new("not-a-guid");
    GrantStatus {
        observed_generation: Some(1),
        conditions: Vec::new(),
        resolved: Some(ResolvedReferences {
            tenant_id: odd_id.clone(),
            group_id: Some(odd_id.clone()),
            role_id: Some(odd_id.clone()),
            directory_scope_id: Some("/".repeat(256)),
            principal_id: odd_id,
            target_name: " ü".repeat(256),
            scope_name: Some("ü".repeat(256)),
            principal_name: "x".repeat(320),
            principal_kind: Some(PrincipalKind::ServicePrincipal),
        }),
        schedule: Some(ScheduleStatus {
            id: Some("group_member_request".repeat(6)),
            status: Some("Provisioned".to_owned()),
            start_date_time: instant,
            end_date_time: Some(instant),
            expires: "never".to_owned(),
            declared: DeclaredWindow {
                start_date_time: Some(instant),
                // Refused in `spec`: a report of it is not.
                expiration: Expiration {
                    type_: ExpirationType::NoExpiration,
                    end_date_time: Some(instant),
                    duration: Some("P6M".to_owned()),
                },
            },
        }),
        instance: Some(InstanceStatus { present: true }),
        last_request: Some(LastRequest {
            action: "adminAssign".to_owned(),
            client_request_id: REQUEST_ID.to_owned(),
            time: instant,
            settled_time: Some(instant),
            generation: 1,
            id: Some(REQUEST_ID.to_owned()),
            status: Some("PendingApprovalProvisioning".to_owned()),
            error: Some("RoleAssignmentRequestPolicyValidationFailed".to_owned()),
            message: Some("the policy refuses it".to_owned()),
            failures: Some(2),
            failing_since: Some(instant),
        }),
        created_via: Some(CreatedVia::Adopted),
        authorized_by: Some(AuthorizedBy {
            name: "x".repeat(253),
            uid: REQUEST_ID.to_owned(),
            generation: i64::MAX,
        }),
        seal: Some("x".repeat(128)),
    }
}

#[tokio::test]
async fn a_report_is_never_refused_and_reads_back_as_it_was() {
    let server = Server::get().await;
    server
        .create(&object(
            "GroupEligibility",
            "report",
            &cases::load()[0].spec,
        ))
        .await;
    let api: Api<GroupEligibility> = Api::default_namespaced(server.client.clone());
    let params = PatchParams::apply("pim-operator").force();
    let report = json!({
        "apiVersion": "entrapim.dev/v1alpha1",
        "kind": "GroupEligibility",
        "status": full_status(),
    });
    let written = api
        .patch_status("report", &params, &Patch::Apply(&report))
        .await
        .unwrap();
    assert_eq!(written.status, Some(full_status()));

    let again = api
        .patch_status("report", &params, &Patch::Apply(&report))
        .await
        .unwrap();
    assert_eq!(
        again.metadata.resource_version, written.metadata.resource_version,
        "an unchanged report is no write"
    );

    // A field that is no longer reported goes, and the default does not come back.
    let less = json!({
        "apiVersion": "entrapim.dev/v1alpha1",
        "kind": "GroupEligibility",
        "status": GrantStatus { observed_generation: Some(1), ..GrantStatus::default() },
    });
    let written = api
        .patch_status("report", &params, &Patch::Apply(&less))
        .await
        .unwrap();
    assert_eq!(
        written.status,
        Some(GrantStatus {
            observed_generation: Some(1),
            ..GrantStatus::default()
        })
    );
}
