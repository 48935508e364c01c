//! The real `lbctl` against the agent's real socket server, with a Swarm that stands still.

// All of it is test code; the mark tells clippy so, also for what is outside of #[test].
#[cfg(test)]
mod agent;
#[cfg(test)]
mod answers;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod explain_request;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod http;
#[cfg(test)]
mod queries;
#[cfg(test)]
mod socket;
#[cfg(test)]
mod swarm;
#[cfg(test)]
mod tables;
#[cfg(test)]
mod watch;
