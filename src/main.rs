//! pim-operator.
fn main() {}
