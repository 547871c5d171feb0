//! Frames: how messages, and application data, are cut out of a stream of bytes.
//!
//! Lengths are checked before anything is kept for them; what does not fit is refused at once.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::Malformed;
use crate::{
    limits::{MAX_DATA, MAX_RECORD_TYPE},
    record::RecordType,
};

/// Messages named in one acknowledgement of application data.
pub const MAX_NOT_TAKEN: usize = 1024;

/// Cuts one frame (`length u32 LE ‖ bytes`) off the buffer; `None` if it is not all there yet.
///
/// # Errors
/// [`Malformed`] if it is longer than `max`.
pub fn next_frame(buffer: &mut BytesMut, max: usize) -> Result<Option<Bytes>, Malformed> {
    let Some(prefix) = buffer.first_chunk::<4>() else { return Ok(None) };
    let len = u32::from_le_bytes(*prefix) as usize;
    if len > max {
        return Err(Malformed);
    }
    let end = len.saturating_add(4);
    if buffer.len() < end {
        make_room(buffer, end);
        return Ok(None);
    }
    buffer.advance(4);
    Ok(Some(buffer.split_to(len).freeze()))
}

/// Length of the frame that comes next, as far as it is known.
pub fn next_length(buffer: &[u8]) -> usize {
    buffer.first_chunk::<4>().map_or(0, |prefix| u32::from_le_bytes(*prefix) as usize)
}

/// Room for some of what is still to come: a mere claim is not worth more.
fn make_room(buffer: &mut BytesMut, len: usize) {
    buffer.reserve(len.saturating_sub(buffer.len()).min(ROOM_AHEAD));
}

/// Bytes kept ready for a frame that has not come yet.
const ROOM_AHEAD: usize = 64 * 1024;

/// Appends application data: `type length u8 ‖ type ‖ length u32 LE ‖ bytes`. Messages are numbered from 1 by their place.
///
/// # Panics
/// If there are more than [`MAX_DATA`] bytes.
pub fn put_data(out: &mut BytesMut, data_type: &RecordType, data: &[u8]) {
    assert!(data.len() <= MAX_DATA, "the caller checks the length");
    let name = data_type.as_str().as_bytes();
    out.reserve(data.len().saturating_add(name.len()).saturating_add(5));
    out.put_u8(u8::try_from(name.len()).expect("a type has at most 64 bytes"));
    out.put_slice(name);
    out.put_u32_le(u32::try_from(data.len()).expect("data is at most 16 MiB"));
    out.put_slice(data);
}

/// What application data says of itself before its bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DataHead {
    /// Its type.
    pub data_type: RecordType,
    /// How many bytes of data follow.
    pub len: usize,
    /// Bytes of the head itself.
    head: usize,
}

impl DataHead {
    /// Bytes of the whole message.
    pub const fn end(&self) -> usize {
        self.head.saturating_add(self.len)
    }
}

/// Reads the head of the message at the front of the buffer; `None` if it is not all there yet.
///
/// # Errors
/// [`Malformed`] if the type is none or the message too long.
pub fn data_head(buffer: &[u8]) -> Result<Option<DataHead>, Malformed> {
    let Some((&name_len, rest)) = buffer.split_first() else { return Ok(None) };
    let name_len = usize::from(name_len);
    if name_len > MAX_RECORD_TYPE {
        return Err(Malformed);
    }
    let Some((name, rest)) = rest.split_at_checked(name_len) else { return Ok(None) };
    let Some(len) = rest.first_chunk::<4>() else { return Ok(None) };
    let len = u32::from_le_bytes(*len) as usize;
    if len > MAX_DATA {
        return Err(Malformed);
    }
    let name = std::str::from_utf8(name).map_err(|_| Malformed)?;
    let data_type = RecordType::new(name).map_err(|_| Malformed)?;
    Ok(Some(DataHead { data_type, len, head: name_len.saturating_add(5) }))
}

/// Cuts one message of application data off the buffer; `None` if it is not all there yet.
///
/// # Errors
/// As [`data_head`].
pub fn next_data(buffer: &mut BytesMut) -> Result<Option<(RecordType, Bytes)>, Malformed> {
    let Some(head) = data_head(buffer)? else { return Ok(None) };
    if buffer.len() < head.end() {
        make_room(buffer, head.end());
        return Ok(None);
    }
    buffer.advance(head.head);
    Ok(Some((head.data_type, buffer.split_to(head.len).freeze())))
}

/// An acknowledgement of application data.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DataAck {
    /// All messages through this number were dealt with.
    pub through: u64,
    /// Those of them that nobody took, at most [`MAX_NOT_TAKEN`].
    pub not_taken: Vec<u64>,
}

impl DataAck {
    /// Appends `through u64 LE ‖ n u16 LE ‖ n × u64 LE`.
    ///
    /// # Panics
    /// If too many are named.
    pub fn put(&self, out: &mut BytesMut) {
        assert!(self.not_taken.len() <= MAX_NOT_TAKEN, "the caller counts");
        out.put_u64_le(self.through);
        out.put_u16_le(u16::try_from(self.not_taken.len()).expect("at most 1,024"));
        self.not_taken.iter().for_each(|number| out.put_u64_le(*number));
    }

    /// Cuts one off the buffer; `None` if it is not all there yet.
    ///
    /// # Errors
    /// [`Malformed`] if too many are named, or one beyond what is acknowledged.
    pub fn next(buffer: &mut BytesMut) -> Result<Option<Self>, Malformed> {
        if buffer.len() < 10 {
            return Ok(None);
        }
        let through = u64::from_le_bytes(buffer[..8].try_into().expect("eight bytes"));
        let count = usize::from(u16::from_le_bytes([buffer[8], buffer[9]]));
        if count > MAX_NOT_TAKEN {
            return Err(Malformed);
        }
        if buffer.len() < count.saturating_mul(8).saturating_add(10) {
            return Ok(None);
        }
        buffer.advance(10);
        let not_taken: Vec<u64> = (0..count).map(|_| buffer.get_u64_le()).collect();
        if not_taken.iter().any(|number| *number > through) {
            return Err(Malformed);
        }
        Ok(Some(Self { through, not_taken }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds bytes in pieces and takes out whatever is whole.
    fn in_pieces<T>(
        bytes: &[u8],
        cuts: &[usize],
        next: impl Fn(&mut BytesMut) -> Result<Option<T>, Malformed>,
    ) -> Vec<T> {
        let (mut buffer, mut found, mut at) = (BytesMut::new(), Vec::new(), 0);
        for cut in cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([bytes.len()]) {
            if cut > at {
                buffer.extend_from_slice(&bytes[at..cut]);
                at = cut;
            }
            while let Some(value) = next(&mut buffer).unwrap() {
                found.push(value);
            }
        }
        assert!(buffer.is_empty());
        found
    }

    proptest! {
        #[test]
        fn what_is_put_comes_out_however_it_is_cut(
            messages in prop::collection::vec(("[a-z][a-z.]{0,63}", prop::collection::vec(any::<u8>(), 0..200)), 0..8),
            acks in prop::collection::vec((any::<u64>(), prop::collection::vec(0.0..1.0, 0..9)), 0..8),
            mut cuts in prop::collection::vec(any::<usize>(), 0..20),
        ) {
            let mut bytes = BytesMut::new();
            let messages: Vec<(RecordType, Bytes)> =
                messages.into_iter().map(|(t, d)| (RecordType::new(&t).unwrap(), d.into())).collect();
            messages.iter().for_each(|(data_type, data)| put_data(&mut bytes, data_type, data));
            cuts.sort_unstable_by_key(|cut| cut % (bytes.len() + 1));
            prop_assert_eq!(in_pieces(&bytes, &cuts, next_data), messages);

            let mut bytes = BytesMut::new();
            let acks: Vec<DataAck> = acks
                .into_iter()
                .map(|(through, shares)| {
                    let not_taken = shares.into_iter().map(|share: f64| (through as f64 * share / 2.0) as u64).collect();
                    DataAck { through, not_taken }
                })
                .collect();
            acks.iter().for_each(|ack| ack.put(&mut bytes));
            cuts.sort_unstable_by_key(|cut| cut % (bytes.len() + 1));
            prop_assert_eq!(in_pieces(&bytes, &cuts, DataAck::next), acks);
        }

        #[test]
        fn frames_come_out_however_they_are_cut(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..8),
            mut cuts in prop::collection::vec(any::<usize>(), 0..20),
        ) {
            let mut bytes = BytesMut::new();
            for frame in &frames {
                bytes.put_u32_le(frame.len() as u32);
                bytes.put_slice(frame);
            }
            cuts.sort_unstable_by_key(|cut| cut % (bytes.len() + 1));
            prop_assert_eq!(in_pieces(&bytes, &cuts, |buffer| next_frame(buffer, 100)), frames);
        }
    }

    #[test]
    fn s16_claims_beyond_the_limits_are_refused_before_the_bytes_come() {
        let refused = |bytes: &[u8]| {
            let mut buffer = BytesMut::from(bytes);
            next_frame(&mut buffer, 99).is_err()
        };
        let mut claim = BytesMut::from(&(60u32 << 20).to_le_bytes()[..]);
        assert_eq!(next_frame(&mut claim, 61 << 20), Ok(None));
        assert!(claim.capacity() <= 2 * ROOM_AHEAD, "{} bytes for a claim", claim.capacity());
        assert!(refused(&100u32.to_le_bytes()));
        assert!(!refused(&99u32.to_le_bytes()));
        let long = [&[1][..], b"a", &(MAX_DATA as u32 + 1).to_le_bytes()].concat();
        assert_eq!(next_data(&mut BytesMut::from(&long[..])), Err(Malformed));
        assert_eq!(next_data(&mut BytesMut::from(&[65][..])), Err(Malformed));
        let bad_name = [&[1][..], b" ", &0u32.to_le_bytes()].concat();
        assert_eq!(next_data(&mut BytesMut::from(&bad_name[..])), Err(Malformed));
        let many = [&[0; 8][..], &1025u16.to_le_bytes()].concat();
        assert_eq!(DataAck::next(&mut BytesMut::from(&many[..])), Err(Malformed));
        let beyond = [&5u64.to_le_bytes()[..], &1u16.to_le_bytes(), &6u64.to_le_bytes()].concat();
        assert_eq!(DataAck::next(&mut BytesMut::from(&beyond[..])), Err(Malformed));
    }
}
