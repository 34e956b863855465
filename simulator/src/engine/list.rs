//! Which rows and requests a list call sees.
//!
//! A list of group rows must name a group or a principal; without either, a list of role rows is the
//! whole tenant's. Rows that a principal holds through a group (`memberType` group) only appear when the
//! principal is named (measured on live tenants).

use std::borrow::Cow;

use uuid::Uuid;

use super::purge;
use super::request::Request;
use super::sets::{Listing, Set};
use super::store::View;
use super::target::{Resource, Service, Target};
use super::wire::Seen;
use crate::directory::Object;
use crate::error::GraphError;
use crate::odata::filter::{Filter, Operand};
use crate::types::Access;
use crate::world::World;

const GROUP: &[&str] = &["groupId", "group/id"];
const ROLE: &[&str] = &["roleDefinitionId", "roleDefinition/id"];
const PRINCIPAL: &[&str] = &["principalId", "principal/id"];

/// The group or role and the principal that a filter names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope {
    pub service: Service,
    pub resource: Option<Resource>,
    pub principal: Option<Uuid>,
}

impl Scope {
    /// Everything that a service has.
    pub fn all(service: Service) -> Self {
        Self {
            service,
            resource: None,
            principal: None,
        }
    }

    /// Reads the scope and checks the filter.
    pub fn of(set: Set, filter: Option<&Filter>) -> Result<Self, GraphError> {
        let Some(filter) = filter else {
            return Ok(Self::all(set.service));
        };
        filter.check(&set.type_name(), &set.filters(), false)?;
        Ok(Self {
            service: set.service,
            resource: match set.service {
                Service::Groups => filter.required_id(GROUP).map(Resource::Group),
                Service::Roles => filter.required_id(ROLE).map(Resource::Role),
            },
            principal: filter.required_id(PRINCIPAL),
        })
    }

    /// Whether it names neither.
    pub fn is_all(self) -> bool {
        self.resource.is_none() && self.principal.is_none()
    }
}

impl World {
    /// Rows in scope that a view shows, in order of creation.
    pub fn rows(
        &mut self,
        set: Set,
        scope: Scope,
        filter: Option<&Filter>,
        view: View,
    ) -> Vec<Seen<'_>> {
        let around = match scope.principal {
            Some(principal) => self.groups_around(principal, view.now),
            None => Vec::new(),
        };
        let resources = match (scope.resource, scope.principal) {
            (Some(resource), _) => vec![resource],
            (None, Some(principal)) => {
                let mut found: Vec<_> = self.pim.resources_of(principal).collect();
                found.extend(around.iter().flat_map(|g| self.pim.resources_of(*g)));
                found.retain(|resource| resource.service() == scope.service);
                found.sort_unstable();
                found.dedup();
                found
            }
            (None, None) => self.pim.resources(scope.service),
        };
        self.settle(&resources, view.now);
        let world = &*self;
        let nested = |holder: Uuid, principal: Uuid| {
            let members = world.members_of(holder, Access::Member, view.now);
            !members.contains(&principal)
        };
        let mut rows: Vec<Seen<'_>> = resources
            .iter()
            .filter_map(|resource| world.pim.book(*resource))
            .flat_map(|book| &book.rows)
            .filter(|row| row.kind == set.kind)
            .filter(|row| match set.listing {
                Listing::Instances => view.instance(row),
                _ => view.schedule(row),
            })
            .filter_map(|row| match scope.principal {
                None => Some(Seen::directly(row)),
                Some(wanted) if row.principal == wanted => Some(Seen::directly(row)),
                Some(wanted) if around.contains(&row.principal) => Some(Seen {
                    row,
                    principal: wanted,
                    nested: nested(row.principal, wanted),
                }),
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
        set: Set,
        scope: Scope,
        filter: Option<&Filter>,
        view: View,
    ) -> Vec<&Request> {
        let resources = match (scope.resource, scope.principal) {
            (Some(resource), _) => vec![resource],
            (None, Some(principal)) => self.pim.resources_of(principal).collect(),
            (None, None) => self.pim.resources(scope.service),
        };
        let mut found: Vec<&Request> = resources
            .iter()
            .filter_map(|resource| self.pim.book(*resource))
            .flat_map(|book| &book.requests)
            .filter_map(|at| self.pim.requests.get(*at))
            .filter(|request| set.holds(request))
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

    fn row_value<'v>(&'v self, seen: Seen<'v>, set: Set, path: &str) -> Operand<'v> {
        let row = seen.row;
        match path {
            "id" if set.listing == Listing::Instances => text(row.instance_id()),
            "id" => text(row.id()),
            link if link == set.link() => text(row.id()),
            "principalId" | "principal/id" => text(seen.principal.to_string()),
            "status" => Operand::Text("Provisioned".into()),
            "memberType" => Operand::Text(seen.member_type().into()),
            "assignmentType" => seen
                .assignment_type()
                .map_or(Operand::Null, |name| Operand::Text(name.into())),
            "createdUsing" => row
                .created_using
                .map_or(Operand::Null, |id| text(id.to_string())),
            _ => self
                .target_value(row.target, path)
                .unwrap_or_else(|| self.principal_value(seen.principal, path)),
        }
    }

    fn request_value<'v>(&'v self, request: &'v Request, path: &str, view: View) -> Operand<'v> {
        let input = &request.input;
        match path {
            "id" => text(request.id.to_string()),
            "principalId" | "principal/id" => text(input.principal.to_string()),
            "status" => Operand::Text(request.status(view.now).into()),
            "action" => Operand::Text(input.action.as_str().into()),
            "targetScheduleId" => request.target_schedule_id().map_or(Operand::Null, text),
            "createdBy" => request
                .created_by
                .map_or(Operand::Null, |id| text(id.to_string())),
            _ => self
                .target_value(input.target, path)
                .unwrap_or_else(|| self.principal_value(input.principal, path)),
        }
    }

    fn target_value(&self, target: Target, path: &str) -> Option<Operand<'_>> {
        let or_null = |value: Option<String>| value.map_or(Operand::Null, text);
        Some(match (path, target) {
            ("groupId" | "group/id", Target::Group { group, .. }) => text(group.to_string()),
            ("accessId", Target::Group { access, .. }) => Operand::Text(access.as_str().into()),
            ("roleDefinitionId" | "roleDefinition/id", Target::Role { role, .. }) => {
                text(role.to_string())
            }
            ("roleDefinition/displayName", Target::Role { role, .. }) => {
                let definition = self.roles.get(role)?;
                Operand::Text(definition.display_name.as_str().into())
            }
            ("directoryScopeId", Target::Role { scope, .. }) => or_null(scope.directory()),
            ("appScopeId", Target::Role { scope, .. }) => or_null(scope.app().map(str::to_owned)),
            _ => return None,
        })
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
