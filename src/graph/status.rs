//! What a request's or schedule's status means.

use super::wire::{RequestAction, ScheduleRequest};

/// The three things a status can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestState {
    /// Carried out, or, for a grant that starts in the future, accepted for certain.
    Succeeded,
    /// Not settled yet. Unknown statuses count as this: they are neither trusted as done nor given up.
    InProgress,
    /// Will not be carried out.
    Failed,
}

/// Classifies Graph's open status text for a request with this action, whatever its casing.
///
/// `Revoked` is the success of a removal and the end of a grant. A grant that Graph still shows as `Granted` long after its
/// start never came into force: the caller has to look at the schedules.
#[must_use]
pub fn classify(status: &str, action: &RequestAction) -> RequestState {
    let status = status.to_ascii_lowercase();
    match status.as_str() {
        "provisioned" | "schedulecreated" | "granted" => RequestState::Succeeded,
        "revoked" if action.is_removal() => RequestState::Succeeded,
        "revoked" | "canceled" | "cancelled" | "denied" | "admindenied" | "timedout"
        | "invalid" => RequestState::Failed,
        other if other.starts_with("failed") => RequestState::Failed,
        _ => RequestState::InProgress,
    }
}

impl ScheduleRequest {
    /// Where the request stands: an answer 201 alone does not mean that anything was granted.
    #[must_use]
    pub fn state(&self) -> RequestState {
        classify(&self.status, &self.action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assign(status: &str) -> RequestState {
        classify(status, &RequestAction::AdminAssign)
    }

    #[test]
    fn settled_grants_succeed() {
        for status in ["Provisioned", "provisioned", "ScheduleCreated", "Granted"] {
            assert_eq!(assign(status), RequestState::Succeeded, "{status}");
        }
    }

    #[test]
    fn revoked_is_success_for_removals_only() {
        assert_eq!(
            classify("Revoked", &RequestAction::AdminRemove),
            RequestState::Succeeded
        );
        assert_eq!(assign("Revoked"), RequestState::Failed);
    }

    #[test]
    fn refusals_fail() {
        for status in [
            "Denied",
            "Canceled",
            "Failed",
            "FailedAsResourceIsLocked",
            "AdminDenied",
            "TimedOut",
            "Invalid",
        ] {
            assert_eq!(assign(status), RequestState::Failed, "{status}");
        }
    }

    #[test]
    fn pending_and_unknown_statuses_are_in_progress() {
        for status in [
            "PendingProvisioning",
            "PendingApprovalProvisioning",
            "Accepted",
            "SomethingNew",
            "",
        ] {
            assert_eq!(assign(status), RequestState::InProgress, "{status}");
        }
    }
}
