//! `Deliveries`, written by hand: a client reads messages, the gateway writes records whose bytes it has made already, once for all
//! who receive them. On the wire both are the same.

use bytes::{Buf, BufMut, Bytes};
use prost::{
    DecodeError, Message,
    encoding::{DecodeContext, WireType, message, skip_field},
};

use super::{Delivery, Token};

/// The only field.
const DELIVERIES: u32 = 1;

/// Deliveries, recorded before they were sent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Deliveries {
    /// As messages. What is read is all here.
    pub deliveries: Vec<Delivery>,
    /// With records that are encoded; written behind the others.
    pub encoded: Vec<EncodedDelivery>,
}

/// A `Delivery` whose record is encoded.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct EncodedDelivery {
    #[prost(bytes = "bytes", tag = "1")]
    pub record: Bytes,
    #[prost(uint32, tag = "2")]
    pub attempt: u32,
    #[prost(message, optional, tag = "3")]
    pub token: Option<Token>,
    #[prost(int64, tag = "4")]
    pub lease_expires_at_us: i64,
    #[prost(bool, tag = "5")]
    pub recall: bool,
    #[prost(bool, tag = "6")]
    pub redriven: bool,
    #[prost(uint32, tag = "7")]
    pub current_revision: u32,
    #[prost(bool, tag = "8")]
    pub left_filter: bool,
    #[prost(string, tag = "9")]
    pub order_key: String,
}

impl Message for Deliveries {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        message::encode_repeated(DELIVERIES, &self.deliveries, buf);
        message::encode_repeated(DELIVERIES, &self.encoded, buf);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        match tag {
            DELIVERIES => message::merge_repeated(wire_type, &mut self.deliveries, buf, context),
            _ => skip_field(wire_type, tag, buf, context),
        }
    }

    fn encoded_len(&self) -> usize {
        message::encoded_len_repeated(DELIVERIES, &self.deliveries) + message::encoded_len_repeated(DELIVERIES, &self.encoded)
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}
