//! Routes of the HTTP router: which requests belong to which service, as its labels say.
//!
//! ```text
//! labels of a service ── labels::declared ──> [Route], and a problem for each label that is not served
//! ```
//!
//! Values in, values out: no I/O, and time is an argument.

pub mod labels;
pub mod route;
pub mod rule;
