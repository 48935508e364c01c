//! The socket file: taking it, and removing it.
//!
//! Three things can be at its path: nothing, the leftover of an agent that died,
//! or another agent. Only an attempt to connect tells the last two apart. Agents
//! that start at the same time exclude each other by a lock on the directory, so that
//! none takes the other's fresh socket for a leftover.

use super::{Source, routes};
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr};
use std::fs::{DirBuilder, File, Permissions, TryLockError};
use std::future::Future;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{UnixListener, UnixStream};

/// An agent that does not accept within this time is busy, not dead.
const PROBE: Duration = Duration::from_secs(1);
/// An agent that takes a socket has the lock for less than this time.
const TURN: Duration = Duration::from_secs(2);
/// Time limit of answers that are under way at the stop.
const GRACE: Duration = Duration::from_secs(2);

/// Errors of taking the socket.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another agent answers on it.
    #[error(
        "another agent answers on {}: stop it first, or give this one another --socket",
        path.display()
    )]
    Taken {
        /// The socket's path.
        path: PathBuf,
    },
    /// Something else has the name.
    #[error(
        "{} is not a socket: remove it, or choose another path with --socket",
        path.display()
    )]
    NotASocket {
        /// The socket's path.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot {step} {}: {source}", path.display())]
    Io {
        /// The step that failed, as a verb.
        step: &'static str,
        /// Path that the step was for.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
}

/// The agent's listening socket. Dropping it removes the file.
#[derive(Debug)]
pub struct Listener {
    listener: UnixListener,
    file: SocketFile,
}

/// Takes the socket at `path`. Needs a tokio runtime.
pub async fn bind(path: &Path) -> Result<Listener, BindError> {
    let (listener, file) = take(path, false, 0o600).await?;
    Ok(Listener { listener, file })
}

/// Takes the socket at `path`, for a caller that accepts by itself; its file has `mode`. With `succeeds`, a process that
/// answers there is replaced: it keeps the connections that it has.
pub(crate) async fn take(
    path: &Path,
    succeeds: bool,
    mode: u32,
) -> Result<(UnixListener, SocketFile), BindError> {
    let failed = |step, path: &Path| {
        let path = path.to_owned();
        move |source| BindError::Io { step, path, source }
    };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(directory)
        .map_err(failed("create", directory))?;
    let directory = File::open(directory).map_err(failed("open", directory))?;
    let _turn = turn(path, directory).await?;
    vacant(path, succeeds).await?;

    let mut fresh = path.as_os_str().to_owned();
    fresh.push(format!(".{}", std::process::id()));
    let fresh = PathBuf::from(fresh);
    // Left by an agent with our process id (in a container they are often the same).
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("remove", &fresh)(error));
        }
        _ => {}
    }
    let listener = listen(&fresh, mode).map_err(failed("listen on", &fresh))?;
    let file = SocketFile::of(&fresh).map_err(failed("look at", &fresh))?;
    // The rename comes after the listen, so a client that finds the name gets an answer.
    std::fs::rename(&fresh, path).map_err(failed("make", path))?;
    let file = file.renamed(path);
    Ok((listener, file))
}

/// The directory's lock, which others hold for a moment only.
async fn turn(path: &Path, directory: File) -> Result<File, BindError> {
    let begin = Instant::now();
    loop {
        match directory.try_lock() {
            Ok(()) => return Ok(directory),
            Err(TryLockError::WouldBlock) if begin.elapsed() < TURN => {
                tokio::time::sleep(TURN / 100).await;
            }
            Err(TryLockError::WouldBlock) => return Err(BindError::Taken { path: path.into() }),
            Err(TryLockError::Error(source)) => {
                let path = path.to_owned();
                let step = "lock the directory of";
                return Err(BindError::Io { step, path, source });
            }
        }
    }
}

impl Listener {
    /// Answers until `stop`, then ends what is under way and removes the socket.
    pub async fn serve(self, source: Arc<dyn Source>, stop: impl Future<Output = ()> + Send) {
        let Self { listener, file } = self;
        let (stopping, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = axum::serve(listener, routes::routes(source)).with_graceful_shutdown(async {
            // An error means that the sender is gone, which is a stop as well.
            let _ = stopped.await;
        });
        let mut server = std::pin::pin!(IntoFuture::into_future(server));
        tokio::select! {
            // It never returns by itself: accept errors are waited out.
            _ = &mut server => {}
            () = stop => {
                drop(file);
                drop(stopping);
                if tokio::time::timeout(GRACE, server).await.is_err() {
                    tracing::debug!("clients of the socket did not end in time");
                }
            }
        }
    }
}

/// Errors unless `path` is free or holds a leftover (which the rename then replaces), or a
/// socket to which whoever asks `succeeds`.
async fn vacant(path: &Path, succeeds: bool) -> Result<(), BindError> {
    let failed = |source| BindError::Io {
        step: "look at",
        path: path.to_owned(),
        source,
    };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(BindError::NotASocket { path: path.into() });
        }
        Ok(_) if succeeds => return Ok(()),
        Ok(_) => {}
    }
    match tokio::time::timeout(PROBE, UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::info!(path = %path.display(), "replacing the socket of an agent that died");
            Ok(())
        }
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(Ok(_)) | Err(_) => Err(BindError::Taken { path: path.into() }),
        // A full backlog: somebody listens.
        Ok(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(BindError::Taken { path: path.into() })
        }
        Ok(Err(error)) => Err(failed(error)),
    }
}

/// A listening socket whose file has `mode` from the start.
///
/// On Linux the file takes its mode from the socket it is bound to, so changing that
/// first leaves no moment between, and the process' umask is left alone.
fn listen(path: &Path, mode: u32) -> io::Result<UnixListener> {
    use nix::sys::socket;
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    nix::sys::stat::fchmod(&fd, nix::sys::stat::Mode::from_bits_truncate(mode))?;
    socket::bind(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    // What the umask took away.
    std::fs::set_permissions(path, Permissions::from_mode(mode))?;
    socket::listen(&fd, Backlog::new(64)?)?;
    UnixListener::from_std(fd.into())
}

/// Removes the file when dropped, unless another process has taken the path.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            inode: inode(path)?,
        })
    }

    fn renamed(mut self, to: &Path) -> Self {
        to.clone_into(&mut self.path);
        self
    }

    /// Is the file at the path still this one?
    pub(crate) fn is_ours(&self) -> bool {
        inode(&self.path).is_ok_and(|found| found == self.inode)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_ours()
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket");
        }
    }
}

fn inode(path: &Path) -> io::Result<(u64, u64)> {
    let found = std::fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}
