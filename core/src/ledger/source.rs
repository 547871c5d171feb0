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
    /// The range of a public address. `None` for those that are the same in many networks, as at home, behind one carrier's
    /// router or on one machine: who comes from there has little in common.
    pub fn public(ip: IpAddr) -> Option<Self> {
        let ip = ip.to_canonical();
        let local = match ip {
            IpAddr::V4(v4) => {
                let [a, b, ..] = v4.octets();
                let carrier = a == 100 && b & 0xc0 == 64;
                v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || carrier
            }
            IpAddr::V6(v6) => {
                v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local()
            }
        };
        (!local).then(|| ip.into())
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
