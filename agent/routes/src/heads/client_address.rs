//! The address of the client itself, where proxies that are trusted stand between it and the router.

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Is the address in one of these networks?
#[must_use]
pub fn trusts(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

/// The client's address: the sender's, or if that is trusted, the right-most address of `X-Forwarded-For` that is not. What
/// stands to the left of it is only said by the client. Where all are trusted, it is the left-most one; where one is not an
/// address, the one before which it stands.
#[must_use]
pub fn client_address(networks: &[IpNet], sender: IpAddr, headers: &HeaderMap) -> IpAddr {
    let mut client = sender.to_canonical();
    if !trusts(networks, client) {
        return client;
    }
    let fields = headers.get_all(X_FORWARDED_FOR).iter().rev();
    let texts = fields.flat_map(|field| field.to_str().unwrap_or("?").rsplit(','));
    for text in texts.map(str::trim).filter(|text| !text.is_empty()) {
        let Some(address) = parse(text) else {
            return client;
        };
        client = address;
        if !trusts(networks, client) {
            return client;
        }
    }
    client
}

/// An address with or without brackets and port.
fn parse(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok();
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|it| it.ip()));
    address.map(|address| address.to_canonical())
}
