//! pim-operator: Microsoft Entra Privileged Identity Management as Kubernetes manifests.
//!
//! Dependencies point downward only: [`api`] holds the kinds, [`pim`] decides, [`graph`] talks to Microsoft Graph, and
//! [`controller`] brings them together; [`cli`] is the command line.

pub mod api;
pub mod cli;
pub mod controller;
pub mod graph;
pub mod pim;
