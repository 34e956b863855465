//! What the tests share: manifests, and what a tenant says.

use kube::{
    Api,
    api::{Patch, PatchParams},
};
use pim_harness::{Bed, BedOptions, bed::CLIENT_ID};
use pim_operator::api::tenant::{EntraTenant, EntraTenantStatus};
use pim_simulator::Operation;
use serde_json::{Value, json};

/// A bed with the story's estate.
pub async fn bed(name: &str) -> Bed {
    Bed::with(BedOptions::story(&format!("tenants_{name}")).unwrap())
        .await
        .unwrap()
}

/// A bed whose tenant is signed in to in a way of its own, and whose Secret holds this.
pub async fn bed_with(name: &str, credential: Value, secret: &str) -> Bed {
    let mut options = BedOptions::story(&format!("tenants_{name}")).unwrap();
    options.tenant = json!({"credential": credential});
    secret.clone_into(&mut options.secret);
    Bed::with(options).await.unwrap()
}

/// The manifest of a grant: a member of payments-ops for ninety days.
pub fn grant(kind: &str, name: &str, tenant: &str, further: &Value) -> String {
    let mut spec = json!({
        "tenantRef": {"name": tenant},
        "group": {"displayName": "payments-ops"},
        "accessId": "member",
        "principal": {"userPrincipalName": "alice@contoso.com"},
        "scheduleInfo": {"expiration": {"type": "afterDuration", "duration": "P90D"}},
        "justification": "on call",
    });
    let fields = spec.as_object_mut().unwrap();
    fields.extend(further.as_object().unwrap().clone());
    json!({
        "apiVersion": "entrapim.dev/v1alpha1", "kind": kind,
        "metadata": {"name": name}, "spec": spec,
    })
    .to_string()
}

/// Declares an eligible member.
pub async fn eligible(bed: &Bed, name: &str, further: &Value) {
    let manifest = grant("GroupEligibility", name, &bed.tenant, further);
    bed.apply(&manifest).await.unwrap();
}

/// The message of a tenant's `Ready`.
pub fn said(tenant: &EntraTenant) -> String {
    let conditions = &tenant.status.as_ref().unwrap().conditions;
    let ready = conditions
        .iter()
        .find(|condition| condition.type_ == "Ready");
    ready.unwrap().message.clone()
}

/// The tenant's status.
pub async fn status(bed: &Bed) -> EntraTenantStatus {
    let api: Api<EntraTenant> = Api::all(bed.client.clone());
    api.get(&bed.tenant)
        .await
        .unwrap()
        .status
        .unwrap_or_default()
}

/// Waits until the tenant's status satisfies a condition.
pub async fn until_status(
    bed: &Bed,
    what: &str,
    holds: impl Fn(&EntraTenantStatus) -> bool,
) -> EntraTenantStatus {
    bed.eventually(what, || async { holds(&status(bed).await) })
        .await;
    status(bed).await
}

/// Asks for a new sign-in now.
pub async fn nudge(bed: &Bed, value: &str) {
    let patch = json!({"metadata": {"annotations": {"entrapim.dev/requestedAt": value}}});
    let api: Api<EntraTenant> = Api::all(bed.client.clone());
    api.patch(&bed.tenant, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
}

/// Does something in the tenant.
pub fn apply(bed: &Bed, operation: Operation) {
    bed.simulator.admin().apply(operation).unwrap();
}

/// Gives the operator's application these permissions.
pub fn permit(bed: &Bed, app_roles: &[&str]) {
    apply(
        bed,
        Operation::SetAppRoles {
            client_id: CLIENT_ID.to_owned(),
            app_roles: app_roles.iter().map(|&role| role.to_owned()).collect(),
        },
    );
}
