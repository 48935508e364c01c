//! HTTP/2, frame by frame: what it cannot bring into HTTP/1.1, and what its frames cost.

mod attacks;
mod cases;
mod frames;
mod going_away;
mod memory;
mod mutations;
mod passwords;
mod shared;
mod task;
mod trailers;
mod websocket;

pub(crate) use frames::{Connection, END_HEADERS, Event, GET, HEADERS, block, frame};
