//! Which permission each call needs, and how Graph says that it is missing.
//!
//! App-only callers are judged by the `roles` of their token alone: no directory role helps. PIM
//! answers with JSON inside JSON (`PermissionScopeNotGranted`), the directory with
//! `Authorization_RequestDenied`.

use crate::call::Call;
use crate::directory::Class;
use crate::error::GraphError;
use crate::types::Kind;

/// The older permission that PIM for groups still takes.
const OLD: &str = "PrivilegedAccess.ReadWrite.AzureADGroup";

struct Names {
    read: &'static str,
    write: &'static str,
    remove: &'static str,
}

fn names(kind: Kind) -> Names {
    match kind {
        Kind::Assignment => Names {
            read: "PrivilegedAssignmentSchedule.Read.AzureADGroup",
            write: "PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup",
            remove: "PrivilegedAssignmentSchedule.Remove.AzureADGroup",
        },
        Kind::Eligibility => Names {
            read: "PrivilegedEligibilitySchedule.Read.AzureADGroup",
            write: "PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup",
            remove: "PrivilegedEligibilitySchedule.Remove.AzureADGroup",
        },
    }
}

/// Reading schedules, instances and requests.
pub(crate) fn pim_read(call: &Call, kind: Kind) -> Result<(), GraphError> {
    let names = names(kind);
    if call.caller.may(&[names.read, names.write, OLD]) {
        Ok(())
    } else {
        Err(GraphError::scope_not_granted(&[names.read, names.write]))
    }
}

/// Creating and cancelling requests.
pub(crate) fn pim_write(call: &Call, kind: Kind) -> Result<(), GraphError> {
    let names = names(kind);
    if call.caller.may(&[names.write, OLD]) {
        Ok(())
    } else {
        Err(GraphError::scope_not_granted(&[names.write, OLD]))
    }
}

/// Posting a request: a `.Remove.` permission alone covers removals. True: only those.
pub(crate) fn pim_post(call: &Call, kind: Kind) -> Result<bool, GraphError> {
    match pim_write(call, kind) {
        Ok(()) => Ok(false),
        Err(_) if call.caller.may(&[names(kind).remove]) => Ok(true),
        Err(error) => Err(error),
    }
}

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
    })
}

fn denied() -> GraphError {
    GraphError::insufficient_privileges()
}
