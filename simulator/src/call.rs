//! One Graph call: a plain exchange, or an item of a `$batch`.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::engine::Actor;
use crate::odata::query::Query;
use crate::token::Caller;

pub(crate) struct Call {
    pub method: String,
    /// `v1.0` or `beta`.
    pub version: String,
    /// Path without query, as sent.
    pub path: String,
    pub query: Query,
    pub body: Vec<u8>,
    pub caller: Arc<Caller>,
    /// `http://host` as the caller knows it.
    pub base: String,
    pub now: DateTime<Utc>,
    /// A stale read was ordered.
    pub stale: bool,
    /// `ConsistencyLevel: eventual`.
    pub eventual: bool,
}

impl Call {
    pub fn actor(&self) -> Actor {
        self.caller.actor()
    }
}
