//! The balancer of a route: which task its next request gets, and the cookie that goes with it.
//!
//! A cookie of the router names a task by a hash of its key with the route's name: who knows the task's id can make it,
//! and it does nothing but lead there. A cookie that leads to a task that is gone, is being stopped, or has just failed,
//! counts as none, and is replaced.
//!
//! # Cookies of applications
//! `com.docker.lb.sticky_session_cookie` names a cookie that the application sets, and whose client is to come back to the
//! task that has set it. A table of all values, as in nginx's `sticky learn`, is known to one worker of one node, and lost
//! with it. A hash of the value, as in nginx's `hash $cookie_…`, leads everywhere to one task, but hardly to the one that
//! keeps the session. So the router sets a cookie of its own beside the application's and with its attributes, as Cloud
//! Foundry's router and AWS's load balancers do: it lives as long, and any node reads it. A client that sends the
//! application's cookie alone comes by the hash of its value to one and the same task, and is told that.

use super::select::Eligible;
use super::{Candidate, cookies, hash};
use crate::route::{Balance, Cookie};
use http::{HeaderMap, HeaderValue};
use std::net::IpAddr;

/// Chooses tasks for the requests of a route. It is made once per route, and has no state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balancer {
    way: Way,
    /// Hash of the route's name, without which cookies of two routes would be alike.
    route: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    LeastLoaded,
    RoundRobin,
    ClientAddress,
    /// The cookie, with its name.
    Sticky(String, Cookie),
    /// By the application's cookie of the first name; the router's has the second one.
    AppCookie(String, String),
}

/// What a choice depends on beside the tasks.
#[derive(Clone, Copy, Debug)]
pub struct Lookup<'a> {
    /// The request's header fields, of which cookies are looked at.
    pub headers: &'a HeaderMap,
    /// The client's address.
    pub client: IpAddr,
    /// Keys of the tasks that have been tried with this request.
    pub tried: &'a [u64],
    /// A new random number.
    pub random: u64,
    /// A number that grows by one with each request of the route, from anywhere on.
    pub count: u64,
}

/// The task that gets a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Its key.
    pub key: u64,
    /// The client is to be told its cookie, which it has not sent.
    new: bool,
}

impl Balancer {
    /// For the route of this name of a service.
    #[must_use]
    pub fn new(service: &str, route: &str, balance: &Balance) -> Self {
        let id = hash::texts(&[service.as_bytes(), route.as_bytes()]);
        let own_name = || format!("swarmlb_{:08x}", id >> 32);
        let way = match balance {
            Balance::LeastLoaded => Way::LeastLoaded,
            Balance::RoundRobin => Way::RoundRobin,
            Balance::ClientAddress => Way::ClientAddress,
            Balance::Sticky(cookie) => {
                let name = cookie.name.clone().unwrap_or_else(own_name);
                Way::Sticky(name, cookie.clone())
            }
            Balance::AppCookie(name) => Way::AppCookie(name.clone(), own_name()),
        };
        Self { way, route: id }
    }

    /// The task for a request; `None` if none is ready that has not been tried.
    #[must_use]
    pub fn choose(&self, candidates: &[Candidate], lookup: &Lookup<'_>) -> Option<Chosen> {
        let eligible = Eligible {
            candidates,
            tried: lookup.tried,
        };
        let (task, new) = match &self.way {
            Way::LeastLoaded => (eligible.least_loaded(lookup.random)?, false),
            Way::RoundRobin => (eligible.round_robin(lookup.count)?, false),
            Way::ClientAddress => (eligible.highest_weight(of_client(lookup.client))?, false),
            Way::Sticky(name, _) => match self.named(eligible, lookup.headers, name) {
                Some(task) => (task, false),
                None => (eligible.least_loaded(lookup.random)?, true),
            },
            Way::AppCookie(name, own) => match cookies::values(lookup.headers, name).next() {
                None => (eligible.least_loaded(lookup.random)?, false),
                Some(value) => match self.named(eligible, lookup.headers, own) {
                    Some(task) => (task, false),
                    None => {
                        let hash = hash::texts(&[value.as_bytes()]);
                        (eligible.highest_weight(hash)?, true)
                    }
                },
            },
        };
        Some(Chosen { key: task.key, new })
    }

    /// The `Set-Cookie` that is appended to the answer of the task that was chosen.
    #[must_use]
    pub fn set_cookie(&self, chosen: Chosen, response: &HeaderMap) -> Option<HeaderValue> {
        match &self.way {
            Way::Sticky(name, cookie) if chosen.new => {
                cookies::set(name, &self.value(chosen.key), cookie)
            }
            Way::AppCookie(name, own) => {
                let value = self.value(chosen.key);
                match cookies::attributes_set(response, name) {
                    Some(attributes) => {
                        HeaderValue::from_str(&format!("{own}={value}{attributes}")).ok()
                    }
                    None if chosen.new => cookies::set(own, &value, &beside_app()),
                    None => None,
                }
            }
            Way::Sticky(..) | Way::LeastLoaded | Way::RoundRobin | Way::ClientAddress => None,
        }
    }

    /// The task that one of the client's cookies of this name leads to.
    fn named<'a>(
        &self,
        eligible: Eligible<'a>,
        headers: &HeaderMap,
        name: &str,
    ) -> Option<&'a Candidate> {
        let hashes = cookies::values(headers, name).filter(|value| value.len() == 16);
        let mut hashes = hashes.filter_map(|value| u64::from_str_radix(value, 16).ok());
        hashes.find_map(|hash| eligible.find(|task| hash::pair(self.route, task.key) == hash))
    }

    /// The cookie's value for a task: 16 hexadecimal digits.
    fn value(&self, key: u64) -> String {
        format!("{:016x}", hash::pair(self.route, key))
    }
}

/// The cookie beside one of an application that has been set before, so that its attributes are not known.
fn beside_app() -> Cookie {
    Cookie {
        name: None,
        secure: false,
        http_only: true,
        same_site: None,
        path: "/".to_owned(),
        max_age_s: None,
    }
}

/// The hash of a client's address. Of IPv6, the network of 64 bits: the rest changes from day to day (RFC 8981). nginx's
/// `ip_hash`, which Interlock had, takes IPv4 networks of 24 bits together; here each address is one, so that an office
/// does not become one client.
fn of_client(client: IpAddr) -> u64 {
    match client.to_canonical() {
        IpAddr::V4(client) => hash::mixed(u64::from(client.to_bits())),
        IpAddr::V6(client) => {
            let network = client.to_bits() >> 64;
            hash::mixed(u64::try_from(network).unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests;
