//! Kubernetes events: what `kubectl describe` shows below an object. Published on changes of state, never on each pass, and
//! never in the way of one: they wait in a queue and go out one after the other, in their order.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::future::BoxFuture;
use k8s_controller::events::{Event, EventRecorder};
use kube::{
    Client, Resource,
    core::{ObjectMeta, PartialObjectMetaExt},
    runtime::events::{EventType, Reporter},
};
use tokio::{sync::mpsc, task::JoinHandle};
use tracing::{debug, warn};

use super::{status::Verdict, wakeups::lock};
use crate::api::conditions::EventReason;

/// The controller's name in events.
const REPORTER: &str = "entrapim.dev/pim-operator";
/// How long the end of the process waits for events that are still in the queue.
const LAST_CALL: Duration = Duration::from_secs(5);

/// What is to be published. The request itself, which is much larger, is made when its turn comes.
type Publication = Box<dyn FnOnce(Arc<EventRecorder>) -> BoxFuture<'static, ()> + Send>;

/// Publishes events.
pub struct Events {
    publisher: Mutex<Option<(mpsc::UnboundedSender<Publication>, JoinHandle<()>)>>,
}

impl Events {
    /// Publishes through a client, in a task of its own.
    #[must_use]
    pub fn new(client: Client, instance: Option<String>) -> Self {
        let reporter = Reporter {
            controller: REPORTER.to_owned(),
            instance,
        };
        let recorder = Arc::new(EventRecorder::new(client, reporter));
        let (queue, mut publications) = mpsc::unbounded_channel::<Publication>();
        let task = tokio::spawn(async move {
            while let Some(publish) = publications.recv().await {
                publish(Arc::clone(&recorder)).await;
            }
        });
        Self {
            publisher: Mutex::new(Some((queue, task))),
        }
    }

    /// Publishes a change of state.
    pub fn publish_verdict<K>(&self, object: &K, verdict: &Verdict)
    where
        K: Resource<DynamicType = ()> + Send + Sync + 'static,
    {
        let type_ = if verdict.status == Some(false) {
            EventType::Warning
        } else {
            EventType::Normal
        };
        self.publish(
            object,
            type_,
            verdict.reason,
            "Reconcile",
            verdict.message.clone(),
        );
    }

    /// Publishes anything else that people should see.
    pub fn publish<K>(
        &self,
        object: &K,
        type_: EventType,
        reason: impl Into<EventReason>,
        action: &str,
        note: String,
    ) where
        K: Resource<DynamicType = ()> + Send + Sync + 'static,
    {
        let event = Event {
            type_,
            reason: reason.into().as_str().to_owned(),
            action: action.to_owned(),
            note: Some(note),
            related: None,
        };
        // All that an event needs to know of its object, however long it waits.
        let object = ObjectMeta {
            name: object.meta().name.clone(),
            namespace: object.meta().namespace.clone(),
            uid: object.meta().uid.clone(),
            resource_version: object.meta().resource_version.clone(),
            ..ObjectMeta::default()
        }
        .into_response_partial::<K>();
        let publication: Publication = Box::new(move |recorder| {
            Box::pin(async move {
                // An event that cannot be published changes nothing about what is true.
                if let Err(error) = recorder.publish(&object, &event).await {
                    debug!(%error, "an event was not published");
                }
                // The recorder counts what repeats. What went well ends the series of what did not, and is none itself: to wait for
                // one would take the memory, and at each event the time, of all objects that went well lately.
                if event.type_ == EventType::Normal {
                    recorder.forget(&object);
                }
            })
        });
        if let Some((queue, _)) = &*lock(&self.publisher) {
            // The publisher ends only when the process does.
            let _ = queue.send(publication);
        }
    }

    /// Publishes what is in the queue, and nothing after that.
    pub async fn close(&self) {
        let Some((queue, task)) = lock(&self.publisher).take() else {
            return;
        };
        drop(queue);
        if tokio::time::timeout(LAST_CALL, task).await.is_err() {
            warn!("some events were not published before the end");
        }
    }
}
