//! The iroh endpoint: which network, which sockets, which addresses.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use iroh::{
    Endpoint, EndpointAddr, EndpointId, RelayMode, RelayUrl, TransportAddr,
    address_lookup::{AddrFilter, PkarrPublisher, PkarrResolver},
    endpoint::{Builder, Connection, IdleTimeout, PortmapperConfig, QuicTransportConfig, VarInt, presets},
};
use iroh_mdns_address_lookup::MdnsAddressLookup;

use crate::{crypto::SecretKey, ids::NodeId, record::NodeAddr, wire::ALPN};

/// Whom the network may involve.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum NetworkMode {
    /// Nobody else: given addresses, and mDNS on the local network. The default.
    #[default]
    Local,
    /// iroh's public relays and address lookup, which learn this node's id and addresses, never content.
    Internet,
    /// Your own relays and lookup.
    Custom {
        /// URLs of relays.
        relays: Vec<String>,
        /// URL of a pkarr server for address lookup.
        lookup: Option<String>,
    },
}

/// How a transport is started.
#[derive(Clone, Debug)]
pub struct NetConfig {
    /// Whom the network may involve.
    pub mode: NetworkMode,
    /// UDP addresses to bind; empty: all interfaces, any port.
    pub bind: Vec<SocketAddr>,
    /// Whether to find nodes by mDNS. Only in `Local` mode.
    pub mdns: bool,
    /// The node's key.
    pub secret: SecretKey,
}

/// The network could not be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NetError {
    /// The text is not the URL of a relay or lookup server. The caller's mistake.
    #[error("{0:?} is not a URL")]
    Url(String),
    /// A socket could not be bound.
    #[error("cannot bind {}: {source}", address.map_or_else(|| "a UDP socket".into(), |address| address.to_string()))]
    Bind {
        /// Which, if one of those that were asked for.
        address: Option<SocketAddr>,
        /// Why.
        source: Arc<io::Error>,
    },
    /// The network library could not be started.
    #[error("cannot start the network: {0}")]
    Start(Arc<dyn std::error::Error + Send + Sync>),
}

impl NetError {
    /// The socket address that could not be bound.
    pub const fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Bind { address, .. } => *address,
            Self::Url(_) | Self::Start(_) => None,
        }
    }

    /// Finds out which of the addresses was meant and what the system said: the network library tells neither in all cases.
    fn diagnose(error: impl std::error::Error + Send + Sync + 'static, asked: &[SocketAddr]) -> Self {
        let refused = asked.iter().find_map(|addr| UdpSocket::bind(addr).err().map(|source| (*addr, source)));
        if let Some((address, source)) = refused {
            return Self::Bind { address: Some(address), source: Arc::new(source) };
        }
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(inner) = cause {
            let number = inner.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
            if let Some(number) = number {
                let address = asked.first().copied().filter(|_| asked.len() == 1);
                return Self::Bind { address, source: Arc::new(io::Error::from_raw_os_error(number)) };
            }
            cause = inner.source();
        }
        Self::Start(Arc::new(error))
    }
}

/// How long a connection may be silent before it is dead.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// As often as iroh's own word on each path, so that a device need not wake twice.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Streams a peer may open at once: a handful for each link.
const MAX_STREAMS: u32 = 256;
/// Before one of its links is ready: it has proven nothing yet.
const FIRST_STREAMS: u32 = 4;
/// One-way ones, likewise.
const FIRST_ONE_WAY: u32 = 8;
/// What a peer may send ahead of its reader until then, on all streams together.
const FIRST_WINDOW: u32 = 64 * 1024;
/// What we keep for a peer that does not acknowledge it: as much as one of its streams takes.
const SEND_WINDOW: u64 = STREAM_WINDOW as u64;
/// What a peer may send before its reader reads: bounds memory, and holds a fast sender back.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;

/// Binds an endpoint.
pub(super) async fn bind(config: &NetConfig) -> Result<Endpoint, NetError> {
    let secret = iroh::SecretKey::from_bytes(&config.secret.to_bytes());
    let mut builder = mode(&config.mode)?.secret_key(secret).alpns(vec![ALPN.to_vec()]);
    builder = builder.transport_config(quic());
    if !config.bind.is_empty() {
        builder = builder.clear_ip_transports();
        for addr in &config.bind {
            builder = builder.bind_addr(*addr).map_err(|error| NetError::diagnose(error, &[*addr]))?;
        }
    }
    let endpoint = builder.bind().await.map_err(|error| NetError::diagnose(error, &config.bind))?;
    if config.mdns && config.mode == NetworkMode::Local {
        // A machine without multicast still reaches the addresses it is given.
        let lookup = MdnsAddressLookup::builder().build(endpoint.id());
        match (lookup, endpoint.address_lookup()) {
            (Ok(mdns), Ok(services)) => services.add(mdns),
            (Err(error), _) => tracing::info!(%error, "no mDNS here"),
            (_, Err(error)) => tracing::info!(%error, "no mDNS here"),
        }
    }
    Ok(endpoint)
}

fn mode(mode: &NetworkMode) -> Result<Builder, NetError> {
    match mode {
        NetworkMode::Local => Ok(Endpoint::builder(presets::Minimal)
            .relay_mode(RelayMode::Disabled)
            .portmapper_config(PortmapperConfig::Disabled)),
        NetworkMode::Internet => Ok(Endpoint::builder(presets::N0)),
        NetworkMode::Custom { relays, lookup } => {
            let urls: Vec<RelayUrl> = relays
                .iter()
                .map(|url| url.parse().map_err(|_| NetError::Url(url.clone())))
                .collect::<Result<_, _>>()?;
            let direct_only = urls.is_empty();
            let relays = if direct_only { RelayMode::Disabled } else { RelayMode::custom(urls) };
            let mut builder = Endpoint::builder(presets::Minimal).relay_mode(relays);
            if let Some(lookup) = lookup {
                let url = || lookup.parse().map_err(|_| NetError::Url(lookup.clone()));
                let mut publisher = PkarrPublisher::builder(url()?);
                if direct_only {
                    // There is no other way here than the addresses themselves.
                    publisher = publisher.addr_filter(AddrFilter::unfiltered());
                }
                builder = builder.address_lookup(publisher);
                builder = builder.address_lookup(PkarrResolver::builder(url()?));
            }
            Ok(builder)
        }
    }
}

fn quic() -> QuicTransportConfig {
    let idle = IdleTimeout::try_from(IDLE_TIMEOUT).expect("ten seconds fit");
    QuicTransportConfig::builder()
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(KEEP_ALIVE)
        .max_concurrent_bidi_streams(VarInt::from_u32(FIRST_STREAMS))
        .max_concurrent_uni_streams(VarInt::from_u32(FIRST_ONE_WAY))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(FIRST_WINDOW))
        .send_window(SEND_WINDOW)
        // Nobody reads them.
        .datagram_receive_buffer_size(None)
        .build()
}

/// A link of this connection is ready: what a peer may send ahead grows to what links need.
pub(super) fn widen(connection: &Connection) {
    connection.set_max_concurrent_bi_streams(VarInt::from_u32(MAX_STREAMS));
    connection.set_max_concurrent_uni_streams(VarInt::from_u32(MAX_STREAMS));
    connection.set_receive_window(VarInt::from_u32(CONNECTION_WINDOW));
}

/// Where an endpoint can be dialled, loopback included where it listens there: processes of one machine find each
/// other without a network.
pub(super) fn address(endpoint: &Endpoint) -> NodeAddr {
    let known = endpoint.addr();
    let mut addr = NodeAddr::new(node_id(known.id));
    addr.relay = known.relay_urls().next().map(ToString::to_string);
    let mut sockets: Vec<SocketAddr> = known.ip_addrs().copied().collect();
    for bound in endpoint.bound_sockets() {
        let ip = match bound.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        sockets.push(SocketAddr::new(ip, bound.port()));
    }
    sockets.sort_unstable();
    sockets.dedup();
    NodeAddr { addrs: NodeAddr::at(addr.node, sockets).addrs, ..addr }
}

/// The form iroh dials.
pub(super) fn dialable(addr: &NodeAddr) -> Option<EndpointAddr> {
    let id = EndpointId::from_bytes(addr.node.as_bytes()).ok()?;
    let sockets = addr.addrs.iter().map(|socket| TransportAddr::Ip(*socket));
    let relay = addr.relay.as_ref().and_then(|url| url.parse::<RelayUrl>().ok()).map(TransportAddr::Relay);
    Some(EndpointAddr::from_parts(id, sockets.chain(relay)))
}

pub(super) fn node_id(id: EndpointId) -> NodeId {
    NodeId::from_bytes(*id.as_bytes())
}
