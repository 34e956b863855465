//! pim-operator.
