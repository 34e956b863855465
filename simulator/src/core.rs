//! What all connections share.

use std::sync::Mutex;

use crate::clock::VirtualClock;
use crate::faults::Faults;
use crate::token::Tokens;
use crate::traffic::Traffic;
use crate::world::World;

pub(crate) struct Core {
    pub world: Mutex<World>,
    pub clock: VirtualClock,
    pub faults: Faults,
    pub traffic: Traffic,
    pub tokens: Tokens,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Own address, for callers that send no `Host`.
    pub address: std::net::SocketAddr,
}
