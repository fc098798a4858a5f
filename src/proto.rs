//! The generated protocol code, included once.
#![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated from proto/, where the comments are")]

mod deliveries;

pub use deliveries::{Deliveries, DeliveryMarks, EncodedDelivery};

tonic::include_proto!("tongbao.v1");

/// The encoded descriptor set of everything in `proto/`, for reflection and for the test of the access table.
pub const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("descriptor");
