//! What the tests share: manifests, the record of what Graph was asked, and faults in a word.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::events::v1::Event;
use kube::{Api, api::ListParams};
use pim_harness::{Bed, BedOptions, Operator, bed::ready};
use pim_operator::{api::status::GrantStatus, controller::grant::Grant};
use pim_simulator::{Behaviour, Fault, FaultKind, Kind, PolicyPatch, ScheduleView};
use serde_json::{Value, json};

/// A grant's manifest: member of payments-ops for Alice and ninety days, unless told otherwise.
#[derive(Clone)]
pub struct Manifest {
    kind: &'static str,
    name: String,
    spec: Value,
}

/// A `GroupEligibility`.
pub fn eligible(name: &str) -> Manifest {
    manifest("GroupEligibility", name)
}

/// A `GroupAssignment`.
pub fn active(name: &str) -> Manifest {
    manifest("GroupAssignment", name)
}

/// A grant of a kind.
pub fn manifest(kind: &'static str, name: &str) -> Manifest {
    let spec = json!({
        "tenantRef": {"name": "{tenant}"},
        "group": {"displayName": "payments-ops"},
        "accessId": "member",
        "principal": {"userPrincipalName": "alice@contoso.com"},
        "scheduleInfo": {"expiration": {"type": "afterDuration", "duration": "P90D"}},
        "justification": "on call",
    });
    Manifest {
        kind,
        name: name.to_owned(),
        spec,
    }
}

impl Manifest {
    /// Sets a field of the spec.
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.spec[field] = value.into();
        self
    }

    /// Leaves a field of the spec out.
    pub fn without(mut self, field: &str) -> Self {
        if let Some(spec) = self.spec.as_object_mut() {
            spec.remove(field);
        }
        self
    }

    /// Another user.
    pub fn user(self, name: &str) -> Self {
        self.with("principal", json!({"userPrincipalName": name}))
    }

    /// Another group, by name.
    pub fn group(self, name: &str) -> Self {
        self.with("group", json!({"displayName": name}))
    }

    /// For as long as this.
    pub fn lasting(self, duration: &str) -> Self {
        self.with(
            "scheduleInfo",
            json!({"expiration": {"type": "afterDuration", "duration": duration}}),
        )
    }

    /// Until then.
    pub fn until(self, end: DateTime<Utc>) -> Self {
        self.with(
            "scheduleInfo",
            json!({"expiration": {"type": "afterDateTime", "endDateTime": text(end)}}),
        )
    }

    /// For ever.
    pub fn permanent(self) -> Self {
        self.with(
            "scheduleInfo",
            json!({"expiration": {"type": "noExpiration"}}),
        )
    }

    /// From then on, for as long as this.
    pub fn starting(self, start: DateTime<Utc>, duration: &str) -> Self {
        self.with(
            "scheduleInfo",
            json!({
                "startDateTime": text(start),
                "expiration": {"type": "afterDuration", "duration": duration},
            }),
        )
    }

    /// Applies it.
    pub async fn apply(&self, bed: &Bed) {
        bed.apply(&self.to_string()).await.unwrap();
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = json!({
            "apiVersion": "entrapim.dev/v1alpha1",
            "kind": self.kind,
            "metadata": {"name": self.name},
            "spec": self.spec,
        });
        object.fmt(f)
    }
}

/// An instant as manifests write it.
pub fn text(instant: DateTime<Utc>) -> String {
    instant.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A bed whose Entra behaves in a way of its own.
pub async fn bed(name: &str, change: impl FnOnce(&mut Behaviour)) -> Bed {
    let mut options = BedOptions::story(name).unwrap();
    change(&mut options.simulator.behaviour);
    Bed::with(options).await.unwrap()
}

/// Starts an operator and waits until it is signed in: what a test does then meets an operator at rest.
pub async fn start(bed: &Bed) -> Operator {
    let operator = bed.start_operator();
    bed.until_tenant("Connected").await;
    operator
}

/// The actions that were sent to change Entra, refused and lost ones included, in order.
pub fn sent(bed: &Bed) -> Vec<String> {
    bed.simulator
        .traffic()
        .entries()
        .iter()
        .filter(|exchange| exchange.method == "POST" && exchange.path.contains("ScheduleRequests"))
        .map(|exchange| {
            let action = exchange.request.as_ref().map(|body| &body["action"]);
            let action = action.and_then(Value::as_str).unwrap_or("cancel");
            action.to_owned()
        })
        .collect()
}

/// Waits until so many requests were sent.
pub async fn until_sent(bed: &Bed, count: usize) {
    bed.eventually(&format!("{count} requests"), || async {
        sent(bed).len() >= count
    })
    .await;
}

/// The rows of a principal, by sign-in name, in force or ahead.
pub fn rows(bed: &Bed, kind: Kind, principal: &str) -> Vec<ScheduleView> {
    let id = id_of(principal);
    let mut rows = bed.simulator.schedules(kind);
    rows.retain(|row| row.principal_id == id);
    rows
}

/// The object ids of the story.
fn id_of(principal: &str) -> &str {
    match principal {
        "alice" => "a11ce000-0000-4000-8000-000000000001",
        "bob" => "b0b00000-0000-4000-8000-000000000002",
        "carol" => "ca401000-0000-4000-8000-000000000003",
        "frank" => "f4a20000-0000-4000-8000-000000000006",
        other => other,
    }
}

/// The only row of a principal.
pub fn row(bed: &Bed, kind: Kind, principal: &str) -> ScheduleView {
    let mut rows = rows(bed, kind, principal);
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows.remove(0)
}

/// Whether two instants are the same to Entra, which takes a second or two.
pub fn near(one: Option<DateTime<Utc>>, other: DateTime<Utc>) -> bool {
    one.is_some_and(|one| (one - other).abs() <= TimeDelta::minutes(1))
}

/// The status that an object reports.
pub fn status<K: Grant>(object: &K) -> &GrantStatus {
    object.status().unwrap()
}

/// The message of `Ready`.
pub fn message<K: Grant>(object: &K) -> &str {
    ready(status(object)).unwrap().2
}

/// Whether a condition of this type is there and true.
pub fn holds<K: Grant>(object: &K, type_: &str) -> bool {
    status(object)
        .conditions
        .iter()
        .any(|condition| condition.type_ == type_ && condition.status == "True")
}

/// Waits until an object is stalled for a reason.
pub async fn until_stalled<K: Grant>(bed: &Bed, name: &str, reason: &str) -> K {
    bed.until(name, &format!("stalled for {reason}"), |status| {
        status
            .conditions
            .iter()
            .any(|condition| condition.type_ == "Stalled" && condition.reason == reason)
    })
    .await
}

/// Asks for a look at an object, as `kubectl annotate` does.
pub async fn nudge<K: Grant>(bed: &Bed, name: &str) {
    annotate::<K>(bed, name, "entrapim.dev/requestedAt", &text(bed.now())).await;
}

/// Annotates an object.
pub async fn annotate<K: Grant>(bed: &Bed, name: &str, key: &str, value: &str) {
    let patch = json!({"metadata": {"annotations": {key: value}}});
    bed.api::<K>()
        .patch(
            name,
            &kube::api::PatchParams::default(),
            &kube::api::Patch::Merge(patch),
        )
        .await
        .unwrap();
}

/// Type and reason of the events of an object, oldest first.
pub async fn events(bed: &Bed, name: &str) -> Vec<(String, String)> {
    let api: Api<Event> = Api::namespaced(bed.client.clone(), &bed.namespace);
    let mut events = api.list(&ListParams::default()).await.unwrap().items;
    events.sort_by_key(|event| event.event_time.clone().map(|time| time.0));
    events
        .into_iter()
        .filter(|event| {
            event
                .regarding
                .as_ref()
                .is_some_and(|object| object.name.as_deref() == Some(name))
        })
        .map(|event| {
            (
                event.type_.unwrap_or_default(),
                event.reason.unwrap_or_default(),
            )
        })
        .collect()
}

/// Changes the policy for members of payments-ops.
pub fn set_policy(bed: &Bed, policy: &Value) {
    let policy: PolicyPatch = serde_json::from_value(policy.clone()).unwrap();
    bed.simulator
        .admin()
        .set_policy("payments-ops", pim_simulator::Access::Member, policy)
        .unwrap();
}

/// A fault of the POSTs that change Entra.
pub fn write_fault(kind: FaultKind) -> Fault {
    Fault::new(kind).method("POST").path("ScheduleRequests")
}

/// A fault of the lists of schedules.
pub fn list_fault(kind: FaultKind) -> Fault {
    Fault::new(kind)
        .method("GET")
        .path_regex(r"/(eligibility|assignment)Schedules\?")
}

/// An answer with an error of Graph's.
pub fn refusal(status: u16, code: &str, message: &str) -> FaultKind {
    FaultKind::Status {
        status,
        body: Some(json!({"error": {"code": code, "message": message}})),
        retry_after_seconds: None,
    }
}
