//! pim-operator.

pub mod api;
pub mod graph;
