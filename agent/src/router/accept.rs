//! Accepts routers on the agent's socket for them: few at a time, and of one user, whom alone the datapath lets call tasks.

use super::{RETRY, Shared, session};
use crate::error_chain::error_chain;
use crate::serve::take;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Limit on routers: two while one replaces the other, and as many again that hang.
const SESSIONS: usize = 4;
/// Whoever is sent away holds up the next one for so long, so that nobody makes the agent busy.
const REFUSAL_PAUSE: Duration = Duration::from_millis(10);

/// Answers routers for ever; what fails is tried again. Only `user` may connect.
pub(super) async fn serve(path: &Path, user: u32, shared: Arc<Shared>) {
    let permits = Arc::new(Semaphore::new(SESSIONS));
    // They end with this.
    let mut sessions = JoinSet::new();
    loop {
        make_directory(path);
        // Anybody may connect, as far as the file's mode goes: who runs the router is not who runs the agent.
        match take(path, true, 0o666).await {
            Ok((listener, file)) => {
                shared.note_failure(None);
                let error = accept(&listener, user, (&permits, &mut sessions), &shared).await;
                tracing::warn!(%error, "no router can be accepted: the socket is made anew");
                drop(file);
            }
            Err(error) => shared.note_failure(Some(error_chain(&error))),
        }
        sleep(RETRY).await;
    }
}

async fn accept(
    listener: &UnixListener,
    user: u32,
    (permits, sessions): (&Arc<Semaphore>, &mut JoinSet<()>),
    shared: &Arc<Shared>,
) -> std::io::Error {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => return error,
        };
        if !may_connect(&stream, user) {
            tracing::warn!(
                user,
                "whoever is not this user (--router-user) gets no routes and no sockets"
            );
            sleep(REFUSAL_PAUSE).await;
            continue;
        }
        let Ok(permit) = Arc::clone(permits).try_acquire_owned() else {
            tracing::warn!(most = SESSIONS, "a router is sent away: there are enough");
            sleep(REFUSAL_PAUSE).await;
            continue;
        };
        let shared = Arc::clone(shared);
        while sessions.try_join_next().is_some() {}
        sessions.spawn(async move {
            let end = session::serve(stream, shared).await;
            tracing::info!(reason = error_chain(&end), "session with a router ended");
            drop(permit);
        });
    }
}

/// Makes the socket's directory, if it is not there, such that everybody may look into it, whatever the umask.
fn make_directory(socket: &Path) {
    if let Some(directory) = socket.parent()
        && std::fs::create_dir(directory).is_ok()
        && let Err(error) = std::fs::set_permissions(directory, Permissions::from_mode(0o755))
    {
        tracing::warn!(directory = %directory.display(), %error, "routers can't look into the directory");
    }
}

/// The sockets are worth protecting: who accepts on them answers in the name of every service.
fn may_connect(stream: &UnixStream, user: u32) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == user)
}

#[cfg(test)]
mod tests;
