//! pim-testbed.
