//! iroh endpoints on loopback: no relay, no discovery, addresses given.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use iroh::{
    Endpoint, EndpointAddr, RelayMode, TransportAddr,
    address_lookup::memory::MemoryLookup,
    endpoint::{PortmapperConfig, presets},
};

pub async fn endpoint(lookup: &MemoryLookup) -> Result<Endpoint> {
    let endpoint = Endpoint::builder(presets::Minimal)
        .relay_mode(RelayMode::Disabled)
        .portmapper_config(PortmapperConfig::Disabled)
        .clear_ip_transports()
        .bind_addr("127.0.0.1:0")?
        .address_lookup(lookup.clone())
        .bind()
        .await?;
    lookup.add_endpoint_info(address(&endpoint)?);
    Ok(endpoint)
}

pub fn address(endpoint: &Endpoint) -> Result<EndpointAddr> {
    let socket: SocketAddr =
        endpoint.bound_sockets().into_iter().find(SocketAddr::is_ipv4).context("no IPv4 socket")?;
    Ok(EndpointAddr::from_parts(endpoint.id(), [TransportAddr::Ip(socket)]))
}

/// Bytes of UDP payload an endpoint has sent.
pub fn bytes_sent(endpoint: &Endpoint) -> u64 {
    let metrics = &endpoint.metrics().socket;
    metrics.send_ipv4.get() + metrics.send_ipv6.get()
}
