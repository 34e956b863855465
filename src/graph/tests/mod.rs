//! The whole client against a small scripted HTTP server. The server knows nothing of the client's types.

mod auth;
mod batch;
mod credentials;
mod reads;
mod roles;
mod secrecy;
mod server;
mod throttling;
mod writes;
