//! Tongbao (通报): a mutually authenticated exchange gateway.
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod domain;
pub mod gateway;
pub mod intake;
pub mod proto;
pub mod rpc;
pub mod store;
pub mod tasks;
pub mod telemetry;
pub mod tls;

pub mod wire;
