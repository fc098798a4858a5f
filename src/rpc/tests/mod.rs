//! The door over real TLS on loopback.

mod harness;
mod identity;
mod limits;
mod tokens;
mod trust;
