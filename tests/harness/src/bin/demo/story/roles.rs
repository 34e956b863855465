//! Directory roles.

use pim_operator::api::role_grant::RoleEligibility;
use pim_simulator::Kind;

use super::{MESSAGE, entra::ids};
use crate::{failure::Failure, stage::Stage};

const HELPDESK: &str = "729827e3-9c14-49f7-bb1b-9608f156bbb8";
const SALES_EMEA: &str = "/administrativeUnits/a0000000-0000-4000-8000-000000000001";

/// A role at the scope of an administrative unit, both by name, and one that is on the deny list.
pub async fn granted(stage: &mut Stage) -> Result<(), Failure> {
    let apply = ["apply", "-f", "config/story/roles.yaml"];
    stage.kubectl(&apply).await?;
    stage
        .reason::<RoleEligibility>("carol-helpdesk", "Provisioned")
        .await?;
    stage
        .reason::<RoleEligibility>("dave-global", "DenyListed")
        .await?;
    stage.kubectl(&["get", "re"]).await?;
    let message = stage
        .kubectl(&["get", "re", "dave-global", "-o", MESSAGE])
        .await?;
    stage.graph(&[("POST roleEligibilityScheduleRequests adminAssign", 1)])?;
    stage.says(
        "the deny list outranks the boundary that names the role",
        "the role Global Administrator rules the whole tenant",
        &message,
    )?;
    let rows = stage.simulator.role_schedules(Kind::Eligibility);
    let carol = rows.iter().any(|row| {
        row.principal_id == ids::CAROL
            && row.role_definition_id == HELPDESK
            && row.directory_scope_id.as_deref() == Some(SALES_EMEA)
    });
    stage.holds("Carol may activate the role in Sales EMEA", carol)?;
    let dave = rows.iter().any(|row| row.principal_id == ids::DAVE);
    stage.holds("Dave was granted nothing", !dave)
}
