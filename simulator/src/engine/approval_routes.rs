//! The approvals of activations: what a person may see and decide. Applications are never let in.
//!
//! One id serves for the request, its approval and its only stage, which beta and parts of the
//! documentation call a step. Nobody decides an own request.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::request::Request;
use super::target::Service;
use super::{Actor, create};
use crate::answer::Answer;
use crate::call::Call;
use crate::error::GraphError;
use crate::odata::shape::{Collection, Entity};
use crate::timestamp;
use crate::world::World;

/// The decision of an approver.
#[derive(Debug, Clone)]
pub(crate) struct Review {
    by: Uuid,
    at: DateTime<Utc>,
    justification: String,
}

/// Decisions by request.
pub(crate) type Reviews = HashMap<Uuid, Review>;

/// Serves a call of a person with the permission; `rest` is what follows the set of approvals.
pub(super) fn serve(
    world: &mut World,
    call: &Call,
    service: Service,
    rest: &[&str],
) -> Result<Answer, GraphError> {
    let Actor::Person { id: person, .. } = call.actor() else {
        return Err(GraphError::unauthorized_access());
    };
    let set = format!("{}/{}", service.base(), service.approvals().0);
    let root = format!("{}/{}/$metadata#{set}", call.base, call.version);
    let get = call.method == "GET";
    match rest {
        ["filterByCurrentUser(on='approver')"] if get => {
            let requests = world.pim.requests.iter();
            let mine = requests.filter(|request| {
                request.approval
                    && request.service() == service
                    && world
                        .pim
                        .request(request.id, call.now, &world.behaviour)
                        .is_some()
                    && decides(world, person, request, call.now)
            });
            let body = Collection {
                context: format!(
                    "{}/{}/$metadata#Collection(approval)",
                    call.base, call.version
                ),
                count: None,
                next_link: None,
                value: mine
                    .map(|request| approval(world, call, person, request))
                    .collect(),
            };
            Ok(Answer::json(200, &body))
        }
        [id] if get => {
            let request = visible(world, call, service, person, id)?;
            let entity = approval(world, call, person, request);
            let context = format!("{root}/$entity");
            Ok(Answer::json(200, &Entity { context, entity }))
        }
        [id, name @ ("stages" | "steps")] if get => {
            let request = visible(world, call, service, person, id)?;
            let body = Collection {
                context: format!("{root}('{id}')/{name}"),
                count: None,
                next_link: None,
                value: vec![stage(world, call, person, request)],
            };
            Ok(Answer::json(200, &body))
        }
        [id, name @ ("stages" | "steps"), one] if get => {
            let request = visible(world, call, service, person, id)?;
            check_stage(request, one)?;
            let context = format!("{root}('{id}')/{name}/$entity");
            let entity = stage(world, call, person, request);
            Ok(Answer::json(200, &Entity { context, entity }))
        }
        [id, "stages" | "steps", one] if call.method == "PATCH" => {
            let request = find(world, call, service, id)?;
            check_stage(request, one)?;
            review(world, call, person, id)
        }
        [] | [_] | [_, _] | [_, _, _] => Err(GraphError::new(
            405,
            "BadRequest",
            "The method is not allowed.",
        )),
        [.., last] => Err(GraphError::unknown_segment(last)),
    }
}

fn decides(world: &World, person: Uuid, request: &Request, now: DateTime<Utc>) -> bool {
    request.input.principal != person
        && world.may_decide(person, request.input.target.policy(), now)
}

fn find<'a>(
    world: &'a World,
    call: &Call,
    service: Service,
    id: &str,
) -> Result<&'a Request, GraphError> {
    Uuid::try_parse(id)
        .ok()
        .and_then(|id| world.pim.request(id, call.now, &world.behaviour))
        .filter(|request| request.approval && request.service() == service)
        .ok_or_else(create::no_such_request)
}

/// An approval is shown to whoever asked for it and whoever may decide it.
fn visible<'a>(
    world: &'a World,
    call: &Call,
    service: Service,
    person: Uuid,
    id: &str,
) -> Result<&'a Request, GraphError> {
    let request = find(world, call, service, id)?;
    if request.input.principal == person || decides(world, person, request, call.now) {
        Ok(request)
    } else {
        Err(GraphError::unauthorized_access())
    }
}

fn check_stage(request: &Request, id: &str) -> Result<(), GraphError> {
    if Uuid::try_parse(id).ok() == Some(request.id) {
        Ok(())
    } else {
        Err(create::no_such_request())
    }
}

/// Takes a decision: 204; 403 for those who may not decide, 409 when somebody did already.
fn review(world: &mut World, call: &Call, person: Uuid, id: &str) -> Result<Answer, GraphError> {
    let id = Uuid::try_parse(id).map_err(|_| create::no_such_request())?;
    let request = world
        .pim
        .request(id, call.now, &world.behaviour)
        .ok_or_else(create::no_such_request)?;
    if !decides(world, person, request, call.now) {
        return Err(GraphError::unauthorized_access());
    }
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let result = body["reviewResult"].as_str().unwrap_or_default();
    let approve = ["Deny", "Approve"]
        .iter()
        .position(|known| known.eq_ignore_ascii_case(result))
        .ok_or_else(GraphError::invalid_request)?
        == 1;
    let justification = body["justification"].as_str().unwrap_or_default();
    if request.status(call.now) != "PendingApproval" {
        return Err(GraphError::new(
            409,
            "Conflict",
            "The request has already been decided.",
        ));
    }
    if justification.trim().is_empty() && world.reviewers_explain(request.input.target.policy()) {
        return Err(GraphError::bad_request(
            "BadRequest",
            "A justification of the decision is required.",
        ));
    }
    let review = Review {
        by: person,
        at: call.now,
        justification: justification.to_owned(),
    };
    world.decide(id, approve, call.now)?;
    world.reviews.insert(id, review);
    Ok(Answer::empty(204))
}

fn approval(world: &World, call: &Call, person: Uuid, request: &Request) -> Value {
    let name = if call.version == "beta" {
        "steps"
    } else {
        "stages"
    };
    let stage = stage(world, call, person, request);
    let mut approval = Map::new();
    approval.insert("id".to_owned(), json!(request.id));
    approval.insert(name.to_owned(), json!([stage]));
    approval.into()
}

fn stage(world: &World, call: &Call, person: Uuid, request: &Request) -> Value {
    let (result, status) = match request.status(call.now) {
        "PendingApproval" => ("NotReviewed", "InProgress"),
        "Denied" => ("Deny", "Completed"),
        // Nobody decided in time, or the request was taken back.
        "Failed" => ("NotReviewed", "Expired"),
        "Canceled" => ("NotReviewed", "Canceled"),
        _ => ("Approve", "Completed"),
    };
    let review = world.reviews.get(&request.id);
    let reviewer = review.and_then(|review| world.directory.known(review.by));
    json!({
        "id": request.id,
        "displayName": null,
        "reviewedDateTime": review.map(|review| timestamp::trimmed(review.at)),
        "reviewResult": result,
        "status": status,
        "assignedToMe": status == "InProgress" && decides(world, person, request, call.now),
        "justification": review.map_or("", |review| review.justification.as_str()),
        "reviewedBy": reviewer.map(|entry| {
            json!({"id": entry.id, "displayName": entry.object.display_name()})
        }),
    })
}
