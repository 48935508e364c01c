//! TLS with clients and tasks: certificates from directories, by the name that a client asks for (SNI).
//!
//! Docker mounts a service's secrets as files in one directory; other certificates may be in further ones. Directories are
//! read again every few seconds: what is replaced there serves the next handshake, and open connections go on.

mod certificates;
mod directory;
mod resolver;
mod tasks;

pub(crate) use certificates::Certificates;
pub(crate) use directory::Directories;
pub(crate) use resolver::Tls;
