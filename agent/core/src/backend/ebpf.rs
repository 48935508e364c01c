//! The eBPF back end's pure half: what the maps and hooks of the programs hold.

mod apply;
mod in_use;
mod lower;
mod op;
mod plan;
mod state;

pub use apply::apply_all;
pub use in_use::InUse;
pub use lower::Lowered;
pub use op::Op;
pub use plan::plan;
pub use state::{Hook, HookKind, State};
