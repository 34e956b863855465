//! Schedules, instances and requests, of groups and of directory roles: what differs between the two is data.

use reqwest::Method;
use url::Url;
use uuid::Uuid;

use super::{
    client::GraphClient,
    config::Priority,
    directory::{equals, filter_query},
    error::{GraphError, Intent},
    http::{Answer, Call},
    observer::EndpointClass,
    wire::{
        Family, NewRequest, Schedule, ScheduleInstance, ScheduleKind, ScheduleRequest,
        ScheduleTarget,
    },
};

/// The largest page of role rows that clients are known to get.
const ROLE_PAGE: &str = "$top=999";

/// What one list of schedules covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing<'a> {
    /// Every principal of a group, members and owners alike. Graph lists groups one by one only.
    Group(&'a str),
    /// Every role of the tenant, at every scope. Rows that a principal has through a group are not in it.
    Roles,
}

/// The sets of a kind.
#[derive(Clone, Copy)]
enum Set {
    Schedules,
    Instances,
    Requests,
    Writes,
}

impl GraphClient {
    /// All current and future grants of a listing, of every principal.
    ///
    /// # Errors
    /// Any [`GraphError`]; a list with a failed page is an error, never a shorter list.
    pub async fn schedules(
        &self,
        kind: ScheduleKind,
        listing: Listing<'_>,
    ) -> Result<Vec<Schedule>, GraphError> {
        let url = self.listing_url(kind, "Schedules", listing);
        self.list(class(listing.family(), Set::Schedules), url)
            .await
    }

    /// All grants of a listing that are in force now.
    ///
    /// # Errors
    /// As [`GraphClient::schedules`].
    pub async fn instances(
        &self,
        kind: ScheduleKind,
        listing: Listing<'_>,
    ) -> Result<Vec<ScheduleInstance>, GraphError> {
        let url = self.listing_url(kind, "ScheduleInstances", listing);
        self.list(class(listing.family(), Set::Instances), url)
            .await
    }

    /// The recent requests for one principal in a group or a role. Old ones are gone: never take this for the state of things.
    ///
    /// # Errors
    /// As [`GraphClient::schedules`].
    pub async fn requests(
        &self,
        kind: ScheduleKind,
        target: &ScheduleTarget,
        principal_id: &str,
    ) -> Result<Vec<ScheduleRequest>, GraphError> {
        let filter = format!(
            "{} and {}",
            target_filter(target),
            equals("principalId", principal_id)
        );
        self.requests_by(kind, target.family(), &filter).await
    }

    /// The recent requests for a group or a role, of every principal. As with [`GraphClient::requests`], old ones are gone: Graph
    /// keeps them for about 45 days.
    ///
    /// # Errors
    /// As [`GraphClient::schedules`].
    pub async fn request_history(
        &self,
        kind: ScheduleKind,
        target: &ScheduleTarget,
    ) -> Result<Vec<ScheduleRequest>, GraphError> {
        self.requests_by(kind, target.family(), &target_filter(target))
            .await
    }

    async fn requests_by(
        &self,
        kind: ScheduleKind,
        family: Family,
        filter: &str,
    ) -> Result<Vec<ScheduleRequest>, GraphError> {
        let query = filter_query(filter);
        let url = self.set_url(family, &[&requests(kind, family)], Some(&query));
        self.list(class(family, Set::Requests), url).await
    }

    /// One request; `None` once Graph has forgotten it (after some weeks) or never knew it.
    ///
    /// # Errors
    /// Any [`GraphError`].
    pub async fn request(
        &self,
        kind: ScheduleKind,
        family: Family,
        request_id: &str,
    ) -> Result<Option<ScheduleRequest>, GraphError> {
        let url = self.set_url(family, &[&requests(kind, family), request_id], None);
        self.get_optional(class(family, Set::Requests), url).await
    }

    /// Files a request. An answer does not mean that it was granted: look at [`ScheduleRequest::state`].
    ///
    /// `client_request_id` goes into Graph's logs; it does not make the call repeatable.
    ///
    /// # Errors
    /// Any [`GraphError`]. After [`Advice::ReObserve`](super::Advice::ReObserve) the request may or may not have been carried out.
    pub async fn create_request(
        &self,
        kind: ScheduleKind,
        body: &NewRequest,
        client_request_id: Uuid,
    ) -> Result<ScheduleRequest, GraphError> {
        let intent = if body.action.is_removal() {
            Intent::Removal
        } else {
            Intent::Write
        };
        let json = serde_json::to_vec(body)
            .map_err(|_| GraphError::Invalid("the request could not be written".to_owned()))?;
        let family = body.target.family();
        let url = self.set_url(family, &[&requests(kind, family)], None);
        let call = post(family, url, intent, Some(json), client_request_id);
        self.write(call, Answer::parse).await
    }

    /// Withdraws a request that waits for its start or an approval. Takes the id of the request, not of the schedule.
    ///
    /// # Errors
    /// As [`GraphClient::create_request`].
    pub async fn cancel_request(
        &self,
        kind: ScheduleKind,
        family: Family,
        request_id: &str,
        client_request_id: Uuid,
    ) -> Result<(), GraphError> {
        let segments = [&requests(kind, family), request_id, "cancel"];
        let url = self.set_url(family, &segments, None);
        let call = post(family, url, Intent::Write, None, client_request_id);
        self.write(call, |_, _| Ok(())).await
    }

    fn listing_url(&self, kind: ScheduleKind, set: &str, listing: Listing<'_>) -> Url {
        let family = listing.family();
        let query = match listing {
            Listing::Group(id) => filter_query(&equals("groupId", id)),
            Listing::Roles => ROLE_PAGE.to_owned(),
        };
        let set = format!("{}{set}", kind.of(family));
        self.set_url(family, &[&set], Some(&query))
    }

    fn set_url(&self, family: Family, segments: &[&str], query: Option<&str>) -> Url {
        let mut path = match family {
            Family::Groups => vec!["identityGovernance", "privilegedAccess", "group"],
            Family::Roles => vec!["roleManagement", "directory"],
        };
        path.extend(segments);
        self.url(&path, query)
    }
}

impl Listing<'_> {
    const fn family(&self) -> Family {
        match self {
            Self::Group(_) => Family::Groups,
            Self::Roles => Family::Roles,
        }
    }
}

/// What is asked for where requests of all principals are listed.
fn target_filter(target: &ScheduleTarget) -> String {
    match target {
        ScheduleTarget::Group { group_id, .. } => equals("groupId", group_id),
        ScheduleTarget::Role {
            role_definition_id, ..
        } => equals("roleDefinitionId", role_definition_id),
    }
}

const fn class(family: Family, set: Set) -> EndpointClass {
    match (family, set) {
        (Family::Groups, Set::Schedules) => EndpointClass::GroupSchedules,
        (Family::Groups, Set::Instances) => EndpointClass::GroupInstances,
        (Family::Groups, Set::Requests) => EndpointClass::GroupRequests,
        (Family::Groups, Set::Writes) => EndpointClass::GroupWrites,
        (Family::Roles, Set::Schedules) => EndpointClass::RoleSchedules,
        (Family::Roles, Set::Instances) => EndpointClass::RoleInstances,
        (Family::Roles, Set::Requests) => EndpointClass::RoleRequests,
        (Family::Roles, Set::Writes) => EndpointClass::RoleWrites,
    }
}

fn requests(kind: ScheduleKind, family: Family) -> String {
    format!("{}ScheduleRequests", kind.of(family))
}

fn post(family: Family, url: Url, intent: Intent, body: Option<Vec<u8>>, id: Uuid) -> Call {
    Call {
        method: Method::POST,
        url,
        class: class(family, Set::Writes),
        intent,
        priority: Priority::Interactive,
        body,
        id,
    }
}
