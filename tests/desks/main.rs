//! The desks of the gateway over a real store: looking up and screening.

mod docket;
mod house;
mod lists;
mod pull;
mod resolve;
mod screen;
mod statistics;
