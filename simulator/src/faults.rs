//! Faults on order: what goes wrong on a network and in a busy service.
//!
//! Faults wait in a queue. Each exchange (and each item of a `$batch`) takes the first fault whose
//! matcher fits and whose count is not used up; everything else about the exchange stays honest.

use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::lock::lock;

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum FaultKind {
    /// An answer with this status and body, before anything is done.
    Status {
        /// HTTP status.
        status: u16,
        /// JSON body; none: empty.
        #[serde(default)]
        body: Option<Value>,
        /// `Retry-After`, in seconds.
        #[serde(default)]
        retry_after_seconds: Option<u64>,
    },
    /// 429 `TooManyRequests` with `Retry-After`, in seconds or as an HTTP date (virtual time).
    Throttle {
        /// The wait.
        retry_after_seconds: u64,
        /// Write the wait as an HTTP date.
        #[serde(default)]
        as_date: bool,
    },
    /// The connection is closed before anything is done. In a batch: the item answers 504.
    CutBeforeCommit,
    /// The change is made, then the connection is closed. In a batch: the item answers 504.
    CutAfterCommit,
    /// The answer takes this long (real time).
    Slow {
        /// Real milliseconds.
        milliseconds: u64,
    },
    /// The change is made, then the answer takes this long (real time). In a batch: no effect.
    SlowAfterCommit {
        /// Real milliseconds.
        milliseconds: u64,
    },
    /// The change is made; the answer stops half-way through its body.
    TruncatedBody,
    /// The change is made; the answer is this text instead.
    OddBody {
        /// HTTP status, such as 200 or 201.
        status: u16,
        /// The text, JSON or not.
        text: String,
    },
    /// PIM lists and policies answer from before the last write. Only GET calls.
    StaleRead,
    /// Lists answer 200 with `value: []`. Only GET calls.
    EmptyList,
    /// The token endpoint refuses. Only calls to it.
    TokenRefusal {
        /// HTTP status.
        status: u16,
        /// OAuth error, such as `invalid_client`.
        error: String,
        /// AADSTS number, such as `7000215`.
        code: u32,
        /// Text after `AADSTS<code>: `.
        description: String,
    },
}

/// A fault and the exchanges it waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// HTTP method; none: any.
    #[serde(default)]
    pub method: Option<String>,
    /// Part of the path with query; none: any.
    #[serde(default)]
    pub path: Option<String>,
    /// Regular expression over the path with query.
    #[serde(default)]
    pub path_regex: Option<String>,
    /// Part of the request body.
    #[serde(default)]
    pub body: Option<String>,
    /// How many times; none: until cleared.
    #[serde(default = "once")]
    pub times: Option<u32>,
    /// What goes wrong.
    #[serde(flatten)]
    pub kind: FaultKind,
}

// serde's `default` wants the type of the field.
#[allow(clippy::unnecessary_wraps)]
fn once() -> Option<u32> {
    Some(1)
}

impl Fault {
    /// A fault that strikes the next exchange, once.
    #[must_use]
    pub fn new(kind: FaultKind) -> Self {
        Self {
            method: None,
            path: None,
            path_regex: None,
            body: None,
            times: once(),
            kind,
        }
    }

    /// Only exchanges with this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Only paths (with query) that contain this text.
    #[must_use]
    pub fn path(mut self, part: &str) -> Self {
        self.path = Some(part.to_owned());
        self
    }

    /// Only paths (with query) that match this regular expression.
    #[must_use]
    pub fn path_regex(mut self, pattern: &str) -> Self {
        self.path_regex = Some(pattern.to_owned());
        self
    }

    /// Only request bodies that contain this text.
    #[must_use]
    pub fn body(mut self, part: &str) -> Self {
        self.body = Some(part.to_owned());
        self
    }

    /// Strikes this often.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Strikes until it is cleared.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.times = None;
        self
    }
}

/// Why a fault was not taken.
#[derive(Debug, thiserror::Error)]
#[error("the path pattern is not a regular expression: {0}")]
pub struct FaultError(#[from] regex::Error);

#[derive(Debug)]
struct Queued {
    fault: Fault,
    pattern: Option<regex::Regex>,
}

/// The queue of faults. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    queue: Arc<Mutex<Vec<Queued>>>,
}

impl Faults {
    /// Queues a fault.
    ///
    /// # Errors
    /// When `path_regex` is not a regular expression.
    pub fn try_add(&self, fault: Fault) -> Result<(), FaultError> {
        let pattern = fault
            .path_regex
            .as_deref()
            .map(regex::Regex::new)
            .transpose()?;
        lock(&self.queue).push(Queued { fault, pattern });
        Ok(())
    }

    /// Queues a fault. One whose `path_regex` is not a regular expression is reported to the log
    /// and dropped; see [`try_add`](Self::try_add).
    pub fn add(&self, fault: Fault) {
        if let Err(error) = self.try_add(fault) {
            tracing::error!(%error, "fault dropped");
        }
    }

    /// Faults that still wait, with what is left of their count.
    #[must_use]
    pub fn pending(&self) -> Vec<Fault> {
        lock(&self.queue)
            .iter()
            .map(|queued| queued.fault.clone())
            .collect()
    }

    /// Forgets all faults.
    pub fn clear(&self) {
        lock(&self.queue).clear();
    }

    /// Takes the fault for this exchange, if one waits for it.
    pub(crate) fn strike(&self, method: &str, path: &str, body: &[u8]) -> Option<FaultKind> {
        let mut queue = lock(&self.queue);
        if queue.is_empty() {
            return None;
        }
        let at = queue
            .iter()
            .position(|queued| queued.fits(method, path, body))?;
        let queued = queue.get_mut(at)?;
        let kind = queued.fault.kind.clone();
        match &mut queued.fault.times {
            None => {}
            Some(left) if *left > 1 => *left -= 1,
            Some(_) => {
                queue.remove(at);
            }
        }
        Some(kind)
    }
}

impl Queued {
    fn fits(&self, method: &str, path: &str, body: &[u8]) -> bool {
        let fault = &self.fault;
        let meant = match fault.kind {
            FaultKind::TokenRefusal { .. } => path.contains("/oauth2/"),
            FaultKind::StaleRead | FaultKind::EmptyList => method == "GET",
            _ => true,
        };
        meant
            && fault.times != Some(0)
            && fault
                .method
                .as_deref()
                .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && fault.path.as_deref().is_none_or(|part| path.contains(part))
            && self
                .pattern
                .as_ref()
                .is_none_or(|pattern| pattern.is_match(path))
            && fault
                .body
                .as_deref()
                .is_none_or(|part| String::from_utf8_lossy(body).contains(part))
    }
}
