//! Suites on namespaces, without a Swarm: the laboratory's network, and the test
//! service by itself.

mod topology;
mod whoami;
