//! The six sets of the group service: names, types and properties.
//!
//! Directory roles have the same six under another base path, with other names and properties.

use super::list::RowSet;
use crate::types::Kind;

/// The six sets of one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    Rows(Kind, RowSet),
    Requests(Kind),
}

pub(super) const SETS: [(&str, Set); 6] = [
    (
        "assignmentSchedules",
        Set::Rows(Kind::Assignment, RowSet::Schedules),
    ),
    (
        "assignmentScheduleInstances",
        Set::Rows(Kind::Assignment, RowSet::Instances),
    ),
    (
        "assignmentScheduleRequests",
        Set::Requests(Kind::Assignment),
    ),
    (
        "eligibilitySchedules",
        Set::Rows(Kind::Eligibility, RowSet::Schedules),
    ),
    (
        "eligibilityScheduleInstances",
        Set::Rows(Kind::Eligibility, RowSet::Instances),
    ),
    (
        "eligibilityScheduleRequests",
        Set::Requests(Kind::Eligibility),
    ),
];

pub(super) const BASE: &str = "identityGovernance/privilegedAccess/group";

impl Set {
    pub fn kind(self) -> Kind {
        match self {
            Self::Rows(kind, _) | Self::Requests(kind) => kind,
        }
    }

    pub fn type_name(self) -> String {
        let kind = match self.kind() {
            Kind::Assignment => "Assignment",
            Kind::Eligibility => "Eligibility",
        };
        let what = match self {
            Self::Rows(_, RowSet::Schedules) => "Schedule",
            Self::Rows(_, RowSet::Instances) => "ScheduleInstance",
            Self::Requests(_) => "ScheduleRequest",
        };
        format!("microsoft.graph.privilegedAccessGroup{kind}{what}")
    }

    pub fn properties(self) -> &'static [&'static str] {
        match self {
            Self::Rows(_, RowSet::Schedules) => &[
                "id",
                "scheduleInfo",
                "createdDateTime",
                "modifiedDateTime",
                "createdUsing",
                "status",
                "principalId",
                "accessId",
                "groupId",
                "memberType",
                "assignmentType",
            ],
            Self::Rows(_, RowSet::Instances) => &[
                "id",
                "startDateTime",
                "endDateTime",
                "principalId",
                "accessId",
                "groupId",
                "memberType",
                "assignmentType",
                "assignmentScheduleId",
                "eligibilityScheduleId",
            ],
            Self::Requests(_) => &[
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
                "accessId",
                "groupId",
                "targetScheduleId",
            ],
        }
    }
}
