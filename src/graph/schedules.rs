//! Group schedules, instances and requests.

use reqwest::Method;
use url::Url;
use uuid::Uuid;

use super::{
    client::GraphClient,
    config::Priority,
    directory::equals,
    error::{GraphError, Intent},
    http::{Answer, Call},
    observer::EndpointClass,
    wire::{
        GroupSchedule, GroupScheduleInstance, GroupScheduleRequest, NewGroupRequest, ScheduleKind,
    },
};

impl GraphClient {
    /// All current and future grants of a group, of every principal, members and owners alike.
    ///
    /// # Errors
    /// Any [`GraphError`]; a list with a failed page is an error, never a shorter list.
    pub async fn group_schedules(
        &self,
        kind: ScheduleKind,
        group_id: &str,
    ) -> Result<Vec<GroupSchedule>, GraphError> {
        let url = self.group_url(
            &[&format!("{}Schedules", kind.as_str())],
            Some(&equals("groupId", group_id)),
        );
        self.list(EndpointClass::GroupSchedules, url).await
    }

    /// All grants of a group that are in force now.
    ///
    /// # Errors
    /// As [`GraphClient::group_schedules`].
    pub async fn group_instances(
        &self,
        kind: ScheduleKind,
        group_id: &str,
    ) -> Result<Vec<GroupScheduleInstance>, GraphError> {
        let url = self.group_url(
            &[&format!("{}ScheduleInstances", kind.as_str())],
            Some(&equals("groupId", group_id)),
        );
        self.list(EndpointClass::GroupInstances, url).await
    }

    /// The recent requests for one principal in a group. Old ones are gone: never take this for the state of things.
    ///
    /// # Errors
    /// As [`GraphClient::group_schedules`].
    pub async fn group_requests(
        &self,
        kind: ScheduleKind,
        group_id: &str,
        principal_id: &str,
    ) -> Result<Vec<GroupScheduleRequest>, GraphError> {
        let filter = format!(
            "{} and {}",
            equals("groupId", group_id),
            equals("principalId", principal_id)
        );
        let url = self.group_url(&[&requests(kind)], Some(&filter));
        self.list(EndpointClass::GroupRequests, url).await
    }

    /// The recent requests for a group, of every principal. As with [`GraphClient::group_requests`], old ones are gone: Graph
    /// keeps them for about 45 days.
    ///
    /// # Errors
    /// As [`GraphClient::group_schedules`].
    pub async fn group_request_history(
        &self,
        kind: ScheduleKind,
        group_id: &str,
    ) -> Result<Vec<GroupScheduleRequest>, GraphError> {
        let url = self.group_url(&[&requests(kind)], Some(&equals("groupId", group_id)));
        self.list(EndpointClass::GroupRequests, url).await
    }

    /// One request; `None` once Graph has forgotten it (after some weeks) or never knew it.
    ///
    /// # Errors
    /// Any [`GraphError`].
    pub async fn group_request(
        &self,
        kind: ScheduleKind,
        request_id: &str,
    ) -> Result<Option<GroupScheduleRequest>, GraphError> {
        let url = self.group_url(&[&requests(kind), request_id], None);
        self.get_optional(EndpointClass::GroupRequests, url).await
    }

    /// Files a request. An answer does not mean that it was granted: look at [`GroupScheduleRequest::state`].
    ///
    /// `client_request_id` goes into Graph's logs; it does not make the call repeatable.
    ///
    /// # Errors
    /// Any [`GraphError`]. After [`Advice::ReObserve`](super::Advice::ReObserve) the request may or may not have been carried out.
    pub async fn create_group_request(
        &self,
        kind: ScheduleKind,
        body: &NewGroupRequest,
        client_request_id: Uuid,
    ) -> Result<GroupScheduleRequest, GraphError> {
        let intent = if body.action.is_removal() {
            Intent::Removal
        } else {
            Intent::Write
        };
        let json = serde_json::to_vec(body)
            .map_err(|_| GraphError::Invalid("the request could not be written".to_owned()))?;
        let url = self.group_url(&[&requests(kind)], None);
        self.write(
            post(url, intent, Some(json), client_request_id),
            Answer::parse,
        )
        .await
    }

    /// Withdraws a request that waits for its start or an approval. Takes the id of the request, not of the schedule.
    ///
    /// # Errors
    /// As [`GraphClient::create_group_request`].
    pub async fn cancel_group_request(
        &self,
        kind: ScheduleKind,
        request_id: &str,
        client_request_id: Uuid,
    ) -> Result<(), GraphError> {
        let url = self.group_url(&[&requests(kind), request_id, "cancel"], None);
        self.write(post(url, Intent::Write, None, client_request_id), |_, _| {
            Ok(())
        })
        .await
    }

    fn group_url(&self, segments: &[&str], filter: Option<&str>) -> Url {
        let mut path = vec!["identityGovernance", "privilegedAccess", "group"];
        path.extend(segments);
        let query = filter.map(super::directory::filter_query);
        self.url(&path, query.as_deref())
    }
}

fn requests(kind: ScheduleKind) -> String {
    format!("{}ScheduleRequests", kind.as_str())
}

fn post(url: Url, intent: Intent, body: Option<Vec<u8>>, id: Uuid) -> Call {
    Call {
        method: Method::POST,
        url,
        class: EndpointClass::GroupWrites,
        intent,
        priority: Priority::Interactive,
        body,
        id,
    }
}
