//! `Deliveries`, written by hand: a client reads messages, the gateway writes records whose bytes it has made already, once for all
//! who receive them. On the wire both are the same.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes};
use prost::{
    DecodeError, Message,
    encoding::{DecodeContext, WireType, encode_key, encode_varint, encoded_len_varint, key_len, message, skip_field},
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
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EncodedDelivery {
    /// The bytes of the record, in pieces that follow each other: what is large is shared, not copied.
    pub record: Arc<[Bytes]>,
    /// The other fields.
    pub marks: DeliveryMarks,
}

/// The fields of a `Delivery` beside its record.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct DeliveryMarks {
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

/// The field of a `Delivery` that holds its record.
const RECORD: u32 = 1;

impl EncodedDelivery {
    fn record_len(&self) -> usize {
        self.record.iter().map(Bytes::len).sum()
    }
}

impl Message for EncodedDelivery {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        encode_key(RECORD, WireType::LengthDelimited, buf);
        encode_varint(self.record_len() as u64, buf);
        self.record.iter().for_each(|piece| buf.put_slice(piece));
        self.marks.encode_raw(buf);
    }

    /// It is written alone: what is read is a `Delivery`.
    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        skip_field(wire_type, tag, buf, context)
    }

    fn encoded_len(&self) -> usize {
        let length = self.record_len();
        key_len(RECORD) + encoded_len_varint(length as u64) + length + self.marks.encoded_len()
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
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
