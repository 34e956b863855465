//! The six sets of each service: names, types, properties, and what else differs between them.

use super::request::Request;
use super::target::Service;
use crate::types::Kind;

/// What a set lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    Schedules,
    Instances,
    Requests,
}

/// One of the sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Set {
    pub service: Service,
    pub kind: Kind,
    pub listing: Listing,
}

const KINDS: [Kind; 2] = [Kind::Assignment, Kind::Eligibility];
const LISTINGS: [Listing; 3] = [Listing::Schedules, Listing::Instances, Listing::Requests];

impl Service {
    /// The path of its sets, under the version.
    pub fn base(self) -> &'static str {
        match self {
            Self::Groups => "identityGovernance/privilegedAccess/group",
            Self::Roles => "roleManagement/directory",
        }
    }

    /// The set of approvals, and whether v1.0 has it.
    pub fn approvals(self) -> (&'static str, bool) {
        match self {
            Self::Groups => ("assignmentApprovals", true),
            Self::Roles => ("roleAssignmentApprovals", false),
        }
    }

    /// The set with this name.
    pub fn set(self, name: &str) -> Option<Set> {
        let all = KINDS
            .into_iter()
            .flat_map(|kind| LISTINGS.map(|listing| (kind, listing)));
        all.map(|(kind, listing)| Set {
            service: self,
            kind,
            listing,
        })
        .find(|set| set.name() == name)
    }
}

impl Set {
    /// As in a path.
    pub fn name(self) -> String {
        let (role, kind) = match (self.service, self.kind) {
            (Service::Groups, Kind::Assignment) => ("", "assignment"),
            (Service::Groups, Kind::Eligibility) => ("", "eligibility"),
            (Service::Roles, Kind::Assignment) => ("role", "Assignment"),
            (Service::Roles, Kind::Eligibility) => ("role", "Eligibility"),
        };
        format!("{role}{kind}{}s", self.suffix())
    }

    fn suffix(self) -> &'static str {
        match self.listing {
            Listing::Schedules => "Schedule",
            Listing::Instances => "ScheduleInstance",
            Listing::Requests => "ScheduleRequest",
        }
    }

    /// Whether a request is one of this set.
    pub fn holds(self, request: &Request) -> bool {
        request.kind == self.kind && request.service() == self.service
    }

    pub fn is_requests(self) -> bool {
        self.listing == Listing::Requests
    }

    pub fn type_name(self) -> String {
        let service = match self.service {
            Service::Groups => "privilegedAccessGroup",
            Service::Roles => "unifiedRole",
        };
        let kind = match self.kind {
            Kind::Assignment => "Assignment",
            Kind::Eligibility => "Eligibility",
        };
        format!("microsoft.graph.{service}{kind}{}", self.suffix())
    }

    fn target_properties(self) -> &'static [&'static str] {
        match self.service {
            Service::Groups => &["groupId", "accessId"],
            Service::Roles => &["roleDefinitionId", "directoryScopeId", "appScopeId"],
        }
    }

    /// The property of an instance that names its schedule.
    pub fn link(self) -> &'static str {
        match (self.service, self.kind) {
            (Service::Groups, Kind::Assignment) => "assignmentScheduleId",
            (Service::Groups, Kind::Eligibility) => "eligibilityScheduleId",
            (Service::Roles, Kind::Assignment) => "roleAssignmentScheduleId",
            (Service::Roles, Kind::Eligibility) => "roleEligibilityScheduleId",
        }
    }

    pub fn properties(self) -> Vec<&'static str> {
        let mut names: Vec<&str> = match self.listing {
            Listing::Schedules => vec![
                "id",
                "scheduleInfo",
                "createdDateTime",
                "modifiedDateTime",
                "createdUsing",
                "status",
                "principalId",
                "memberType",
            ],
            Listing::Instances => vec![
                "id",
                "startDateTime",
                "endDateTime",
                "principalId",
                "memberType",
                self.link(),
            ],
            Listing::Requests => vec![
                "id",
                "status",
                "createdDateTime",
                "completedDateTime",
                "approvalId",
                "customData",
                "createdBy",
                "action",
                "isValidationOnly",
                "justification",
                "scheduleInfo",
                "ticketInfo",
                "principalId",
                "targetScheduleId",
            ],
        };
        names.extend(self.target_properties());
        if self.kind == Kind::Assignment && !self.is_requests() {
            names.push("assignmentType");
        }
        if self.service == Service::Roles
            && self.kind == Kind::Assignment
            && self.listing == Listing::Instances
        {
            names.push("roleAssignmentOriginId");
        }
        names
    }

    /// What lists can be filtered by.
    pub fn filters(self) -> Vec<&'static str> {
        let mut names = vec![
            "id",
            "principalId",
            "principal/id",
            "principal/displayName",
            "principal/userPrincipalName",
            "status",
        ];
        names.extend(match self.service {
            Service::Groups => ["groupId", "group/id", "accessId"].as_slice(),
            Service::Roles => &[
                "roleDefinitionId",
                "roleDefinition/id",
                "roleDefinition/displayName",
                "directoryScopeId",
                "appScopeId",
            ],
        });
        if self.is_requests() {
            names.extend(["action", "targetScheduleId", "createdBy"]);
        } else {
            names.extend(["memberType", "assignmentType", "createdUsing", self.link()]);
        }
        names
    }

    /// What `$expand` can follow.
    pub fn expands(self, name: &str) -> bool {
        match name {
            "principal" => true,
            "group" => self.service == Service::Groups,
            "roleDefinition" | "directoryScope" | "appScope" => self.service == Service::Roles,
            "activatedUsing" => self.kind == Kind::Assignment,
            "targetSchedule" => self.is_requests(),
            _ => false,
        }
    }
}
