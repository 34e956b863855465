//! The client: how a call finds its way through limiter, batch, sign-in and retries.

use std::{fmt, sync::Arc};

use reqwest::Method;
use serde::{Deserialize, de::DeserializeOwned};
use tokio::time::sleep;
use tracing::Instrument;
use url::Url;
use uuid::Uuid;

use super::{
    auth::{TokenIdentity, TokenSource},
    batch::{Coalescer, Reply},
    config::{GraphConfig, Limits, Priority, RetryLimits, WritePermit},
    error::{GraphError, Intent},
    http::{self, Answer, Call},
    limiter::{Closed, Limiter, Slot},
    observer::{EndpointClass, GraphObserver, SPANS},
    retry::Retries,
};

/// Pages of one list; far more than any group or tenant has, so that a list that never ends is noticed.
const MAX_PAGES: usize = 10_000;

/// A tenant's Graph client. Clones share token, limiter and connections.
///
/// Reads have [`Priority::Background`] unless the client was taken through [`GraphClient::with_priority`]; writes are always
/// interactive. All methods need a tokio runtime. After a change of the credential, build a new client.
#[derive(Clone)]
pub struct GraphClient {
    pub(super) core: Arc<Core>,
    pub(super) priority: Priority,
}

/// What the clones share.
pub(super) struct Core {
    /// Scheme, host and port with `/v1.0/`.
    pub(super) api: Url,
    http: reqwest::Client,
    pub(super) tokens: TokenSource,
    pub(super) limiter: Arc<Limiter>,
    limits: Limits,
    pub(super) batch: Coalescer,
    retry: RetryLimits,
    pub(super) observer: Arc<dyn GraphObserver>,
    permit: Arc<dyn WritePermit>,
    tenant_id: String,
}

#[derive(Deserialize)]
struct Page<T> {
    value: Vec<T>,
    #[serde(rename = "@odata.nextLink")]
    next_link: Option<String>,
}

impl GraphClient {
    /// Sets up a client without calling anybody.
    ///
    /// # Errors
    /// [`GraphError::Invalid`] for settings that cannot work.
    pub fn new(config: GraphConfig) -> Result<Self, GraphError> {
        Self::build(config, None)
    }

    /// A client with other settings, usually another credential, in the place of this one. What Graph asked for in the way of
    /// pauses, and what is left of the limits, is carried over: a new secret is no reason to press a tenant that throttles.
    ///
    /// # Errors
    /// [`GraphError::Invalid`] for settings that cannot work.
    pub fn replaced_by(&self, config: GraphConfig) -> Result<Self, GraphError> {
        let kept = (config.limits == self.core.limits && config.retry == self.core.retry)
            .then(|| Arc::clone(&self.core.limiter));
        Self::build(config, kept)
    }

    fn build(config: GraphConfig, kept: Option<Arc<Limiter>>) -> Result<Self, GraphError> {
        let http = http::client(&config)?;
        let tokens = TokenSource::new(&config, http.clone())?;
        let fresh = || {
            Limiter::new(
                config.limits,
                config.retry.max_elapsed,
                Arc::clone(&config.metrics),
            )
        };
        let limiter = kept
            .or_else(fresh)
            .ok_or_else(|| invalid("the limits must allow at least one call"))?;
        if config.retry.max_attempts == 0 {
            return Err(invalid("the retry limits must allow at least one try"));
        }
        if !config.graph_root.has_host() || !config.authority.has_host() {
            return Err(invalid(
                "the addresses of Graph and of the authority must have a scheme and a host",
            ));
        }
        let mut api = config.graph_root.clone();
        api.set_path(&format!("{}/v1.0/", api.path().trim_end_matches('/')));
        Ok(Self {
            core: Arc::new(Core {
                api,
                http,
                tokens,
                limiter,
                limits: config.limits,
                batch: Coalescer::default(),
                retry: config.retry,
                observer: config.metrics,
                permit: config.permit,
                tenant_id: config.tenant_id,
            }),
            priority: Priority::Background,
        })
    }

    /// The same client with another priority for reads.
    #[must_use]
    pub fn with_priority(&self, priority: Priority) -> Self {
        Self {
            core: Arc::clone(&self.core),
            priority,
        }
    }

    /// Whether Graph refused reads in `$batch`; reads are sent one by one since then.
    #[must_use]
    pub fn batch_refused(&self) -> bool {
        self.core.batch.is_refused()
    }

    /// Signs in if necessary and says as whom.
    ///
    /// # Errors
    /// [`GraphError::SignIn`].
    pub async fn identity(&self) -> Result<TokenIdentity, GraphError> {
        let mut retries = Retries::new(self.core.retry, Intent::Read);
        loop {
            match self.core.tokens.identity().await {
                Ok(identity) => return Ok(identity),
                Err(error) => match retries.after(&error) {
                    Some(delay) => sleep(delay).await,
                    None => return Err(error),
                },
            }
        }
    }

    /// As whom the client is signed in now, if it is; nobody is asked, and nobody is waited for.
    #[must_use]
    pub fn known_identity(&self) -> Option<TokenIdentity> {
        self.core.tokens.known_identity()
    }

    /// Signs in anew, whatever is left of the present token: permissions that were granted since it was issued come with a new
    /// one only.
    ///
    /// # Errors
    /// [`GraphError::SignIn`].
    pub async fn renewed_identity(&self) -> Result<TokenIdentity, GraphError> {
        self.core.tokens.forget().await;
        self.identity().await
    }

    /// Address below `/v1.0/`; segments are escaped, the query has to be already.
    pub(super) fn url(&self, segments: &[&str], query: Option<&str>) -> Url {
        let mut url = self.core.api.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url.set_query(query);
        url
    }

    /// A read of one thing.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        class: EndpointClass,
        url: Url,
    ) -> Result<T, GraphError> {
        let call = self.read(class, url);
        self.core
            .run(&call, true, |answer| answer.parse(&call))
            .await
    }

    /// A read of one thing that may not exist.
    pub(super) async fn get_optional<T: DeserializeOwned>(
        &self,
        class: EndpointClass,
        url: Url,
    ) -> Result<Option<T>, GraphError> {
        match self.get(class, url).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A read of all pages of a list: whole or an error.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        class: EndpointClass,
        url: Url,
    ) -> Result<Vec<T>, GraphError> {
        let first = self.get(class, url).await?;
        self.rest_of_list(class, first).await
    }

    /// As [`GraphClient::list`], for a list that is asked for with a body.
    pub(super) async fn list_by_post<T: DeserializeOwned>(
        &self,
        class: EndpointClass,
        url: Url,
        body: Vec<u8>,
    ) -> Result<Vec<T>, GraphError> {
        let mut call = self.read(class, url);
        call.method = Method::POST;
        call.body = Some(body);
        let first = self
            .core
            .run(&call, false, |answer| answer.parse(&call))
            .await?;
        self.rest_of_list(class, first).await
    }

    /// A write: sent once, repeated only after 401 and 429.
    pub(super) async fn write<T>(
        &self,
        call: Call,
        read: impl Fn(Answer, &Call) -> Result<T, GraphError>,
    ) -> Result<T, GraphError> {
        self.core
            .run(&call, false, |answer| read(answer, &call))
            .await
    }

    fn read(&self, class: EndpointClass, url: Url) -> Call {
        Call {
            method: Method::GET,
            url,
            class,
            intent: Intent::Read,
            priority: self.priority,
            body: None,
            id: Uuid::new_v4(),
        }
    }

    async fn rest_of_list<T: DeserializeOwned>(
        &self,
        class: EndpointClass,
        first: Page<T>,
    ) -> Result<Vec<T>, GraphError> {
        let mut rows = first.value;
        let mut next = first.next_link;
        for _ in 0..MAX_PAGES {
            let Some(link) = next else {
                return Ok(rows);
            };
            let url = Url::parse(&link)
                .ok()
                .filter(|url| url.origin() == self.core.api.origin())
                .ok_or(GraphError::ForeignNextLink { class })?;
            let call = self.read(class, url);
            let page: Page<T> = self
                .core
                .run(&call, false, |answer| answer.parse(&call))
                .await?;
            rows.extend(page.value);
            next = page.next_link;
        }
        Err(GraphError::Unreadable {
            class,
            what: "the list does not end".to_owned(),
            status: 200,
            request_id: None,
            write: false,
        })
    }
}

impl Core {
    /// Runs a call to its end, in a span of its own. Nothing of its address is in the span: it names people and groups.
    async fn run<T>(
        self: &Arc<Self>,
        call: &Call,
        batchable: bool,
        read: impl Fn(Answer) -> Result<T, GraphError>,
    ) -> Result<T, GraphError> {
        let span = tracing::info_span!(
            target: SPANS,
            "graph call",
            otel.name = call.class.as_str(),
            otel.kind = "client",
            otel.status_code = tracing::field::Empty,
            http.request.method = call.method.as_str(),
            http.response.status_code = tracing::field::Empty,
            error.type = tracing::field::Empty,
            entrapim.tenant_id = self.tenant_id,
            entrapim.endpoint = call.class.as_str(),
            entrapim.client_request_id = %call.id,
        );
        let result = self
            .run_to_its_end(call, batchable, read)
            .instrument(span.clone())
            .await;
        if let Err(error) = &result {
            span.record("otel.status_code", "ERROR");
            span.record("error.type", error.code().unwrap_or("NoUsableAnswer"));
            if let Some(status) = error.status() {
                span.record("http.response.status_code", status);
            }
        }
        result
    }

    /// Retries, and the one new sign-in after a 401.
    async fn run_to_its_end<T>(
        self: &Arc<Self>,
        call: &Call,
        batchable: bool,
        read: impl Fn(Answer) -> Result<T, GraphError>,
    ) -> Result<T, GraphError> {
        let mut retries = Retries::new(self.retry, call.intent);
        let mut signed_in_again = false;
        // Only the first try goes through the batch: what failed there is asked for on its own.
        let mut batchable = batchable;
        loop {
            let answer = if batchable && !self.batch.is_refused() {
                self.with_others(call).await
            } else {
                self.alone(call).await
            };
            batchable = false;
            let error = match answer.and_then(&read) {
                Ok(value) => return Ok(value),
                Err(error) => error.naming_permission(call.class),
            };
            // A 401 comes before anything is done, so that even a write may go out again with a new token.
            if error.is_unauthorized() && !signed_in_again {
                signed_in_again = true;
                continue;
            }
            match retries.after(&error) {
                Some(delay) => sleep(delay).await,
                None => return Err(error),
            }
        }
    }

    /// Sends a read together with others that are due.
    async fn with_others(self: &Arc<Self>, call: &Call) -> Result<Answer, GraphError> {
        match self.batch.submit(self, call.clone()).await {
            Reply::Refused => self.alone(call).await,
            // The batch itself was let in: ask again before the token is thrown away.
            Reply::Item(Err(error)) if error.is_unauthorized() => self.alone(call).await,
            Reply::Item(Err(error)) if is_unexplained(&error) => {
                let result = self.alone(call).await;
                if result.is_ok() {
                    self.batch.refuse(&self.tenant_id);
                }
                result
            }
            Reply::Plain(result) | Reply::Item(result) => result,
        }
    }

    async fn alone(self: &Arc<Self>, call: &Call) -> Result<Answer, GraphError> {
        let slot = self.limiter.enter(call.priority).await.map_err(closed)?;
        self.send(call, &slot, 1).await
    }

    /// One exchange that carries this many Graph calls.
    pub(super) async fn send(
        &self,
        call: &Call,
        slot: &Slot,
        calls: u32,
    ) -> Result<Answer, GraphError> {
        slot.spend(calls).await.map_err(closed)?;
        let bearer = self.tokens.bearer().await?;
        // The last thing before it leaves: the wait for a slot or a token may have been long.
        let permit = (call.intent != Intent::Read).then_some(&self.permit);
        if permit.is_some_and(|permit| !permit.may_write()) {
            return Err(GraphError::Withheld);
        }
        let answer =
            http::exchange(&self.http, call, &bearer, self.observer.as_ref(), permit).await?;
        self.limiter.learn(answer.status, &answer.headers);
        if answer.status == 401 {
            self.tokens.discard(bearer.serial).await;
        }
        http::judge(answer, call.intent)
    }

    pub(super) fn tenant_id(&self) -> &str {
        &self.tenant_id
    }
}

/// The error for a pause that is too long to wait for.
pub(super) fn closed(closed: Closed) -> GraphError {
    GraphError::Throttled {
        retry_after: closed.remaining,
        request_id: None,
    }
}

fn is_unexplained(error: &GraphError) -> bool {
    matches!(error, GraphError::Refused(refusal) if refusal.is_unexplained())
}

fn invalid(text: &str) -> GraphError {
    GraphError::Invalid(text.to_owned())
}

impl fmt::Debug for GraphClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphClient")
            .field("tenant_id", &self.core.tenant_id)
            .field("priority", &self.priority)
            .finish_non_exhaustive()
    }
}
