//! The part of `OData` that Graph supports on these sets, and no more.

pub(crate) mod filter;
pub(crate) mod paging;
pub(crate) mod query;
pub(crate) mod shape;
