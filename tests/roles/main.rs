//! Grants of directory roles, on a real API server and against the Graph simulator.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    missing_docs,
    reason = "tests"
)]

mod fence;
mod life;
mod lists;
mod permissions;
mod references;
mod refusals;
mod rivals;
#[allow(dead_code, reason = "shared with the other integration tests")]
#[path = "../grants/support.rs"]
mod support;

use pim_harness::{Bed, BedOptions};
use pim_simulator::{Behaviour, Kind, RoleScheduleView};
use serde_json::{Value, json};
use support::Manifest;

pub const HELPDESK: &str = "729827e3-9c14-49f7-bb1b-9608f156bbb8";
pub const DIRECTORY_READERS: &str = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b";
pub const SECURITY_READER: &str = "5d6b6bb7-de71-4623-b4af-96380a352509";
pub const GLOBAL_ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";
pub const AUDITOR: &str = "c0570000-0000-4000-8000-000000000001";
pub const SALES: &str = "a0000000-0000-4000-8000-000000000001";
pub const SALES_SCOPE: &str = "/administrativeUnits/a0000000-0000-4000-8000-000000000001";
pub const APAC_SCOPE: &str = "/administrativeUnits/a0000000-0000-4000-8000-000000000002";
pub const ALICE: &str = "a11ce000-0000-4000-8000-000000000001";

/// A `RoleEligibility`: Helpdesk Administrator in the whole tenant, for Alice and ninety days.
pub fn eligible_role(name: &str) -> Manifest {
    role_manifest("RoleEligibility", name)
}

/// A `RoleAssignment`.
pub fn active_role(name: &str) -> Manifest {
    role_manifest("RoleAssignment", name)
}

fn role_manifest(kind: &'static str, name: &str) -> Manifest {
    support::manifest(kind, name)
        .without("group")
        .without("accessId")
        .role("Helpdesk Administrator")
}

/// What manifests of roles say beyond others.
pub trait OfRole {
    /// Another role, by name.
    #[must_use]
    fn role(self, name: &str) -> Self;
    /// At another scope.
    #[must_use]
    fn at(self, scope: &str) -> Self;
}

impl OfRole for Manifest {
    fn role(self, name: &str) -> Self {
        self.with("role", json!({"displayName": name}))
    }

    fn at(self, scope: &str) -> Self {
        self.with("directoryScopeId", scope)
    }
}

/// A boundary for a few roles, in the whole tenant and in Sales EMEA, and without further limits.
pub fn boundary(bed: &Bed) -> Value {
    let scopes = ["/", SALES_SCOPE];
    let roles: Vec<Value> = [
        HELPDESK,
        DIRECTORY_READERS,
        SECURITY_READER,
        AUDITOR,
        GLOBAL_ADMINISTRATOR,
    ]
    .iter()
    .map(|id| json!({"id": id, "directoryScopeIds": scopes}))
    .collect();
    json!({
        "namespaces": [bed.namespace],
        "tenants": [bed.tenant],
        "kinds": ["RoleEligibility", "RoleAssignment"],
        "roles": roles,
        "principals": {"kinds": ["User", "Group", "ServicePrincipal"]},
        "limits": {"permanent": "Allowed"},
    })
}

/// A bed whose namespace may grant roles, nothing running.
pub async fn bed(name: &str, change: impl FnOnce(&mut Behaviour)) -> Bed {
    let mut options = BedOptions {
        boundary: false,
        ..BedOptions::story(&format!("roles_{name}")).unwrap()
    };
    change(&mut options.simulator.behaviour);
    let bed = Bed::with(options).await.unwrap();
    bed.write_boundary(&bed.namespace, &boundary(&bed))
        .await
        .unwrap();
    bed
}

/// The rows of a principal for a role, at any scope.
pub fn rows(bed: &Bed, kind: Kind, role: &str, principal: &str) -> Vec<RoleScheduleView> {
    let mut rows = bed.simulator.role_schedules(kind);
    rows.retain(|row| row.role_definition_id == role && row.principal_id == principal);
    rows
}

/// The paths of lists of role schedules that were read, first pages only.
pub fn role_lists(bed: &Bed) -> usize {
    let entries = bed.simulator.traffic().entries();
    let lists = entries.iter().filter(|exchange| {
        exchange.method == "GET"
            && exchange.path.contains("Schedules?")
            && exchange.path.contains("/roleManagement/")
            && !exchange.path.contains("skiptoken")
    });
    lists.count()
}
