//! What a [`GraphClient`](super::GraphClient) needs to know before its first call.

use std::{fmt, sync::Arc, time::Duration};

use url::Url;

use super::{
    auth::AssertionProvider,
    observer::{GraphObserver, NoObserver},
};

/// Everything that tells one tenant's client from another's.
///
/// [`GraphConfig::new`] fills in the values of the global Microsoft cloud; change the public fields for other clouds or a stand-in.
#[derive(Clone)]
pub struct GraphConfig {
    /// Tenant id (GUID) or a verified domain name of the tenant.
    pub tenant_id: String,
    /// Scheme, host and port of Graph, without the version segment. The token's scope is derived from it.
    pub graph_root: Url,
    /// Sign-in host. Always taken from here: the environment variable `AZURE_AUTHORITY_HOST` is ignored.
    pub authority: Url,
    /// How the client proves who it is.
    pub credential: Credential,
    /// How hard the client may push.
    pub limits: Limits,
    /// How long it waits for a single answer.
    pub timeouts: Timeouts,
    /// How often and how long it tries again by itself.
    pub retry: RetryLimits,
    /// Sent as `User-Agent` on every call.
    pub user_agent: String,
    /// Further certificate authorities to trust (PEM, one or more), beside those of the system.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// Is told about every call, for metrics.
    pub metrics: Arc<dyn GraphObserver>,
    /// Is asked just before each write leaves.
    pub permit: Arc<dyn WritePermit>,
}

impl GraphConfig {
    /// The global cloud's endpoints, default limits, no metrics.
    ///
    /// # Errors
    /// [`url::ParseError`] cannot happen for the built-in addresses; it is passed on rather than hidden.
    pub fn new(
        tenant_id: impl Into<String>,
        credential: Credential,
    ) -> Result<Self, url::ParseError> {
        Ok(Self {
            tenant_id: tenant_id.into(),
            graph_root: Url::parse("https://graph.microsoft.com")?,
            authority: Url::parse("https://login.microsoftonline.com")?,
            credential,
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            retry: RetryLimits::default(),
            user_agent: concat!("pim-operator/", env!("CARGO_PKG_VERSION")).to_owned(),
            extra_ca_pem: None,
            metrics: Arc::new(NoObserver),
            permit: Arc::new(Always),
        })
    }
}

impl fmt::Debug for GraphConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphConfig")
            .field("tenant_id", &self.tenant_id)
            .field("graph_root", &self.graph_root.as_str())
            .field("authority", &self.authority.as_str())
            .field("credential", &self.credential)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Whether writes may leave: whoever shares the work with others must not write when it is another's turn.
pub trait WritePermit: Send + Sync {
    /// Whether a write may leave at this moment; must return at once.
    fn may_write(&self) -> bool;
}

/// Writes may always leave.
#[derive(Clone, Copy, Debug, Default)]
pub struct Always;

impl WritePermit for Always {
    fn may_write(&self) -> bool {
        true
    }
}

/// A way to sign in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Credential {
    /// An application and its client secret.
    ClientSecret {
        /// Application (client) id.
        client_id: String,
        /// The secret's value (not its id).
        secret: Secret,
    },
    /// An application and its certificate.
    ClientCertificate {
        /// Application (client) id.
        client_id: String,
        /// The certificate and its RSA private key in PEM.
        pem: Secret,
    },
    /// An application that trusts somebody else's tokens (workload identity federation).
    Assertion {
        /// Application (client) id.
        client_id: String,
        /// Hands out such a token, afresh for each sign-in.
        provider: Arc<dyn AssertionProvider>,
    },
    /// The identity of the machine that the client runs on.
    ManagedIdentity {
        /// Client id of a user-assigned identity; none means the machine's own.
        client_id: Option<String>,
        /// Root of the machine's metadata service.
        endpoint: Url,
    },
}

/// Text that must never be printed: its `Debug` form is `Secret(***)`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps the value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value in the clear, for the one place that sends it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// The most a tenant's client does at once. Both must be at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// HTTP exchanges under way at the same time; a `$batch` is one.
    pub max_concurrency: usize,
    /// Graph calls per second, with a burst of one second's worth; every item of a `$batch` is one.
    pub requests_per_second: u32,
}

impl Default for Limits {
    /// Far below Graph's published limits, as those for PIM are not published.
    fn default() -> Self {
        Self {
            max_concurrency: 8,
            requests_per_second: 20,
        }
    }
}

/// Time limits of one HTTP exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To open the connection, TLS included.
    pub connect: Duration,
    /// From the start of the exchange to the last byte of its answer.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            total: Duration::from_mins(1),
        }
    }
}

/// Bounds of the client's own retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryLimits {
    /// Tries of one call, the first included.
    pub max_attempts: u32,
    /// Longest time spent on retries, counted from the first failure; also the longest wait for a `Retry-After`.
    pub max_elapsed: Duration,
    /// Upper bound of the first random delay; doubles from try to try.
    pub base_delay: Duration,
    /// Upper bound of any random delay.
    pub max_delay: Duration,
}

impl Default for RetryLimits {
    fn default() -> Self {
        Self {
            max_attempts: 5,
            max_elapsed: Duration::from_mins(2),
            base_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(30),
        }
    }
}

/// Who waits for the answer. The limiter keeps a share of its capacity free of [`Priority::Background`] calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// A person's edit. Writes always have this priority.
    Interactive,
    /// Bulk reads: resync, inventory, warm-up.
    Background,
}
