//! The owner's routes in the host's IPv4 tables: listed, put and deleted.

use super::{Error, Operation, Refused, Route, Routes, batch};
use crate::socket;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::route::{RouteMessage, RouteProtocol};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

impl Routes {
    /// The owner's routes in all tables, in their order. Those that are not as [`Route`] can say are left out.
    ///
    /// # Errors
    /// When the kernel does not list them.
    pub fn routes(&mut self) -> Result<Vec<Route>, Error> {
        let mut question = RouteMessage::default();
        question.header.address_family = AddressFamily::Inet;
        let protocol = self.owner.protocol;
        question.header.protocol = RouteProtocol::from(protocol);
        let told = self.list("routes", &RouteNetlinkMessage::GetRoute(question))?;
        let mut routes: Vec<Route> = told
            .iter()
            .filter_map(|message| match message {
                RouteNetlinkMessage::NewRoute(message) => Route::read(message, protocol),
                _ => None,
            })
            .collect();
        routes.sort_unstable();
        Ok(routes)
    }

    /// Adds a route.
    ///
    /// # Errors
    /// `EEXIST` if there is a route to the same network in that table, whoever made it.
    pub fn add_route(&mut self, route: &Route) -> Result<(), Error> {
        let message = new(route, self.owner.protocol);
        self.tell(message, NLM_F_CREATE | NLM_F_EXCL)
            .map_err(failed(route, Operation::Added))
    }

    /// Puts a route in the place of that to the same network, if there is one, whoever made it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn replace_route(&mut self, route: &Route) -> Result<(), Error> {
        let message = new(route, self.owner.protocol);
        self.tell(message, NLM_F_CREATE | NLM_F_REPLACE)
            .map_err(failed(route, Operation::Put))
    }

    /// Deletes a route of the owner's. `None` matches any encapsulation, and metric 0 any metric.
    ///
    /// # Errors
    /// `ESRCH` if there is none.
    pub fn delete_route(&mut self, route: &Route) -> Result<(), Error> {
        let message = route.message(self.owner.protocol);
        self.tell(RouteNetlinkMessage::DelRoute(message), 0)
            .map_err(failed(route, Operation::Deleted))
    }

    /// [`replace_route`](Self::replace_route) for many, with few system calls.
    ///
    /// # Errors
    /// Names all that were refused; the others are there.
    pub fn replace_many(&mut self, routes: &[Route]) -> Result<(), Error> {
        let protocol = self.owner.protocol;
        self.many(routes, Operation::Put, |route| {
            (new(route, protocol), NLM_F_CREATE | NLM_F_REPLACE)
        })
    }

    /// [`delete_route`](Self::delete_route) for many, with few system calls.
    ///
    /// # Errors
    /// Names all that were refused; the others are gone.
    pub fn delete_many(&mut self, routes: &[Route]) -> Result<(), Error> {
        let protocol = self.owner.protocol;
        self.many(routes, Operation::Deleted, |route| {
            (RouteNetlinkMessage::DelRoute(route.message(protocol)), 0)
        })
    }

    fn many(
        &mut self,
        routes: &[Route],
        operation: Operation,
        step: impl Fn(&Route) -> batch::Step,
    ) -> Result<(), Error> {
        let of = routes.len();
        let refused = batch::all(&mut self.socket, routes.iter().map(step)).map_err(|source| {
            Error::Broken {
                operation,
                of,
                source,
            }
        })?;
        let refused: Vec<Refused> = refused
            .into_iter()
            .filter_map(|(place, errno)| {
                let route = *routes.get(place)?;
                Some(Refused { route, errno })
            })
            .collect();
        if refused.is_empty() {
            Ok(())
        } else {
            Err(Error::Routes {
                operation,
                of,
                refused,
            })
        }
    }
}

fn new(route: &Route, protocol: u8) -> RouteNetlinkMessage {
    RouteNetlinkMessage::NewRoute(route.message(protocol))
}

fn failed(route: &Route, operation: Operation) -> impl FnOnce(socket::Error) -> Error {
    let route = *route;
    move |source| Error::Route {
        route,
        operation,
        source,
    }
}
