//! `whoami quick`: answers as fast as one thread can, always the same (`harness::quick`).
//! For measurements of the way to a task, in which the task shall cost next to nothing.

use std::io;

use anyhow::{Context as _, Result};
use harness::quick::{ANSWER, ASK_FLOW, FLOW};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};

/// Largest head of a request, in bytes.
const LARGEST_HEAD: usize = 4096;
const END_OF_HEAD: &[u8] = b"\r\n\r\n";
/// One write of a flow.
static BYTES: [u8; 64 * 1024] = [b'.'; 64 * 1024];

/// Serves until SIGTERM; what is open then is cut.
pub(crate) fn run(port: u16) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    runtime.block_on(async {
        let listener = crate::listen(None, port, crate::tcp::listen)?;
        let mut term = signal(SignalKind::terminate()).context("catching SIGTERM")?;
        tokio::select! {
            () = serve(listener) => {}
            _ = term.recv() => {}
        }
        Ok(())
    })
}

async fn serve(listener: TcpListener) {
    loop {
        // Out of file descriptors, most likely: others must end first.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        // A connection that breaks is the client's to report.
        tokio::spawn(async move { drop(connection(stream).await) });
    }
}

/// Answers one request after the other; ends with the connection.
async fn connection(mut stream: TcpStream) -> io::Result<()> {
    let mut head = Vec::with_capacity(LARGEST_HEAD);
    while stream.read_buf(&mut head).await? > 0 {
        if !head.ends_with(END_OF_HEAD) {
            if head.len() >= LARGEST_HEAD {
                break;
            }
            continue;
        }
        if head.starts_with(ASK_FLOW.get(..9).unwrap_or_default()) {
            stream.write_all(FLOW).await?;
            loop {
                stream.write_all(&BYTES).await?;
            }
        }
        stream.write_all(ANSWER).await?;
        if asks_to_close(&head) {
            return stream.shutdown().await;
        }
        head.clear();
    }
    Ok(())
}

fn asks_to_close(head: &[u8]) -> bool {
    const WISH: &[u8] = b"\r\nconnection: close\r\n";
    head.windows(WISH.len())
        .any(|part| part.eq_ignore_ascii_case(WISH))
}

#[cfg(test)]
mod tests {
    use harness::quick::{ASK, ASK_ONCE};

    use super::*;

    #[test]
    fn only_who_asks_for_it_has_the_connection_closed() {
        assert!(asks_to_close(ASK_ONCE) && !asks_to_close(ASK));
    }
}
