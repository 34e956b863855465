//! Kubernetes events: what `kubectl describe` shows below an object. Published on changes of state, never on each pass, and
//! never in the way of one.

use k8s_controller::events::{Event, EventRecorder};
use kube::{
    Client, Resource,
    runtime::events::{EventType, Reporter},
};
use tracing::debug;

use super::status::Verdict;

/// The controller's name in events.
const REPORTER: &str = "entrapim.dev/pim-operator";

/// Publishes events.
pub struct Events {
    recorder: std::sync::Arc<EventRecorder>,
}

impl Events {
    /// Publishes through a client.
    #[must_use]
    pub fn new(client: Client, instance: Option<String>) -> Self {
        let reporter = Reporter {
            controller: REPORTER.to_owned(),
            instance,
        };
        Self {
            recorder: std::sync::Arc::new(EventRecorder::new(client, reporter)),
        }
    }

    /// Publishes a change of state.
    pub async fn publish_verdict<K>(&self, object: &K, verdict: &Verdict)
    where
        K: Resource<DynamicType = ()>,
    {
        let type_ = if verdict.status == Some(false) {
            EventType::Warning
        } else {
            EventType::Normal
        };
        self.publish(
            object,
            type_,
            verdict.reason.as_str(),
            "Reconcile",
            verdict.message.clone(),
        )
        .await;
    }

    /// Publishes anything else that people should see.
    pub async fn publish<K>(
        &self,
        object: &K,
        type_: EventType,
        reason: &str,
        action: &str,
        note: String,
    ) where
        K: Resource<DynamicType = ()>,
    {
        let event = Event {
            type_,
            reason: reason.to_owned(),
            action: action.to_owned(),
            note: Some(note),
            related: None,
        };
        // An event that cannot be published changes nothing about what is true.
        if let Err(error) = self.recorder.publish(object, &event).await {
            debug!(%error, "an event was not published");
        }
    }
}
