//! Everything a test, the demo or a bench stands on: a real control plane ([`pim_testbed`]), the Graph simulator
//! ([`pim_simulator`]) and the operator, under one clock.
//!
//! [`Bed`] is a place of its own: a namespace, an `EntraTenant` and a simulator, on a control plane that all
//! tests of a process share. Its Graph traffic is held against Microsoft's shapes when it ends ([`shapes`]). The operator runs
//! in the process of the test ([`Bed::start_operator`]) or as one of its own ([`process`]), which can be killed.

pub mod bed;
pub mod clock;
pub mod detour;
pub mod drill;
mod expect;
pub mod kill_points;
pub mod load;
pub mod operator;
pub mod process;
pub mod shapes;
pub mod yaml;

pub use bed::{Bed, BedOptions};
pub use operator::Operator;
