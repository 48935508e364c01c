//! Counters, per task and per reason for a drop. They are per CPU: readers add them up.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Traffic of one task (or, after tasks have ended, of one service).
/// `in` is from clients to tasks. Counted on the ingress node only.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Counters {
    /// Flows scheduled to it.
    pub new: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Bytes of IP packets from clients.
    pub bytes_in: u64,
    /// Packets to clients.
    pub packets_out: u64,
    /// Bytes of IP packets to clients.
    pub bytes_out: u64,
}

impl Counters {
    /// The sum of both; wraps as each of them does.
    #[must_use]
    pub const fn plus(&self, other: &Self) -> Self {
        Self {
            new: self.new.wrapping_add(other.new),
            packets_in: self.packets_in.wrapping_add(other.packets_in),
            bytes_in: self.bytes_in.wrapping_add(other.bytes_in),
            packets_out: self.packets_out.wrapping_add(other.packets_out),
            bytes_out: self.bytes_out.wrapping_add(other.bytes_out),
        }
    }
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])* $name:ident = $code:literal, $sentence:literal;)*) => {
        /// Why a packet was dropped. Each is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u32)]
        pub enum Reason { $($(#[doc = $doc])* $name = $code,)* }

        impl Reason {
            /// All of them, in the order of their codes.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its meaning in a sentence, for people.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }
        }
    };
}

reasons! {
    /// A tunnel packet names a task that is not here.
    UnknownTask = 0, "another node sent a flow for a task that does not run here (any more)";
    /// A tunnel packet carries what can't be delivered.
    BadTunnel = 1, "a packet from another node could not be understood";
    /// Too large once encapsulated.
    TooBig = 2, "a packet was too large to be sent to the task's node: path MTU below the uplinks' MTU";
    /// The table changed under a new flow, twice.
    NoSlot = 3, "a new flow met a table that was being replaced";
    /// The frame could not be changed as needed.
    NoRoom = 4, "the kernel refused to grow or shrink a packet";
    /// No memory for a flow.
    FlowTable = 5, "the flow table could not take a new flow";
    /// No port left to present a client under.
    NoPort = 6, "more connections at once were to be presented under other ports than their own than there are ports for it";
    /// The service's label names other networks.
    NotAllowed = 7, "the client is in none of the networks that the service's label swarmlb.allow names";
    /// A tunnel packet whose token does not fit.
    BadToken = 8, "a packet under another node's address had no valid token: this node does not know that node's key yet, or something else sent it";
    /// What is not swarmlb's own, to another node's tunnel or agent.
    NotOurs = 9, "a container or a process of this node sent a packet of its own to the tunnel port of another node, or a container called another node's agent";
    /// A tunnel packet of a flow whose client came to this node.
    OwnFlow = 10, "another node sent a packet of a connection that this node has from the client itself";
    /// A frame of a container under another container's address.
    Spoofed = 11, "a container of this node sent under the address of a task that is another container";
    /// A task's answer to a connection that is another task's by now.
    LateAnswer = 12, "a task answered a new connection after its client, which had waited, was given another task";
}
