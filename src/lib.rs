//! pim-operator.

pub mod graph;
