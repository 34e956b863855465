//! pim-simulator.
