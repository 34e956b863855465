//! Which rows and requests a list call sees.
//!
//! A list of group rows must name a group or a principal. Rows that a principal holds through a
//! group (`memberType` group) only appear when the principal is named (measured on live tenants).

use std::borrow::Cow;

use uuid::Uuid;

use super::purge;
use super::request::Request;
use super::store::View;
use super::wire::Seen;
use crate::directory::Object;
use crate::error::GraphError;
use crate::odata::filter::{Filter, Operand};
use crate::types::Kind;
use crate::world::World;

const GROUP: &[&str] = &["groupId", "group/id"];
const PRINCIPAL: &[&str] = &["principalId", "principal/id"];

/// Properties that row lists filter by.
const ROW_FILTERS: &[&str] = &[
    "id",
    "groupId",
    "group/id",
    "principalId",
    "principal/id",
    "principal/displayName",
    "principal/userPrincipalName",
    "accessId",
    "status",
    "memberType",
    "assignmentType",
    "createdUsing",
    "assignmentScheduleId",
    "eligibilityScheduleId",
];

/// Properties that request lists filter by.
const REQUEST_FILTERS: &[&str] = &[
    "id",
    "groupId",
    "group/id",
    "principalId",
    "principal/id",
    "principal/displayName",
    "principal/userPrincipalName",
    "accessId",
    "status",
    "action",
    "targetScheduleId",
    "createdBy",
];

/// Which of the two row lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowSet {
    Schedules,
    Instances,
}

/// The group and the principal that a filter names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope {
    pub group: Option<Uuid>,
    pub principal: Option<Uuid>,
}

impl Scope {
    /// Reads the scope and checks the filter. `None`: the filter names neither.
    pub fn of(
        filter: Option<&Filter>,
        requests: bool,
        type_name: &str,
    ) -> Result<Option<Self>, GraphError> {
        let Some(filter) = filter else {
            return Ok(None);
        };
        let known = if requests {
            REQUEST_FILTERS
        } else {
            ROW_FILTERS
        };
        filter.check(type_name, known, false)?;
        let (group, principal) = (filter.required_id(GROUP), filter.required_id(PRINCIPAL));
        Ok((group.is_some() || principal.is_some()).then_some(Self { group, principal }))
    }
}

impl World {
    /// Rows in scope that a view shows, in order of creation.
    pub fn rows(
        &mut self,
        kind: Kind,
        set: RowSet,
        scope: Scope,
        filter: Option<&Filter>,
        view: View,
    ) -> Vec<Seen<'_>> {
        let around = match scope.principal {
            Some(principal) => self.groups_around(principal, view.now),
            None => Vec::new(),
        };
        let groups = match (scope.group, scope.principal) {
            (Some(group), _) => vec![group],
            (None, Some(principal)) => {
                let mut groups = self.pim.groups_of(principal);
                groups.extend(around.iter().flat_map(|group| self.pim.groups_of(*group)));
                groups.sort_unstable();
                groups.dedup();
                groups
            }
            (None, None) => Vec::new(),
        };
        self.settle(&groups, view.now);
        let world = &*self;
        let mut rows: Vec<Seen<'_>> = groups
            .iter()
            .filter_map(|group| world.pim.group(*group))
            .flat_map(|group| &group.rows)
            .filter(|row| row.kind == kind)
            .filter(|row| match set {
                RowSet::Schedules => view.schedule(row),
                RowSet::Instances => view.instance(row),
            })
            .filter_map(|row| match scope.principal {
                None => Some(Seen {
                    row,
                    principal: row.principal,
                }),
                Some(wanted) if row.principal == wanted || around.contains(&row.principal) => {
                    Some(Seen {
                        row,
                        principal: wanted,
                    })
                }
                Some(_) => None,
            })
            .filter(|seen| {
                filter
                    .is_none_or(|filter| filter.matches(&|path| world.row_value(*seen, set, path)))
            })
            .collect();
        rows.sort_unstable_by_key(|seen| seen.row.seq);
        rows
    }

    /// Requests in scope, in order of creation; purged ones are gone.
    pub fn requests(
        &self,
        kind: Kind,
        scope: Scope,
        filter: Option<&Filter>,
        view: View,
    ) -> Vec<&Request> {
        let groups = match (scope.group, scope.principal) {
            (Some(group), _) => vec![group],
            (None, Some(principal)) => self.pim.groups_of(principal),
            (None, None) => Vec::new(),
        };
        let mut found: Vec<&Request> = groups
            .iter()
            .filter_map(|group| self.pim.group(*group))
            .flat_map(|group| &group.requests)
            .filter_map(|at| self.pim.requests.get(*at))
            .filter(|request| request.kind == kind)
            .filter(|request| view.as_of.is_none_or(|limit| request.seq <= limit))
            .filter(|request| purge::kept(request, view.now, &self.behaviour))
            .filter(|request| {
                scope
                    .principal
                    .is_none_or(|wanted| request.input.principal == wanted)
            })
            .filter(|request| {
                filter.is_none_or(|filter| {
                    filter.matches(&|path| self.request_value(request, path, view))
                })
            })
            .collect();
        found.sort_unstable_by_key(|request| request.seq);
        found
    }

    fn row_value<'v>(&'v self, seen: Seen<'v>, set: RowSet, path: &str) -> Operand<'v> {
        let row = seen.row;
        match path {
            "id" if set == RowSet::Instances => text(row.instance_id()),
            "id" | "assignmentScheduleId" | "eligibilityScheduleId" => text(row.id()),
            "groupId" | "group/id" => text(row.group.to_string()),
            "principalId" | "principal/id" => text(seen.principal.to_string()),
            "accessId" => Operand::Text(row.access.as_str().into()),
            "status" => Operand::Text("Provisioned".into()),
            "memberType" => Operand::Text(seen.member_type().into()),
            "assignmentType" => seen
                .assignment_type()
                .map_or(Operand::Null, |name| Operand::Text(name.into())),
            "createdUsing" => row
                .created_using
                .map_or(Operand::Null, |id| text(id.to_string())),
            _ => self.principal_value(seen.principal, path),
        }
    }

    fn request_value<'v>(&'v self, request: &'v Request, path: &str, view: View) -> Operand<'v> {
        let input = &request.input;
        match path {
            "id" => text(request.id.to_string()),
            "groupId" | "group/id" => text(input.group.to_string()),
            "principalId" | "principal/id" => text(input.principal.to_string()),
            "accessId" => Operand::Text(input.access.as_str().into()),
            "status" => Operand::Text(request.status(view.now).into()),
            "action" => Operand::Text(input.action.as_str().into()),
            "targetScheduleId" => request.target_schedule_id().map_or(Operand::Null, text),
            "createdBy" => request
                .created_by
                .map_or(Operand::Null, |id| text(id.to_string())),
            _ => self.principal_value(input.principal, path),
        }
    }

    fn principal_value(&self, principal: Uuid, path: &str) -> Operand<'_> {
        let object = self.directory.known(principal).map(|entry| &entry.object);
        match (path, object) {
            ("principal/displayName", Some(object)) => Operand::Text(object.display_name().into()),
            ("principal/userPrincipalName", Some(Object::User(user))) => {
                Operand::Text(user.user_principal_name.as_str().into())
            }
            _ => Operand::Null,
        }
    }
}

fn text(value: String) -> Operand<'static> {
    Operand::Text(Cow::Owned(value))
}
