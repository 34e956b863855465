//! The documentation, held against the code.
//!
//! - `generated.rs`: the pages that are made from the code are those of today; `reference.rs`,
//!   `command_line.rs` and `vocabulary.rs` make them;
//! - `links.rs`: links lead somewhere, and every page can be reached;
//! - `manifests.rs`: YAML in pages is what the schemas take;
//! - `commands.rs`: commands name what exists;
//! - `names.rs`: paths and tests that pages name exist;
//! - `page.rs`: reads a page.
//!
//! No test here uses the network: that an external page exists is not checked, only that its address is well-formed and its host
//! one of those that are named in `links.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed set-up step should fail the test"
)]

mod command_line;
mod commands;
mod generated;
mod links;
mod manifests;
mod names;
mod page;
mod reference;
mod vocabulary;
