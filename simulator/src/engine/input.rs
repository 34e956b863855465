//! Reading the body of a schedule request as strictly as Graph does.
//!
//! Enum values are accepted in any case; unknown properties, durations in months or years, times
//! without an offset and contradictory expirations are refused.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::sets::Set;
use super::target::{RoleScope, Service, Target};
use crate::error::GraphError;
use crate::types::{Access, Window};
use crate::{duration, timestamp};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    AdminAssign,
    AdminUpdate,
    AdminRemove,
    SelfActivate,
    SelfDeactivate,
    AdminExtend,
    AdminRenew,
    SelfExtend,
    SelfRenew,
}

const ACTIONS: [(Action, &str); 9] = [
    (Action::AdminAssign, "adminAssign"),
    (Action::AdminUpdate, "adminUpdate"),
    (Action::AdminRemove, "adminRemove"),
    (Action::SelfActivate, "selfActivate"),
    (Action::SelfDeactivate, "selfDeactivate"),
    (Action::AdminExtend, "adminExtend"),
    (Action::AdminRenew, "adminRenew"),
    (Action::SelfExtend, "selfExtend"),
    (Action::SelfRenew, "selfRenew"),
];

impl Action {
    pub fn as_str(self) -> &'static str {
        ACTIONS
            .iter()
            .find(|(action, _)| *action == self)
            .map_or("unknownFutureValue", |a| a.1)
    }

    fn parse(text: &str) -> Option<Self> {
        ACTIONS
            .iter()
            .find(|(_, name)| name.eq_ignore_ascii_case(text))
            .map(|a| a.0)
    }

    /// What a token with only a `.Remove.` permission may ask for.
    pub fn is_removal(self) -> bool {
        matches!(self, Self::AdminRemove | Self::SelfDeactivate)
    }

    pub fn is_own(self) -> bool {
        use Action::{SelfActivate, SelfDeactivate, SelfExtend, SelfRenew};
        matches!(self, SelfActivate | SelfDeactivate | SelfExtend | SelfRenew)
    }
}

/// How a window ends, as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiration {
    Never,
    At(DateTime<Utc>),
    After(Duration),
}

/// The schedule as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    pub start: Option<DateTime<Utc>>,
    pub expiration: Expiration,
}

/// A request body, read.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    pub action: Action,
    pub target: Target,
    pub principal: Uuid,
    pub schedule: Option<Asked>,
    pub justification: Option<String>,
    pub ticket_number: Option<String>,
    pub ticket_system: Option<String>,
    pub validation_only: bool,
}

impl Input {
    /// Reads a JSON body that was sent to a set of requests.
    pub fn parse(set: Set, body: &[u8]) -> Result<Self, GraphError> {
        let body: Value = serde_json::from_slice(body).map_err(|_| unreadable())?;
        let body = body.as_object().ok_or_else(unreadable)?;
        let known = set.properties();
        for name in body.keys() {
            if !name.contains('@') && !known.contains(&name.as_str()) {
                return Err(unknown_property(name, &set.type_name()));
            }
        }
        let required = GraphError::invalid_request;
        let action = text(body, "action")?
            .and_then(Action::parse)
            .ok_or_else(required)?;
        let target = match set.service {
            Service::Groups => Target::Group {
                access: text(body, "accessId")?
                    .and_then(Access::parse)
                    .ok_or_else(required)?,
                group: guid(body, "groupId")?,
            },
            Service::Roles => Target::Role {
                role: guid(body, "roleDefinitionId")?,
                scope: role_scope(body)?,
            },
        };
        let schedule = match body.get("scheduleInfo") {
            None | Some(Value::Null) => None,
            Some(Value::Object(info)) => Some(parse_schedule(info)?),
            Some(_) => return Err(GraphError::invalid_request()),
        };
        if schedule.is_none() && !action.is_removal() {
            return Err(GraphError::invalid_request());
        }
        let empty = Map::new();
        let ticket = match body.get("ticketInfo") {
            None | Some(Value::Null) => &empty,
            Some(Value::Object(ticket)) => ticket,
            Some(_) => return Err(GraphError::invalid_request()),
        };
        Ok(Self {
            action,
            target,
            principal: guid(body, "principalId")?,
            schedule,
            justification: text(body, "justification")?.map(str::to_owned),
            ticket_number: text(ticket, "ticketNumber")?.map(str::to_owned),
            ticket_system: text(ticket, "ticketSystem")?.map(str::to_owned),
            validation_only: body.get("isValidationOnly") == Some(&Value::Bool(true)),
        })
    }

    /// What the portal and the estate ask for.
    pub fn from_window(
        action: Action,
        target: Target,
        principal: Uuid,
        window: Window,
        justification: Option<String>,
    ) -> Self {
        let expiration = match (window.end, window.duration) {
            (Some(end), _) => Expiration::At(end),
            (None, Some(duration)) => Expiration::After(duration),
            (None, None) => Expiration::Never,
        };
        let schedule = Asked {
            start: window.start,
            expiration,
        };
        Self {
            action,
            target,
            principal,
            schedule: (!action.is_removal()).then_some(schedule),
            justification,
            ticket_number: None,
            ticket_system: None,
            validation_only: false,
        }
    }
}

fn parse_schedule(info: &Map<String, Value>) -> Result<Asked, GraphError> {
    if info
        .get("recurrence")
        .is_some_and(|recurrence| !recurrence.is_null())
    {
        return Err(GraphError::invalid_request());
    }
    let start = time(info, "startDateTime")?;
    let expiration = match info.get("expiration") {
        None | Some(Value::Null) => Expiration::Never,
        Some(Value::Object(expiration)) => parse_expiration(expiration)?,
        Some(_) => return Err(GraphError::invalid_request()),
    };
    Ok(Asked { start, expiration })
}

fn parse_expiration(pattern: &Map<String, Value>) -> Result<Expiration, GraphError> {
    let end = time(pattern, "endDateTime")?;
    let length = match text(pattern, "duration")? {
        None => None,
        Some(text) => Some(duration::parse(text).ok_or_else(GraphError::invalid_request)?),
    };
    let kind = text(pattern, "type")?.map(str::to_ascii_lowercase);
    match (kind.as_deref(), end, length) {
        (None | Some("noexpiration" | "notspecified"), None, None) => Ok(Expiration::Never),
        (Some("afterdatetime"), Some(end), None) => Ok(Expiration::At(end)),
        (Some("afterduration"), None, Some(length)) => Ok(Expiration::After(length)),
        _ => Err(GraphError::invalid_request()),
    }
}

fn text<'a>(from: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, GraphError> {
    match from.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(GraphError::invalid_request()),
    }
}

/// A time with `Z` or an offset; a local time is refused (measured on a live tenant).
fn time(from: &Map<String, Value>, name: &str) -> Result<Option<DateTime<Utc>>, GraphError> {
    text(from, name)?
        .map(|text| timestamp::parse(text).ok_or_else(GraphError::invalid_request))
        .transpose()
}

/// Exactly one of `directoryScopeId` and `appScopeId`.
fn role_scope(body: &Map<String, Value>) -> Result<RoleScope, GraphError> {
    match (text(body, "directoryScopeId")?, text(body, "appScopeId")?) {
        (Some(scope), None) => RoleScope::parse(scope).ok_or_else(GraphError::invalid_scope),
        (None, Some("/")) => Ok(RoleScope::App),
        (None, Some(_)) => Err(GraphError::invalid_scope()),
        (Some(_), Some(_)) | (None, None) => Err(GraphError::invalid_request()),
    }
}

/// An object id; a user principal name is not one.
fn guid(from: &Map<String, Value>, name: &str) -> Result<Uuid, GraphError> {
    let id = text(from, name)?.and_then(|text| Uuid::try_parse(text).ok());
    id.ok_or_else(GraphError::invalid_request)
}

fn unreadable() -> GraphError {
    GraphError::bad_request("BadRequest", "Unable to read JSON request payload.")
}

fn unknown_property(name: &str, type_name: &str) -> GraphError {
    GraphError::bad_request(
        "BadRequest",
        format!(
            "The property '{name}' does not exist on type '{type_name}'. Make sure to only use \
             property names that are defined by the type."
        ),
    )
}
