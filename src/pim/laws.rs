//! The laws that hold for every plan, tested on generated cases.
