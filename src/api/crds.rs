//! The CustomResourceDefinitions as they are installed: what the derive makes, plus what it cannot say.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON,
};
use kube::CustomResourceExt;
use serde_json::json;

use super::{
    group_grant::{GroupAssignment, GroupEligibility},
    tenant::EntraTenant,
};

/// Every CustomResourceDefinition of the operator.
#[must_use]
pub fn all() -> Vec<CustomResourceDefinition> {
    [
        EntraTenant::crd(),
        GroupAssignment::crd(),
        GroupEligibility::crd(),
    ]
    .into_iter()
    .map(finish)
    .collect()
}

/// Gives `status` the default `{observedGeneration: -1}`: kstatus takes an object without a status for finished.
fn finish(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        let properties = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut())
            .and_then(|schema| schema.properties.as_mut());
        if let Some(status) = properties.and_then(|properties| properties.get_mut("status")) {
            status.default = Some(JSON(json!({"observedGeneration": -1})));
            status.nullable = None;
        }
    }
    crd
}
