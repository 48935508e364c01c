//! `whoami health URL`: the image holds nothing else that could ask.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hyper::Uri;

const PATIENCE: Duration = Duration::from_secs(2);

/// An error, and so a failing exit code, unless `url` answers 200.
pub(crate) fn check(url: &str) -> Result<()> {
    let uri: Uri = url.parse().with_context(|| format!("`{url}` is no URL"))?;
    let host = uri
        .host()
        .with_context(|| format!("`{url}` names no host"))?;
    // An IPv6 address stands in brackets.
    let host = host.trim_matches(['[', ']']);
    let addr = (host, uri.port_u16().unwrap_or(80))
        .to_socket_addrs()?
        .next()
        .with_context(|| format!("`{host}` has no address"))?;
    let mut stream = TcpStream::connect_timeout(&addr, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET {} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n",
        uri.path()
    )?;
    let mut answer = String::new();
    stream.take(4096).read_to_string(&mut answer)?;
    let status = answer.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        bail!("{url} answered `{status}`");
    }
    Ok(())
}
