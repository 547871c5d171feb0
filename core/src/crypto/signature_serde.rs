//! Signatures as bytes in what is encoded.

use serde::{Deserialize, Deserializer, Serializer, de};

use super::SignatureBytes;

pub(crate) fn serialize<S: Serializer>(signature: &SignatureBytes, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_bytes(signature)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<SignatureBytes, D::Error> {
    <&[u8]>::deserialize(d)?.try_into().map_err(de::Error::custom)
}
