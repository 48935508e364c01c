//! Connections of clients: accepted, served by HTTP/1.1 or HTTP/2, ended when they idle or the router does.

mod accept;
mod addresses;
mod client;
mod client_hello;
mod connection;
mod connections;
mod graceful;
mod http;
mod ping_acks;
mod prefixed;
mod proxy_header;
mod relief;
mod stall;
mod state;

pub(crate) use accept::{Accepting, Listener};
pub(crate) use addresses::network;
pub(crate) use client::{BodyUnderWay, Client, Duplex, UnderWay};
pub(crate) use connections::Connections;
pub(crate) use stall::handed_over;
