//! Routes of the HTTP router: which requests belong to which service, as its labels say.
//!
//! ```text
//! labels of a service ── labels::declared_among ──> [Route], and a problem for each label that is not served
//! labels of all services ── Registry ──> Table, and a conflict for each route that an older service keeps out
//! request ── heads ──> what rules see of it ── Table::find ──> route
//! its filters ── filters::Chain ──> the request goes on, or answers::Answer
//! its tasks ── balance::Balancer ──> the task that gets the request
//! ```
//!
//! Values in, values out: no I/O, and time is an argument.

pub mod answers;
pub mod balance;
pub mod certificates;
pub mod filters;
pub mod heads;
pub mod labels;
pub mod path;
pub mod persistent;
pub mod registry;
pub mod route;
pub mod rule;
pub mod table;
