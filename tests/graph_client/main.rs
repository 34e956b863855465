//! The Graph client against the simulator, which was written from the same facts by other hands.
#![allow(clippy::unwrap_used, missing_docs)]

mod batches;
mod faults;
mod lifecycle;
mod setup;
mod tls;
