//! An in-memory stand-in for Microsoft Graph's Privileged Identity Management.
//!
//! It speaks HTTP like Graph and the Microsoft sign-in service do, copies the awkward behaviour that
//! was documented or measured on live tenants, and shares no type with any client, so that it cannot
//! share a client's mistakes either. Time is virtual: a test jumps ahead instead of waiting.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use pim_simulator::{Access, Kind, Simulator, SimulatorConfig, Window};
//!
//! let simulator = Simulator::start(SimulatorConfig::default()).await?;
//! let admin = simulator.admin();
//! admin.assign(Kind::Eligibility, "payments-ops", "alice@contoso.com", Access::Member, Window::days(30))?;
//! simulator.clock().advance(std::time::Duration::from_secs(31 * 86_400));
//! println!("Graph is at {}/v1.0", simulator.url());
//! # Ok(()) }
//! ```
//!
//! # Where things are
//!
//! An HTTP exchange comes in at `http`, meets its fault and its log line in `exchange` (or `batch`),
//! and is routed by `router` to `engine` (PIM for groups and roles), `policies`, `directory` or `token`. All
//! state is in `world`, behind one lock. `control` serves `/_simulator/*`; [`Admin`] does what people do in the
//! portal. Each rule of PIM sits in a file of its own under `engine`.

mod admin;
mod answer;
mod batch;
mod behaviour;
mod call;
mod clock;
mod control;
mod core;
mod directory;
pub mod duration;
mod engine;
mod error;
mod estate;
mod exchange;
mod faults;
mod http;
mod lock;
mod odata;
mod permissions;
mod policies;
mod router;
mod simulator;
mod state;
mod timestamp;
mod token;
mod traffic;
mod types;
mod world;

pub use admin::{Admin, AdminError, Grant, Operation, RoleGrant};
pub use behaviour::{
    BatchSupport, Behaviour, GroupExpansion, PolicyMessageForm, RoleApprovers, UnfilteredList,
};
pub use clock::VirtualClock;
pub use engine::{ActivationRules, AdminRules, Policy, Requirement};
pub use estate::{
    AdministrativeUnitSeed, ApplicationSeed, CertificateSeed, Estate, EstateError,
    FederatedCredentialSeed, GenerateSeed, GroupPolicySeed, GroupSeed, IssuerSeed, ManagedIdentity,
    RoleAssignmentSeed, RoleDefinitionSeed, RolePolicySeed, RoleScheduleSeed, ScheduleSeed,
    SecretSeed, ServicePrincipalSeed, TenantSeed, UserSeed,
};
pub use faults::{Fault, FaultError, FaultKind, Faults};
pub use policies::PolicyScope;
pub use policies::contexts::AuthenticationContextSeed;
pub use policies::edit::{ActivationRulesPatch, AdminRulesPatch, PolicyPatch};
pub use simulator::{Simulator, SimulatorConfig, StartError, TlsFiles};
pub use token::DelegatedToken;
pub use traffic::{Counts, Exchange, Mark, Traffic};
pub use types::{
    Access, Kind, PolicyView, RequestView, RoleRequestView, RoleScheduleView, ScheduleView, Window,
};
