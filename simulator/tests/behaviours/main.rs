//! Every behaviour of the simulator, seen through its HTTP interface. A test is named after the
//! behaviour that it pins. None waits for real time: the clock is frozen and moved by hand.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_docs_in_private_items
)]

mod activation;
mod admin_control;
mod approvals;
mod assertions;
mod assign_and_update;
mod batch;
mod bed;
mod command_line;
mod directory;
mod faults;
mod lists;
mod permissions;
mod policy;
mod policy_approvers;
mod policy_bed;
mod policy_changes;
mod policy_control;
mod policy_permissions;
mod policy_reads;
mod removal;
mod replication;
mod role_bed;
mod role_definitions;
mod role_grants;
mod role_lists;
mod role_people;
mod sign_in;
mod time;
mod traffic;
