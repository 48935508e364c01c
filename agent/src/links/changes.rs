//! Notifications that links or addresses changed, without details: the receiver reads them again. So a lost
//! message does no harm, and a burst of messages, as at each start of a container, becomes one notification.

use super::LinksError;
use futures_util::FutureExt;
use rtnetlink::MulticastGroup;
use rtnetlink::sys::{AsyncSocket, SocketAddr, TokioSocket, protocols::NETLINK_ROUTE};
use std::future::poll_fn;
use std::io;
use std::time::Duration;
use tokio::sync::mpsc;

/// Time for a burst of messages to end before the notification.
const SETTLE: Duration = Duration::from_millis(20);
/// Wait before a failed socket is opened again.
const REOPEN: Duration = Duration::from_secs(1);

/// The receiving end. Listening stops when it is dropped.
#[derive(Debug)]
pub struct Changes {
    news: mpsc::Receiver<()>,
}

impl Changes {
    /// Waits for the next change. Changes between two calls are reported once, by the next call.
    /// Safe to drop and call again.
    pub async fn next(&mut self) {
        if self.news.recv().await.is_none() {
            // Only at the end of the runtime; "changed" without end would spin.
            std::future::pending::<()>().await;
        }
    }
}

/// Listens from now on, in the network namespace of the calling thread.
/// Needs a tokio runtime.
pub fn changes() -> Result<Changes, LinksError> {
    let socket = open().map_err(LinksError::Socket)?;
    let (teller, news) = mpsc::channel(1);
    tokio::spawn(listen(socket, teller));
    Ok(Changes { news })
}

async fn listen(mut socket: TokioSocket, teller: mpsc::Sender<()>) {
    loop {
        let heard = tokio::select! {
            heard = drain(&socket) => heard,
            () = teller.closed() => return,
        };
        // Full means that a change is still to be fetched: this one is told with it.
        let _ = teller.try_send(());
        match heard {
            Ok(()) => tokio::time::sleep(SETTLE).await,
            Err(error) => {
                tracing::debug!(%error, "news of links were lost; opening the socket again");
                // What happens from here on is heard by the new socket; what happened
                // before was told just now or is told below.
                while let Err(error) = open().map(|fresh| socket = fresh) {
                    tracing::warn!(%error, "cannot listen for changes of links; trying again");
                    tokio::time::sleep(REOPEN).await;
                }
                let _ = teller.try_send(());
            }
        }
    }
}

/// Waits for a message, then reads all that have arrived. Their contents do not matter.
async fn drain(socket: &TokioSocket) -> io::Result<()> {
    hear(socket).await?;
    while let Some(more) = hear(socket).now_or_never() {
        more?;
    }
    Ok(())
}

async fn hear(socket: &TokioSocket) -> io::Result<()> {
    // One byte will do: the kernel drops the rest of a datagram.
    let mut start = [0_u8; 1];
    poll_fn(|cx| socket.poll_recv(cx, &mut start.as_mut_slice())).await
}

fn open() -> io::Result<TokioSocket> {
    let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
    let groups = [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr]
        .into_iter()
        .map(|group| 1_u32 << (group as u32 - 1))
        .sum();
    socket.socket_mut().bind(&SocketAddr::new(0, groups))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{in_namespace, quiet, soon};
    use super::*;

    /// The kernel says ENOBUFS when the buffer overflowed. The listener must tell
    /// a change and hear what comes after.
    #[test]
    fn an_overrun_is_a_change_and_not_the_end() {
        in_namespace("overrun", async |net| {
            let socket = open().unwrap();
            socket.socket_ref().set_rx_buf_sz(1_i32).unwrap();
            for n in 0..50_u8 {
                net.address("up0", [192, 0, 2, n + 1]).await;
            }
            let overrun = drain(&socket).await.unwrap_err();
            assert_eq!(
                overrun.raw_os_error(),
                Some(nix::errno::Errno::ENOBUFS as i32)
            );

            // Again with a listener that meets it.
            let socket = open().unwrap();
            socket.socket_ref().set_rx_buf_sz(1_i32).unwrap();
            for n in 50..100_u8 {
                net.address("up0", [192, 0, 2, n + 1]).await;
            }
            let (teller, news) = mpsc::channel(1);
            tokio::spawn(listen(socket, teller));
            let mut changes = Changes { news };
            soon(changes.next()).await;
            quiet(&mut changes).await;
            net.address("up0", [192, 0, 2, 200]).await;
            soon(changes.next()).await;
        });
    }
}
