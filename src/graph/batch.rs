//! Gathers reads that are due at the same time into one `$batch`.
//!
//! The first read to arrive starts a short collecting time. Whatever is waiting when the limiter then lets an exchange
//! through goes out together; under pressure batches grow by themselves, and a read that is alone goes out as a plain GET.
//! Writes never come here.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};
use uuid::Uuid;

use super::{
    client::{Core, closed},
    config::Priority,
    error::{GraphError, Intent, NoAnswer},
    http::{self, Answer, AnswerBody, AnswerHeaders, Call},
    limiter::Slot,
    observer::{EndpointClass, Outcome},
};

/// How long the first read waits for company.
const COLLECTING_TIME: Duration = Duration::from_millis(3);
/// Graph's bound.
const MAX_ITEMS: usize = 20;

/// What became of a read that was handed in.
pub(super) enum Reply {
    /// It went out alone, or the exchange as a whole failed.
    Plain(Result<Answer, GraphError>),
    /// It was an item of a batch.
    Item(Result<Answer, GraphError>),
    /// Graph refuses batches: send it alone.
    Refused,
}

struct Waiting {
    call: Call,
    reply: oneshot::Sender<Reply>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// A task is on its way to empty the queue.
    attended: bool,
}

/// The reads of one tenant that wait to be sent, by priority.
#[derive(Default)]
pub(super) struct Coalescer {
    interactive: Mutex<Queue>,
    background: Mutex<Queue>,
    refused: AtomicBool,
}

impl Coalescer {
    pub(super) fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// Stops the use of `$batch` for good, and says so once.
    pub(super) fn refuse(&self, tenant_id: &str) {
        if !self.refused.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                tenant_id,
                "Microsoft Graph refuses reads in $batch; they are sent one by one from now on"
            );
        }
    }

    /// Hands in a read and waits for its answer. Dropping the future withdraws a read that was not sent yet.
    pub(super) async fn submit(&self, core: &Arc<Core>, call: Call) -> Reply {
        let priority = call.priority;
        let (reply, answer) = oneshot::channel();
        let start = {
            let mut queue = self.queue(priority);
            queue.waiting.push_back(Waiting { call, reply });
            !std::mem::replace(&mut queue.attended, true)
        };
        if start {
            // A task of its own, so that the others do not depend on the first caller's patience.
            tokio::spawn(attend(Arc::clone(core), priority));
        }
        answer
            .await
            .unwrap_or(Reply::Plain(Err(GraphError::NoAnswer {
                reason: NoAnswer::BrokenOff,
                detail: None,
                write: false,
            })))
    }

    fn queue(&self, priority: Priority) -> MutexGuard<'_, Queue> {
        match priority {
            Priority::Interactive => &self.interactive,
            Priority::Background => &self.background,
        }
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
    }

    /// Up to `most` reads whose callers still wait; an empty result ends the attendance.
    fn take(&self, priority: Priority, most: usize) -> Vec<Waiting> {
        let mut queue = self.queue(priority);
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some(next) = queue.waiting.pop_front()
        {
            if !next.reply.is_closed() {
                taken.push(next);
            }
        }
        queue.attended = !taken.is_empty();
        taken
    }
}

/// Empties a queue, one exchange after the other as the limiter allows.
async fn attend(core: Arc<Core>, priority: Priority) {
    sleep(COLLECTING_TIME).await;
    let most = MAX_ITEMS.min(core.limiter.burst(priority) as usize);
    loop {
        let slot = core.limiter.enter(priority).await;
        let waiting = core.batch.take(priority, most);
        if waiting.is_empty() {
            return;
        }
        match slot {
            Ok(slot) => {
                tokio::spawn(deliver(Arc::clone(&core), slot, waiting));
            }
            Err(too_long) => {
                for item in waiting {
                    answer(item, Reply::Plain(Err(closed(too_long))));
                }
            }
        }
    }
}

async fn deliver(core: Arc<Core>, slot: Slot, mut waiting: Vec<Waiting>) {
    if waiting.len() == 1
        && let Some(item) = waiting.pop()
    {
        let result = core.send(&item.call, &slot, 1).await;
        return answer(item, Reply::Plain(result));
    }
    if core.batch.is_refused() {
        for item in waiting {
            answer(item, Reply::Refused);
        }
        return;
    }
    let started = Instant::now();
    let result = exchange(&core, &slot, &waiting).await;
    drop(slot);
    match result {
        Ok((items, date)) => settle(&core, waiting, items, date.as_deref(), started),
        Err(error) if matches!(error.status(), Some(400 | 404 | 405 | 501)) => {
            core.batch.refuse(core.tenant_id());
            for item in waiting {
                answer(item, Reply::Refused);
            }
        }
        Err(error) => {
            for item in waiting {
                answer(item, Reply::Plain(Err(error.clone())));
            }
        }
    }
}

#[derive(Serialize)]
struct BatchRequest<'a> {
    requests: Vec<ItemRequest<'a>>,
}

#[derive(Serialize)]
struct ItemRequest<'a> {
    id: String,
    method: &'static str,
    url: &'a str,
    headers: HashMap<&'static str, String>,
}

#[derive(Deserialize)]
struct BatchAnswer {
    responses: Vec<ItemAnswer>,
}

#[derive(Deserialize)]
struct ItemAnswer {
    id: String,
    status: u16,
    #[serde(default)]
    headers: Option<HashMap<String, Value>>,
    #[serde(default)]
    body: Option<Value>,
}

/// Sends the batch, with one new sign-in if the token is not accepted. Returns the items and the answer's date.
async fn exchange(
    core: &Core,
    slot: &Slot,
    waiting: &[Waiting],
) -> Result<(Vec<ItemAnswer>, Option<String>), GraphError> {
    let base = core.api.path().trim_end_matches('/');
    let urls: Vec<String> = waiting
        .iter()
        .map(|item| {
            let url = &item.call.url;
            let path = url.path().strip_prefix(base).unwrap_or(url.path());
            url.query()
                .map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"))
        })
        .collect();
    let requests = urls
        .iter()
        .zip(waiting)
        .enumerate()
        .map(|(number, (url, item))| ItemRequest {
            id: number.to_string(),
            method: "GET",
            url,
            headers: HashMap::from([("client-request-id", item.call.id.to_string())]),
        })
        .collect();
    let body = serde_json::to_vec(&BatchRequest { requests })
        .map_err(|_| GraphError::Invalid("the batch could not be written".to_owned()))?;
    let url = core
        .api
        .join("$batch")
        .map_err(|_| GraphError::Invalid("the batch has no address".to_owned()))?;
    let call = Call {
        method: Method::POST,
        url,
        class: EndpointClass::Batch,
        intent: Intent::Read,
        priority: Priority::Background,
        body: Some(body),
        id: Uuid::new_v4(),
    };
    let calls = u32::try_from(waiting.len()).unwrap_or(u32::MAX);
    let mut result = core.send(&call, slot, calls).await;
    if result.as_ref().is_err_and(GraphError::is_unauthorized) {
        result = core.send(&call, slot, calls).await;
    }
    let answer = result?;
    let date = answer.date.clone();
    let batch: BatchAnswer = answer.parse(&call)?;
    Ok((batch.responses, date))
}

/// Gives every waiting read its item. Items come in any order; one that is missing counts as cut off.
fn settle(
    core: &Core,
    waiting: Vec<Waiting>,
    items: Vec<ItemAnswer>,
    date: Option<&str>,
    started: Instant,
) {
    let mut items: HashMap<String, ItemAnswer> = items
        .into_iter()
        .map(|item| (item.id.clone(), item))
        .collect();
    for (number, read) in waiting.into_iter().enumerate() {
        let class = read.call.class;
        let Some(item) = items.remove(&number.to_string()) else {
            let missing = GraphError::Unreadable {
                class,
                what: "it is missing from the batch".to_owned(),
                status: 200,
                request_id: None,
                write: false,
            };
            answer(read, Reply::Item(Err(missing)));
            continue;
        };
        let headers = item.headers.unwrap_or_default();
        let get = |name: &str| {
            let (_, value) = headers
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))?;
            value.as_str()
        };
        let found = Answer {
            status: item.status,
            headers: AnswerHeaders::read(get, date),
            body: AnswerBody::Json(item.body.unwrap_or_default()),
            date: None,
        };
        core.limiter.learn(found.status, &found.headers);
        let outcome = Outcome::of_status(found.status);
        core.observer.call(class, outcome, started.elapsed());
        tracing::debug!(
            method = "GET",
            class = class.as_str(),
            outcome = outcome.as_str(),
            status = found.status,
            request_id = found.headers.request_id,
            client_request_id = %read.call.id,
            "graph call in a batch"
        );
        let result = http::judge(found, Intent::Read);
        answer(read, Reply::Item(result));
    }
}

/// A caller that no longer waits needs no answer.
fn answer(waiting: Waiting, reply: Reply) {
    let _ = waiting.reply.send(reply);
}
