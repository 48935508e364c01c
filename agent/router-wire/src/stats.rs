//! What a router counts, as it tells its agent.
//!
//! Names and labels are those of Prometheus, without the prefix `swarmlb_router_`. Lists are only ever appended to: each
//! end reads those that it knows.

/// Upper bounds of the buckets of a histogram of times, in microseconds; a last bucket has what took longer.
pub const BOUNDS_US: [u64; 15] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000, 30_000_000,
];
/// Buckets of a histogram.
pub const BUCKETS: usize = BOUNDS_US.len() + 1;
/// Classes of statuses; `none`: the client went before there was an answer.
pub const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "none"];
/// How tries to get an answer of a task end: see [`Outcome`].
pub const OUTCOMES: [&str; 5] = ["ok", "refused", "reset", "timeout", "undelivered"];
/// Most routes in one message: with the longest names and the highest numbers it is as long as a message may be.
pub const ROUTES: usize = 80;
/// Most bytes of a route's name; longer ones are cut.
pub const NAME: usize = 200;

/// How a try ends; its place among [`OUTCOMES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The task answered, whatever the status.
    Ok,
    /// There was no connection to the task.
    Refused,
    /// The connection ended before an answer.
    Reset,
    /// Connection or answer did not come in time.
    Timeout,
    /// The task has not read the request, or not all of it: it broke off, it has no form that the task reads, or the connection
    /// ended before it was there.
    Undelivered,
}

/// A route, as statistics know it. All empty: routes that are gone, together.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteKey {
    /// Id of its service.
    pub service: String,
    /// The labels that declare it.
    pub family: String,
    /// Its name among the routes of its service and family.
    pub name: String,
}

/// What is counted of a route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests by class of their status ([`CLASSES`]).
    pub requests: [u64; CLASSES.len()],
    /// Answers that broke off, by the task or by the client.
    pub broken: u64,
    /// Bytes of requests' bodies.
    pub bytes_in: u64,
    /// Bytes of answers' bodies.
    pub bytes_out: u64,
    /// Exchanges by the time that they took, from the head of the request to the end of the answer ([`BOUNDS_US`]);
    /// without WebSockets.
    pub latency: [u64; BUCKETS],
    /// These times together, in microseconds.
    pub latency_us: u64,
    /// Answers of tasks by the time from the beginning of the try to the answer's head ([`BOUNDS_US`]), in which the router
    /// connects where it has to, and the request is sent; `upstream_seconds`.
    pub upstream: [u64; BUCKETS],
    /// These times together, in microseconds.
    pub upstream_us: u64,
    /// Tries by how they ended ([`OUTCOMES`]).
    pub tries: [u64; OUTCOMES.len()],
    /// Exchanges under way. Wraps: one worker may count an end whose beginning another sum has.
    pub under_way: u64,
}

impl Counts {
    /// Adds `other`.
    pub fn add(&mut self, other: &Self) {
        add_each(&mut self.requests, &other.requests);
        add_each(&mut self.latency, &other.latency);
        add_each(&mut self.upstream, &other.upstream);
        add_each(&mut self.tries, &other.tries);
        self.broken = self.broken.saturating_add(other.broken);
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
        self.latency_us = self.latency_us.saturating_add(other.latency_us);
        self.upstream_us = self.upstream_us.saturating_add(other.upstream_us);
        self.under_way = self.under_way.wrapping_add(other.under_way);
    }

    /// Counts an exchange that took so many microseconds.
    pub fn took(&mut self, us: u64) {
        count_time(&mut self.latency, &mut self.latency_us, us);
    }

    /// Counts an answer of a task whose head came after so many microseconds.
    pub fn answered(&mut self, us: u64) {
        count_time(&mut self.upstream, &mut self.upstream_us, us);
    }

    /// Counts a request by its status; `None`: the client has gone before.
    pub fn status(&mut self, status: Option<u16>) {
        let class = status.map_or(CLASSES.len() - 1, |status| {
            usize::from(status / 100).clamp(1, 5) - 1
        });
        if let Some(class) = self.requests.get_mut(class) {
            *class += 1;
        }
    }

    /// Counts a try.
    pub fn tried(&mut self, outcome: Outcome) {
        if let Some(tries) = self.tries.get_mut(outcome as usize) {
            *tries += 1;
        }
    }
}

fn count_time(buckets: &mut [u64; BUCKETS], sum: &mut u64, us: u64) {
    let bucket = BOUNDS_US.partition_point(|bound| *bound < us);
    if let Some(bucket) = buckets.get_mut(bucket) {
        *bucket += 1;
    }
    *sum = sum.saturating_add(us);
}

fn add_each(to: &mut [u64], other: &[u64]) {
    for (to, other) in to.iter_mut().zip(other) {
        *to = to.saturating_add(*other);
    }
}

/// What a router has counted since it started: absolute numbers, so that a message that is lost does no harm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// A number that the router drew when it started: its numbers are counted once, however often it connects.
    pub instance: u64,
    /// Routes whose numbers have changed, [`ROUTES`] at most.
    pub routes: Vec<(RouteKey, Counts)>,
    /// Routes that are gone, and whose numbers are among those of the empty key from now on.
    pub ended: Vec<RouteKey>,
    /// The router's numbers as a whole, in the order of [`Total::ALL`].
    pub totals: Vec<u64>,
}

macro_rules! totals {
    ($($variant:ident = $name:literal { $($label:literal = $value:literal),* };)*) => {
        /// A number of a router as a whole.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the names say it")]
        pub enum Total { $($variant),* }

        impl Total {
            /// All of them, in the order of messages.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Its labels.
            #[must_use]
            pub fn labels(self) -> &'static [(&'static str, &'static str)] {
                match self { $(Self::$variant => &[$(($label, $value)),*]),* }
            }
        }
    };
}

totals! {
    ConnectionsHttpNew = "connections" { "entry_point" = "http", "protocol" = "none" };
    ConnectionsHttp1 = "connections" { "entry_point" = "http", "protocol" = "http1" };
    ConnectionsHttp2 = "connections" { "entry_point" = "http", "protocol" = "http2" };
    ConnectionsHttpsNew = "connections" { "entry_point" = "https", "protocol" = "none" };
    ConnectionsHttps1 = "connections" { "entry_point" = "https", "protocol" = "http1" };
    ConnectionsHttps2 = "connections" { "entry_point" = "https", "protocol" = "http2" };
    Tls12Full = "tls_handshakes_total" { "version" = "1.2", "resumed" = "false", "outcome" = "ok" };
    Tls12Resumed = "tls_handshakes_total" { "version" = "1.2", "resumed" = "true", "outcome" = "ok" };
    Tls13Full = "tls_handshakes_total" { "version" = "1.3", "resumed" = "false", "outcome" = "ok" };
    Tls13Resumed = "tls_handshakes_total" { "version" = "1.3", "resumed" = "true", "outcome" = "ok" };
    TlsFailed = "tls_handshakes_total" { "version" = "none", "resumed" = "false", "outcome" = "failed" };
    TlsTimeout = "tls_handshakes_total" { "version" = "none", "resumed" = "false", "outcome" = "timeout" };
    UnroutedHost = "unrouted_total" { "reason" = "host" };
    UnroutedPath = "unrouted_total" { "reason" = "path" };
    UnroutedSni = "unrouted_total" { "reason" = "sni" };
    RejectedNoHost = "rejected_total" { "reason" = "no-host" };
    RejectedManyHosts = "rejected_total" { "reason" = "many-hosts" };
    RejectedBadHost = "rejected_total" { "reason" = "bad-host" };
    RejectedOtherHost = "rejected_total" { "reason" = "other-host" };
    RejectedPath = "rejected_total" { "reason" = "path" };
    RejectedScheme = "rejected_total" { "reason" = "scheme" };
    RejectedLongTarget = "rejected_total" { "reason" = "long-target" };
    RejectedQuery = "rejected_total" { "reason" = "query" };
    RejectedMethod = "rejected_total" { "reason" = "method" };
    RejectedManyFields = "rejected_total" { "reason" = "many-fields" };
    RejectedField = "rejected_total" { "reason" = "field" };
    RejectedContentLength = "rejected_total" { "reason" = "content-length" };
    RejectedTwoLengths = "rejected_total" { "reason" = "two-lengths" };
    RejectedTransferEncoding = "rejected_total" { "reason" = "transfer-encoding" };
    RejectedTransferCoding = "rejected_total" { "reason" = "transfer-coding" };
    RejectedConnections = "rejected_total" { "reason" = "connections" };
    LogDropped = "access_log_dropped_total" {};
    RejectedNoHttp = "rejected_total" { "reason" = "no-http" };
    RejectedNoRequest = "rejected_total" { "reason" = "no-request" };
    RejectedTakesNothing = "rejected_total" { "reason" = "takes-nothing" };
    RejectedRequests = "rejected_total" { "reason" = "requests" };
    ShedMemory = "connections_shed_total" { "reason" = "memory" };
    ShedConnections = "connections_shed_total" { "reason" = "connections" };
    PoolIdle = "pool_connections" { "state" = "idle" };
    PoolShared = "pool_connections" { "state" = "shared" };
    DrainingRequests = "draining_requests" {};
    TableVersion = "table_version" {};
    TableApplies = "table_applies_total" {};
    TableApplyUs = "table_apply_microseconds_total" {};
}
