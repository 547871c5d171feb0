//! The tag of a hello: proof of knowing a graph's secret, bound to one TLS connection, one link and one direction.

use super::Hello;
use crate::{crypto, record::GraphSecret};

/// The label under which 32 bytes of TLS keying material are exported.
pub const EXPORTER_LABEL: &[u8] = b"peergraph/1 link";

const DIALLER: &[u8] = b"peergraph v1 hello of the dialler";
const ACCEPTOR: &[u8] = b"peergraph v1 hello of the acceptor";

impl Hello {
    /// A hello that proves to know `secret` on the connection with this exporter.
    pub fn new(
        secret: &GraphSecret,
        exporter: &[u8; 32],
        link: u64,
        version: u16,
        from_dialler: bool,
    ) -> Self {
        Self { version, link, tag: tag(secret, exporter, link, version, from_dialler) }
    }

    /// True if the sender knows `secret`. Takes the same time whether or not.
    pub fn proves(&self, secret: &GraphSecret, exporter: &[u8; 32], from_dialler: bool) -> bool {
        crypto::same_mac(&self.tag, &tag(secret, exporter, self.link, self.version, from_dialler))
    }
}

fn tag(secret: &GraphSecret, exporter: &[u8; 32], link: u64, version: u16, from_dialler: bool) -> [u8; 32] {
    let label = if from_dialler { DIALLER } else { ACCEPTOR };
    crypto::mac(secret.as_bytes(), &[label, exporter, &version.to_le_bytes(), &link.to_le_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s2_s3_a_tag_holds_for_one_secret_connection_link_and_direction() {
        let (secret, exporter) = (GraphSecret::from_bytes([1; 32]), [2; 32]);
        let hello = Hello::new(&secret, &exporter, 7, 1, true);
        assert!(Hello::from_bytes(&hello.to_bytes()).proves(&secret, &exporter, true));
        assert!(!hello.proves(&secret, &exporter, false), "not reflected");
        assert!(!hello.proves(&secret, &[3; 32], true), "not relayed");
        assert!(!hello.proves(&GraphSecret::from_bytes([9; 32]), &exporter, true));
        assert!(!Hello { link: 8, ..hello }.proves(&secret, &exporter, true));
        assert!(!Hello { version: 2, ..hello }.proves(&secret, &exporter, true));
    }
}
