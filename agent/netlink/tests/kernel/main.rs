//! Against the kernel of this machine, in network namespaces that end with the tests.

// All of it is test code; the mark tells clippy so, also for what is outside of #[test].
#[cfg(test)]
mod namespace;
#[cfg(test)]
mod tables;
