//! What each reason means to Argo CD and to Flux. The table is complete: a reason without a row does not compile.

use chrono::DateTime;
use pim_operator::{
    api::conditions::{ConditionType, Reason},
    controller::status::{Verdict, set_condition},
};
use serde_json::{Value, json};

use crate::tools::judge;

/// How an object carries a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// `Ready=True`.
    Done,
    /// `Ready=False` and `Reconciling`: the operator comes back by itself.
    Working,
    /// `Ready=False` and `Stalled`: a person has to act.
    Stuck,
    /// On another condition than `Ready`, of an object that is done.
    Beside(&'static str),
}

/// One row: under these circumstances, these verdicts.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub shape: Shape,
    pub kind: &'static str,
    /// A field of `spec` that it takes.
    pub spec: Option<(&'static str, bool)>,
    pub argo: &'static str,
    pub kstatus: &'static str,
}

const DONE: Row = Row {
    shape: Shape::Done,
    kind: "GroupEligibility",
    spec: None,
    argo: "Healthy",
    kstatus: "Current",
};
const WORKING: Row = Row {
    shape: Shape::Working,
    argo: "Progressing",
    kstatus: "InProgress",
    ..DONE
};
const STUCK: Row = Row {
    shape: Shape::Stuck,
    argo: "Degraded",
    kstatus: "Failed",
    ..DONE
};
/// Done, with nothing to be written any more.
const DONE_PAUSED: Row = Row {
    argo: "Suspended",
    ..DONE
};
/// Not as declared, and nothing is written.
const PAUSED: Row = Row {
    argo: "Suspended",
    ..WORKING
};
const LINT: Row = Row {
    shape: Shape::Beside("Sound"),
    kind: "PimPolicy",
    ..DONE
};

/// What a reason means.
pub fn rows(reason: Reason) -> Vec<Row> {
    match reason {
        Reason::Provisioned | Reason::Scheduled | Reason::Expired => vec![DONE],
        Reason::PendingProvisioning
        | Reason::AwaitingReplication
        | Reason::AwaitingMinimumDuration
        | Reason::PolicyRejected
        | Reason::PermissionDenied
        | Reason::TargetNotFound
        | Reason::PrincipalNotFound
        | Reason::RequestFailed
        | Reason::TenantNotReady
        | Reason::InvalidSpec
        | Reason::CredentialUnavailable => vec![WORKING, STUCK],
        Reason::Ambiguous
        | Reason::Conflict
        | Reason::BoundaryDenied
        | Reason::DenyListed
        | Reason::AuthorityLost
        | Reason::RemovalGuardTripped
        | Reason::ProtectedPrincipal => vec![STUCK],
        Reason::Throttled | Reason::GraphUnavailable | Reason::LostRace => vec![WORKING],
        Reason::Suspended => vec![DONE_PAUSED, PAUSED],
        Reason::Observed => vec![DONE_PAUSED],
        Reason::Drifted => vec![
            WORKING,
            Row {
                spec: Some(("Observe", true)),
                ..PAUSED
            },
        ],
        Reason::Frozen => vec![PAUSED],
        Reason::Connected => vec![
            Row {
                kind: "EntraTenant",
                ..DONE
            },
            Row {
                kind: "EntraTenant",
                spec: Some(("freeze", true)),
                ..DONE_PAUSED
            },
        ],
        Reason::Applied => vec![Row {
            kind: "PimPolicy",
            ..DONE
        }],
        // While facts are not to be had, `Ready` says which read failed.
        Reason::Allowed | Reason::FactsUnavailable => vec![Row {
            shape: Shape::Beside("Authorized"),
            ..DONE
        }],
        Reason::OperatorLockedOut => vec![STUCK, LINT],
        Reason::NoFindings
        | Reason::NoLivingApprover
        | Reason::SingleApprover
        | Reason::SelfApproval
        | Reason::ZeroDuration
        | Reason::NobodyNotified
        | Reason::UnknownAuthenticationContext => vec![LINT],
    }
}

/// The conditions that the operator writes for a row.
fn conditions(row: &Row, reason: Reason) -> Value {
    let mut conditions = Vec::new();
    let mut set = |type_, verdict: &Verdict| {
        let now = DateTime::UNIX_EPOCH;
        set_condition(&mut conditions, type_, Some(verdict), 3, now);
    };
    let message = format!("what {reason} says");
    let yes = Verdict::yes(reason, message.clone());
    let no = Verdict::no(reason, message);
    match row.shape {
        Shape::Done => set(ConditionType::Ready, &yes),
        Shape::Working => {
            set(ConditionType::Ready, &no);
            set(ConditionType::Reconciling, &yes);
        }
        Shape::Stuck => {
            set(ConditionType::Ready, &no);
            set(ConditionType::Stalled, &yes);
        }
        Shape::Beside(type_) => {
            let done = Verdict::yes(Reason::Applied, "done");
            set(ConditionType::Ready, &done);
            match (type_, reason) {
                ("Sound", Reason::NoFindings) => set(ConditionType::Sound, &yes),
                ("Sound", _) => set(ConditionType::Sound, &no),
                _ => set(ConditionType::Authorized, &yes),
            }
        }
    }
    json!(conditions)
}

/// An object as it stands for a row.
fn object(row: &Row, reason: Reason) -> Value {
    let spec = match row.spec {
        Some(("Observe", _)) => json!({"managementPolicy": "Observe"}),
        Some((field, value)) => json!({field: value}),
        None => json!({"suspend": false, "managementPolicy": "Manage"}),
    };
    json!({
        "apiVersion": "entrapim.dev/v1alpha1", "kind": row.kind,
        "metadata": {"name": "alice", "namespace": "payments", "generation": 3},
        "spec": spec,
        "status": {"observedGeneration": 3, "conditions": conditions(row, reason)},
    })
}

/// What the tools are to say of an object that was really stored; none if no row fits.
pub fn expected(object: &Value) -> Option<(&'static str, &'static str)> {
    let (metadata, status) = (&object["metadata"], &object["status"]);
    if metadata["deletionTimestamp"].is_string() {
        return Some(("Progressing", "Terminating"));
    }
    if status.is_null() {
        return Some(("Healthy", "Current"));
    }
    if status["observedGeneration"] != metadata["generation"] {
        return Some(("Progressing", "InProgress"));
    }
    let (shape, reason) = seen(object)?;
    let spec = &object["spec"];
    let holds = |row: &Row| match row.spec {
        Some(("Observe", _)) => spec["managementPolicy"] == "Observe",
        Some((field, value)) => spec[field] == value,
        None => true,
    };
    // The row that demands most comes last.
    let mut rows = rows(reason);
    rows.retain(|row| row.shape == shape && holds(row));
    rows.last().map(|row| (row.argo, row.kstatus))
}

/// Shape and reason of `Ready`.
pub fn seen(object: &Value) -> Option<(Shape, Reason)> {
    let conditions = object["status"]["conditions"].as_array()?;
    let find = |type_: &str| conditions.iter().find(|one| one["type"] == type_);
    let ready = find("Ready")?;
    let shape = match (
        ready["status"].as_str()?,
        find("Reconciling"),
        find("Stalled"),
    ) {
        ("True", None, None) => Shape::Done,
        ("False", Some(_), None) => Shape::Working,
        ("False", None, Some(_)) => Shape::Stuck,
        _ => return None,
    };
    Some((shape, Reason::read(ready["reason"].as_str()?)?))
}

#[tokio::test]
async fn every_reason_means_the_same_to_argo_cd_and_to_flux_as_to_the_table() {
    let cases: Vec<(Reason, Row)> = Reason::ALL
        .iter()
        .flat_map(|reason| rows(*reason).into_iter().map(|row| (*reason, row)))
        .collect();
    let objects: Vec<Value> = cases
        .iter()
        .map(|(reason, row)| object(row, *reason))
        .collect();
    let verdicts = judge(&objects).await;
    for ((reason, row), verdicts) in cases.iter().zip(verdicts) {
        assert_eq!(
            verdicts.words(),
            (row.argo, row.kstatus),
            "{reason} {row:?}"
        );
        let said = format!("what {reason} says");
        let whole = match row.shape {
            Shape::Beside("Sound") if *reason != Reason::NoFindings => format!("done; {said}"),
            Shape::Beside(_) => "done".to_owned(),
            _ => said,
        };
        assert_eq!(verdicts.argo.message, whole, "{reason} {row:?}");
    }
    println!("{} reasons, {} rows", Reason::ALL.len(), cases.len());
}

#[tokio::test]
async fn an_older_status_never_judges_a_newer_version_and_a_deleted_object_is_on_its_way() {
    let reasons = [
        Reason::Provisioned,
        Reason::BoundaryDenied,
        Reason::Suspended,
    ];
    let mut objects = Vec::new();
    for reason in reasons {
        let row = rows(reason)[0];
        let mut edited = object(&row, reason);
        edited["metadata"]["generation"] = json!(4);
        let mut deleted = object(&row, reason);
        deleted["metadata"]["deletionTimestamp"] = json!("2026-11-22T12:00:00Z");
        let mut fresh = object(&row, reason);
        fresh["status"] = json!({"observedGeneration": -1});
        objects.extend([edited, deleted, fresh]);
    }
    let verdicts = judge(&objects).await;
    for chunk in verdicts.chunks(3) {
        assert_eq!(chunk[0].words(), ("Progressing", "InProgress"));
        assert_eq!(chunk[1].words(), ("Progressing", "Terminating"));
        assert_eq!(chunk[2].words(), ("Progressing", "InProgress"));
    }
}
