//! Which permission each call needs, and how Graph says that it is missing.
//!
//! App-only callers are judged by the `roles` of their token alone: no directory role helps. PIM
//! answers with JSON inside JSON (`PermissionScopeNotGranted`), the directory with
//! `Authorization_RequestDenied`.

use crate::call::Call;
use crate::directory::Class;
use crate::engine::Actor;
use crate::engine::sets::Set;
use crate::engine::target::Service;
use crate::error::GraphError;
use crate::types::Kind;

/// The older permission that PIM for groups still takes.
const OLD: &str = "PrivilegedAccess.ReadWrite.AzureADGroup";

struct Names {
    read: &'static str,
    write: &'static str,
    remove: &'static str,
    /// Covers reading and writing of both kinds.
    all: &'static str,
}

/// Permissions that cover every read, or every call, of the roles service.
const ROLES_READ: &[&str] = &["RoleManagement.Read.Directory", "RoleManagement.Read.All"];
const ROLES_ALL: &str = "RoleManagement.ReadWrite.Directory";

fn names(service: Service, kind: Kind) -> Names {
    match (service, kind) {
        (Service::Groups, Kind::Assignment) => Names {
            read: "PrivilegedAssignmentSchedule.Read.AzureADGroup",
            write: "PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup",
            remove: "PrivilegedAssignmentSchedule.Remove.AzureADGroup",
            all: OLD,
        },
        (Service::Groups, Kind::Eligibility) => Names {
            read: "PrivilegedEligibilitySchedule.Read.AzureADGroup",
            write: "PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup",
            remove: "PrivilegedEligibilitySchedule.Remove.AzureADGroup",
            all: OLD,
        },
        (Service::Roles, Kind::Assignment) => Names {
            read: "RoleAssignmentSchedule.Read.Directory",
            write: "RoleAssignmentSchedule.ReadWrite.Directory",
            remove: "RoleAssignmentSchedule.Remove.Directory",
            all: ROLES_ALL,
        },
        (Service::Roles, Kind::Eligibility) => Names {
            read: "RoleEligibilitySchedule.Read.Directory",
            write: "RoleEligibilitySchedule.ReadWrite.Directory",
            remove: "RoleEligibilitySchedule.Remove.Directory",
            all: ROLES_ALL,
        },
    }
}

/// Reading schedules, instances and requests. Requests of roles need the permission to write.
pub(crate) fn pim_read(call: &Call, set: Set) -> Result<(), GraphError> {
    let names = names(set.service, set.kind);
    let may = |any_of: &[&str]| call.caller.may(any_of);
    let enough = match set.service {
        Service::Groups => may(&[names.read, names.write, names.all]),
        Service::Roles if set.is_requests() => may(&[names.write, names.all]),
        Service::Roles => may(&[names.read, names.write, names.all]) || may(ROLES_READ),
    };
    let wanted = match set.service {
        Service::Groups => [names.read, names.write],
        Service::Roles if set.is_requests() => [names.write, names.all],
        Service::Roles => [names.read, names.all],
    };
    enough
        .then_some(())
        .ok_or_else(|| GraphError::scope_not_granted(&wanted))
}

/// Creating and cancelling requests.
pub(crate) fn pim_write(call: &Call, service: Service, kind: Kind) -> Result<(), GraphError> {
    let names = names(service, kind);
    if call.caller.may(&[names.write, names.all]) {
        Ok(())
    } else {
        Err(GraphError::scope_not_granted(&[names.write, names.all]))
    }
}

/// Posting a request: a `.Remove.` permission alone covers removals. True: only those.
pub(crate) fn pim_post(call: &Call, service: Service, kind: Kind) -> Result<bool, GraphError> {
    match pim_write(call, service, kind) {
        Ok(()) => Ok(false),
        Err(_) if call.caller.may(&[names(service, kind).remove]) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Reading and deciding approvals: people only. Those of roles have permissions of their own, and
/// an error of their own (measured).
pub(crate) fn approvals(call: &Call, service: Service) -> Result<(), GraphError> {
    let names = names(service, Kind::Assignment);
    let reads = call.method == "GET";
    let any_of: &[&str] = match (service, reads) {
        (Service::Groups, true) => &[names.read, names.write, OLD],
        (Service::Groups, false) => &[names.write, OLD],
        (Service::Roles, true) => &[
            "PrivilegedAccess.Read.AzureAD",
            "PrivilegedAccess.ReadWrite.AzureAD",
        ],
        (Service::Roles, false) => &["PrivilegedAccess.ReadWrite.AzureAD"],
    };
    let person = matches!(call.actor(), Actor::Person { .. });
    if person && call.caller.may(any_of) {
        return Ok(());
    }
    Err(match service {
        Service::Groups => GraphError::scope_not_granted(any_of.get(..1).unwrap_or_default()),
        Service::Roles => GraphError::new(
            403,
            "",
            format!(
                "Valid permissions not present. User needs one of {}.",
                any_of.join(", ")
            ),
        ),
    })
}

const ROLE_DEFINITIONS: &[&str] = &[
    "RoleManagement.Read.Directory",
    "RoleManagement.Read.All",
    ROLES_ALL,
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const ADMINISTRATIVE_UNITS: &[&str] = &[
    "AdministrativeUnit.Read.All",
    "AdministrativeUnit.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const GROUP_POLICIES: &[&str] = &["RoleManagementPolicy.ReadWrite.AzureADGroup"];
const ROLE_POLICIES: &[&str] = &[
    "RoleManagementPolicy.ReadWrite.Directory",
    "RoleManagement.ReadWrite.Directory",
];
const GROUP_POLICIES_READ: &[&str] = &["RoleManagementPolicy.Read.AzureADGroup"];
const ROLE_POLICIES_READ: &[&str] = &[
    "RoleManagementPolicy.Read.Directory",
    "RoleManagement.Read.Directory",
    "RoleManagement.Read.All",
];

/// Reading policies, of groups or of directory roles. Unlike the rest of PIM, these endpoints answer
/// like the directory (measured).
pub(crate) fn policy_read(call: &Call, of_group: bool) -> Result<(), GraphError> {
    let enough = if of_group {
        GROUP_POLICIES_READ
    } else {
        ROLE_POLICIES_READ
    };
    if call.caller.may(enough) {
        Ok(())
    } else {
        policy_write(call, of_group)
    }
}

/// Changing them.
pub(crate) fn policy_write(call: &Call, of_group: bool) -> Result<(), GraphError> {
    let enough = if of_group {
        GROUP_POLICIES
    } else {
        ROLE_POLICIES
    };
    call.caller.may(enough).then_some(()).ok_or_else(denied)
}

/// Reading authentication contexts.
pub(crate) fn authentication_contexts(call: &Call) -> Result<(), GraphError> {
    let enough = [
        "AuthenticationContext.Read.All",
        "AuthenticationContext.ReadWrite.All",
        "Policy.Read.ConditionalAccess",
        "Policy.ReadWrite.ConditionalAccess",
        "Policy.Read.All",
    ];
    call.caller.may(&enough).then_some(()).ok_or_else(denied)
}

const USERS: &[&str] = &[
    "User.ReadBasic.All",
    "User.Read.All",
    "User.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const GROUPS: &[&str] = &[
    "Group.ReadBasic.All",
    "GroupMember.Read.All",
    "GroupMember.ReadWrite.All",
    "Group.Read.All",
    "Group.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const MEMBERS: &[&str] = &[
    "GroupMember.ReadBasic.All",
    "GroupMember.Read.All",
    "GroupMember.ReadWrite.All",
    "Group.Read.All",
    "Group.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const OWNERS: &[&str] = &[
    "GroupMember.Read.All",
    "GroupMember.ReadWrite.All",
    "Group.Read.All",
    "Group.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const APPLICATIONS: &[&str] = &[
    "Application.Read.All",
    "Application.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const DIRECTORY: &[&str] = &["Directory.Read.All", "Directory.ReadWrite.All"];

/// What is read of the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    Objects(Class),
    Members,
    Owners,
    AnyObject,
    /// Role definitions and role assignments.
    Roles,
    UnitMembers,
    /// Which groups an object of a class is in.
    MemberGroups(Class),
}

pub(crate) fn directory(call: &Call, what: Read) -> Result<(), GraphError> {
    let enough = match what {
        Read::Objects(class) => {
            return class_readable(call, class).then_some(()).ok_or_else(denied);
        }
        Read::Members | Read::MemberGroups(Class::Group) => MEMBERS,
        Read::Owners => OWNERS,
        Read::AnyObject => DIRECTORY,
        Read::Roles => ROLE_DEFINITIONS,
        Read::UnitMembers | Read::MemberGroups(Class::AdministrativeUnit) => ADMINISTRATIVE_UNITS,
        Read::MemberGroups(Class::ServicePrincipal) => APPLICATIONS,
        // Both ends have to be readable.
        Read::MemberGroups(Class::User) => {
            return (call.caller.may(USERS) && call.caller.may(MEMBERS))
                .then_some(())
                .ok_or_else(denied);
        }
    };
    call.caller.may(enough).then_some(()).ok_or_else(denied)
}

/// Objects of a class that the caller may not read are shown with id and type only.
pub(crate) fn class_readable(call: &Call, class: Class) -> bool {
    call.caller.may(match class {
        Class::User => USERS,
        Class::Group => GROUPS,
        Class::ServicePrincipal => APPLICATIONS,
        Class::AdministrativeUnit => ADMINISTRATIVE_UNITS,
    })
}

fn denied() -> GraphError {
    GraphError::insufficient_privileges()
}
