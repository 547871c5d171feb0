//! Where somebody comes from, as far as that costs something to change.

use std::net::IpAddr;

/// A range of addresses: keys of nodes are free, addresses are not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Source {
    /// The first 24 bits of an IPv4 address.
    V4([u8; 3]),
    /// The first 48 bits of an IPv6 address.
    V6([u8; 6]),
    /// All who come by relays: where from, only the relay knows.
    Relay,
}

impl Source {
    /// This range if its addresses are public, `None` for those that are the same in many networks, as at home, behind a carrier's
    /// router or on one machine, and for relays: who comes from there has little in common.
    pub const fn public(self) -> Option<Self> {
        let local = match self {
            Self::Relay => true,
            Self::V4([a, b, c]) => match a {
                0 | 10 | 127 => true,
                100 => b & 0xc0 == 64,
                169 => b == 254,
                172 => b & 0xf0 == 16,
                192 => b == 168 || (b == 0 && c == 0),
                _ => false,
            },
            Self::V6([a, b, ..]) => a & 0xfe == 0xfc || (a == 0xfe && b & 0xc0 == 0x80) || (a == 0 && b == 0),
        };
        if local { None } else { Some(self) }
    }
}

impl From<IpAddr> for Source {
    fn from(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(ip) => {
                let [a, b, c, d, e, f, ..] = ip.octets();
                Self::V6([a, b, c, d, e, f])
            }
        }
    }
}
