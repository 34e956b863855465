//! The shapes that go over the wire, as Graph v1.0 defines them.
//!
//! Reading is lenient where Graph is (nearly everything may be null or absent, enum members may be new, casing varies)
//! and strict where a guess would be dangerous (a date that cannot be read fails the whole answer).

mod directory;
mod open_enum;
mod policy;
mod schedule;
mod time;

pub use directory::{AdministrativeUnit, DirectoryObject, GroupObject, ObjectKind, RoleDefinition};
pub use policy::{AuthenticationContextObject, PolicyAssignment, PolicyObject};
pub use schedule::{
    AccessId, AssignmentType, Expiration, ExpirationType, Family, MemberType, NewRequest,
    RequestAction, Schedule, ScheduleInfo, ScheduleInstance, ScheduleKind, ScheduleRequest,
    ScheduleTarget, TicketInfo,
};
