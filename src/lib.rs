//! pim-operator.

pub mod api;
