//! Starting, holding and stopping a simulator.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

use crate::admin::{Admin, AdminError};
use crate::behaviour::Behaviour;
use crate::clock::VirtualClock;
use crate::core::Core;
use crate::directory::{Class, Object};
use crate::engine::Actor;
use crate::engine::target::Service;
use crate::estate::Estate;
use crate::faults::Faults;
use crate::http;
use crate::lock::lock;
use crate::state;
use crate::token::{DelegatedToken, Issue, Subject, Tokens};
use crate::traffic::Traffic;
use crate::types::{
    Access, Kind, PolicyView, RequestView, RoleRequestView, RoleScheduleView, ScheduleView,
};
use crate::world::World;

/// How a simulator is started. The default listens on a free loopback port, without TLS, serves the
/// story of [`Estate::contoso`], keeps no traffic, and behaves as [`Behaviour::default`].
#[derive(Debug, Clone)]
pub struct SimulatorConfig {
    /// Where to listen; port 0: any free port.
    pub listen: SocketAddr,
    /// Certificate and key; none: plain HTTP.
    pub tls: Option<TlsFiles>,
    /// What is there at the start.
    pub estate: Estate,
    /// File for the traffic log.
    pub traffic_log: Option<PathBuf>,
    /// Whether to keep the last 20,000 exchanges in memory (see [`Traffic::entries`]).
    pub keep_traffic: bool,
    /// Delays, limits and oddities.
    pub behaviour: Behaviour,
}

/// PEM text of a certificate chain and its key.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// Certificates, leaf first.
    pub certificate_pem: String,
    /// Private key.
    pub key_pem: String,
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self::new(Estate::contoso())
    }
}

impl SimulatorConfig {
    /// The default for an estate, with the behaviour that the estate asks for.
    #[must_use]
    pub fn new(estate: Estate) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: None,
            behaviour: estate.behaviour.clone().unwrap_or_default(),
            estate,
            traffic_log: None,
            keep_traffic: false,
        }
    }
}

/// Why a simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is not free, or the log cannot be written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Something in the estate names something that is not there.
    #[error("the estate does not fit together: {0}")]
    Estate(#[from] AdminError),
    /// The certificate or its key is no good.
    #[error("the TLS certificate or key cannot be used: {0}")]
    Tls(String),
    /// No signing key for tokens.
    #[error("no signing key: {0}")]
    Key(String),
}

/// A running simulator. Clones are handles to the same one.
#[derive(Clone)]
pub struct Simulator {
    core: Arc<Core>,
    stop: watch::Sender<bool>,
}

impl Simulator {
    /// Starts a simulator on the current tokio runtime.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(config: SimulatorConfig) -> Result<Self, StartError> {
        let tls = config.tls.as_ref().map(acceptor).transpose()?;
        let clock = VirtualClock::new();
        let world = World::build(config.estate, config.behaviour, clock.now())?;
        let listener = TcpListener::bind(config.listen).await?;
        let core = Arc::new(Core {
            world: Mutex::new(world),
            clock,
            faults: Faults::default(),
            traffic: Traffic::open(config.traffic_log.as_deref(), config.keep_traffic)?,
            tokens: Tokens::new().map_err(|error| StartError::Key(error.to_string()))?,
            scheme: if tls.is_some() { "https" } else { "http" },
            address: listener.local_addr()?,
        });
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(http::accept(listener, tls, core.clone(), stopped));
        Ok(Self { core, stop })
    }

    /// `http://127.0.0.1:PORT`, the root of Graph and of the sign-in service.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.core.scheme, self.core.address)
    }

    /// The virtual clock.
    #[must_use]
    pub fn clock(&self) -> VirtualClock {
        self.core.clock.clone()
    }

    /// The queue of faults.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.core.faults.clone()
    }

    /// The administrator's and people's hands.
    #[must_use]
    pub fn admin(&self) -> Admin {
        Admin::new(self.core.clone())
    }

    /// The record of traffic.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.core.traffic.clone()
    }

    /// Rows of groups that have not ended, scheduled ones included, without replication delays.
    #[must_use]
    pub fn schedules(&self, kind: Kind) -> Vec<ScheduleView> {
        let now = self.core.clock.now();
        let mut world = lock(&self.core.world);
        let groups = world.pim.resources(Service::Groups);
        world.settle(&groups, now);
        state::schedules(&world, kind, now)
    }

    /// Rows of roles that have not ended, scheduled ones included, without replication delays.
    #[must_use]
    pub fn role_schedules(&self, kind: Kind) -> Vec<RoleScheduleView> {
        let now = self.core.clock.now();
        let mut world = lock(&self.core.world);
        let roles = world.pim.resources(Service::Roles);
        world.settle(&roles, now);
        state::role_schedules(&world, kind, now)
    }

    /// All requests about groups, purged ones included, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestView> {
        let now = self.core.clock.now();
        state::requests(&lock(&self.core.world), now)
    }

    /// All requests about roles, purged ones included, oldest first.
    #[must_use]
    pub fn role_requests(&self) -> Vec<RoleRequestView> {
        let now = self.core.clock.now();
        state::role_requests(&lock(&self.core.world), now)
    }

    /// The policy of a group's membership or ownership, without replication delays.
    ///
    /// # Errors
    /// When there is no such group.
    pub fn group_policy(&self, group: &str, access: Access) -> Result<PolicyView, AdminError> {
        let world = lock(&self.core.world);
        Ok(world.policy_view(world.group_policy(group, access)?))
    }

    /// The policy of a directory role, by id or display name.
    ///
    /// # Errors
    /// When there is no such role.
    pub fn role_policy(&self, role: &str) -> Result<PolicyView, AdminError> {
        let world = lock(&self.core.world);
        Ok(world.policy_view(world.role_policy(role)?))
    }

    /// How the simulator behaves now.
    #[must_use]
    pub fn behaviour(&self) -> Behaviour {
        lock(&self.core.world).behaviour.clone()
    }

    /// Changes how the simulator behaves.
    pub fn set_behaviour(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut lock(&self.core.world).behaviour);
    }

    /// A delegated token, to act as a person.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn delegated_token(&self, wanted: &DelegatedToken) -> Result<String, AdminError> {
        issue_delegated(&self.core, wanted, &self.url())
    }

    /// Stops listening and closes all connections.
    // Async so that callers need not change when stopping has to wait for something.
    #[allow(clippy::unused_async)]
    pub async fn stop(self) {
        self.stop.send_replace(true);
    }
}

/// Issues a delegated token.
pub(crate) fn issue_delegated(
    core: &Core,
    wanted: &DelegatedToken,
    base: &str,
) -> Result<String, AdminError> {
    let world = lock(&core.world);
    let oid = world.find(Class::User, &wanted.user)?;
    let upn = world
        .directory
        .get(oid)
        .and_then(|entry| match &entry.object {
            Object::User(user) => Some(user.user_principal_name.clone()),
            _ => None,
        });
    let subject = Subject {
        who: Actor::Person {
            id: oid,
            mfa: wanted.mfa,
            contexts: wanted.acrs.clone(),
        },
        oid,
        // The well-known id of Microsoft's command line tools, as in a real delegated token.
        app_id: Uuid::from_u128(0x14d8_2eec_204b_4c2f_b7e8_296a_70da_b67e),
        permissions: wanted.scopes.clone(),
        upn,
    };
    let issue = Issue {
        tenant: world.tenant.id,
        issuer: format!("{base}/{}/v2.0", world.tenant.id),
        audience: base,
        now: core.clock.now(),
        lifetime: world.behaviour.token_lifetime,
    };
    core.tokens
        .issue(subject, &issue)
        .map_err(|error| AdminError::Refused {
            code: "server_error".to_owned(),
            message: error.to_string(),
        })
}

fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, StartError> {
    let failed = |error: &dyn std::fmt::Display| StartError::Tls(error.to_string());
    let certificates = CertificateDer::pem_slice_iter(files.certificate_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| failed(&error))?;
    let key =
        PrivateKeyDer::from_pem_slice(files.key_pem.as_bytes()).map_err(|error| failed(&error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|error| failed(&error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
