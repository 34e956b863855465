//! pim-harness.
