//! pim-operator.

pub mod api;
pub mod pim;
