//! The Microsoft Graph client: everything this project says to Graph goes through here.
//!
//! - [`GraphClient`] (`client.rs`) is the way in; `schedules.rs`, `policies.rs` and `directory.rs` hold its calls.
//! - `wire/` has the shapes of bodies, `status.rs` the meaning of request statuses.
//! - `error/` says what went wrong and what to do about it ([`GraphError::advice`]).
//! - `auth/` signs in, `limiter.rs` decides when a call may go out, `retry.rs` whether it goes out again,
//!   `batch.rs` gathers reads into `$batch`, `http.rs` does a single exchange.
//!
//! Two rules hold throughout. A read is whole or an error, never partial. A write is sent once: it is repeated only when
//! Graph said that it did not look at it (401, 429); after any other trouble the caller has to read afresh.

mod auth;
mod batch;
mod client;
mod config;
mod directory;
mod error;
mod http;
mod limiter;
mod observer;
mod policies;
mod retry;
mod schedules;
mod status;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod wire;

pub use auth::{AssertionError, AssertionProvider, TokenFile, TokenIdentity, certificate_end};
pub use client::GraphClient;
pub use config::{
    Always, Credential, GraphConfig, Limits, Priority, RetryLimits, Secret, Timeouts, WritePermit,
};
pub use error::{Advice, GraphError, NoAnswer, Refusal, SignInError};
pub use observer::{EndpointClass, GraphObserver, NoObserver, Outcome, SPANS};
pub use schedules::Listing;
pub use status::{RequestState, classify};
pub use wire::{
    AccessId, AdministrativeUnit, AssignmentType, AuthenticationContextObject, DirectoryObject,
    Expiration, ExpirationType, Family, GroupObject, MemberType, NewRequest, ObjectKind,
    PolicyAssignment, PolicyObject, RequestAction, RoleDefinition, Schedule, ScheduleInfo,
    ScheduleInstance, ScheduleKind, ScheduleRequest, ScheduleTarget, TicketInfo,
};
