//! The engine's JSON, as far as it is needed.
//!
//! Every field may be missing or null and every word may be new: what cannot be understood
//! is left to [`super::convert`], which has an answer for it. Only a list that is no list fails.

use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    input: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or_default())
}

macro_rules! json {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $json:literal $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Deserialize)]
        #[serde(default)]
        pub struct $name {
            $($(#[$field_doc])* #[serde(rename = $json, deserialize_with = "null_is_default")] pub $field: $type,)*
        }
    )*};
}

json! {
    /// `/info`.
    Info {
        /// Host name.
        "Name" name: String,
        /// Role of this host in the Swarm.
        "Swarm" swarm: SwarmInfo,
    }
    /// `/info`, `Swarm`.
    SwarmInfo {
        /// This node's id.
        "NodeID" node_id: String,
        /// Its advertised address.
        "NodeAddr" node_addr: String,
        /// `inactive`, `pending`, `active`, `error`, `locked`.
        "LocalNodeState" state: String,
        /// Is this a manager now?
        "ControlAvailable" control_available: bool,
        /// Error message, in state `error`.
        "Error" error: String,
        /// Managers that this node knows; itself included where it is one.
        "RemoteManagers" remote_managers: Vec<RemoteManager>,
    }
    /// A manager, as any node knows it.
    RemoteManager {
        /// Its id.
        "NodeID" node_id: String,
        /// Its Swarm address with port.
        "Addr" addr: String,
    }
    /// One of `/services`.
    Service {
        /// Its id.
        "ID" id: String,
        /// Time of creation, as in RFC 3339.
        "CreatedAt" created: String,
        /// What the user asked for.
        "Spec" spec: ServiceSpec,
        /// Ports as Swarm assigned them.
        "Endpoint" endpoint: Endpoint,
        /// What the user asked for before that.
        "PreviousSpec" previous: PreviousSpec,
        /// The last update of its tasks.
        "UpdateStatus" update: UpdateStatus,
    }
    /// `PreviousSpec` of a service.
    PreviousSpec {
        /// Ports with the numbers that the user asked for.
        "EndpointSpec" endpoint: Endpoint,
    }
    /// `UpdateStatus` of a service.
    UpdateStatus {
        /// `updating`, `completed` and so on; none if no task had to be replaced yet.
        "State" state: String,
        /// Time of its beginning, as in RFC 3339.
        "StartedAt" started: String,
    }
    /// `Spec` of a service.
    ServiceSpec {
        /// Its name.
        "Name" name: String,
        /// Its labels.
        "Labels" labels: BTreeMap<String, String>,
    }
    /// `Endpoint` of a service.
    Endpoint {
        /// Ports with the numbers that Swarm assigned.
        "Ports" ports: Vec<Port>,
    }
    /// A published port.
    Port {
        /// `tcp`, `udp`, `sctp`.
        "Protocol" protocol: String,
        /// In the container.
        "TargetPort" target: u32,
        /// On the nodes; missing where not assigned.
        "PublishedPort" published: u32,
        /// `ingress`, `host`.
        "PublishMode" mode: String,
    }
    /// One of `/tasks`.
    Task {
        /// Its id.
        "ID" id: String,
        /// Time of creation, as in RFC 3339.
        "CreatedAt" created: String,
        /// Its service.
        "ServiceID" service_id: String,
        /// Number of the task within its service; none for global services.
        "Slot" slot: u64,
        /// Its node; none while pending.
        "NodeID" node_id: String,
        /// How it is.
        "Status" status: TaskStatus,
        /// The state that the Swarm wants it in.
        "DesiredState" desired_state: String,
    }
    /// `Status` of a task.
    TaskStatus {
        /// `running` and so on.
        "State" state: String,
        /// Its own ports.
        "PortStatus" ports: PortStatus,
    }
    /// `PortStatus` of a task.
    PortStatus {
        /// Ports with `mode=host` as assigned, once per address family.
        "Ports" ports: Vec<Port>,
    }
    /// One of `/nodes`.
    Node {
        /// Its id.
        "ID" id: String,
        /// What the user asked for.
        "Spec" spec: NodeSpec,
        /// Facts that its engine reported.
        "Description" description: NodeDescription,
        /// How it is.
        "Status" status: NodeStatus,
        /// Present on managers only.
        "ManagerStatus" manager: Option<ManagerStatus>,
    }
    /// `Spec` of a node. Its `Role` is the desired role, not the actual one, and is not read.
    NodeSpec {
        /// `active`, `pause`, `drain`.
        "Availability" availability: String,
    }
    /// `Description` of a node.
    NodeDescription {
        /// Its host name.
        "Hostname" hostname: String,
    }
    /// `Status` of a node.
    NodeStatus {
        /// `unknown`, `down`, `ready`, `disconnected`.
        "State" state: String,
        /// Source address of its connection to the dispatcher; for leaders the address that they listen on.
        "Addr" addr: String,
    }
    /// `ManagerStatus` of a node.
    ManagerStatus {
        /// Its advertised address with port.
        "Addr" addr: String,
    }
    /// One of `/containers/json`.
    Container {
        /// Full id.
        "Id" id: String,
        /// Its names, each with a slash before it.
        "Names" names: Vec<String>,
        /// Its labels.
        "Labels" labels: BTreeMap<String, String>,
        /// For people: `Up 5 minutes (unhealthy)`.
        "Status" status: String,
    }
    /// `/networks/NAME`.
    Network {
        /// By full container id; also `ingress-sbox`.
        "Containers" containers: BTreeMap<String, Attachment>,
    }
    /// A container's place in a network.
    Attachment {
        /// Address with prefix length.
        "IPv4Address" ipv4: String,
    }
    /// Body of an error.
    Refusal {
        /// The engine's own words.
        "message" message: String,
    }
}

/// The engine's own words in the body of an error.
#[must_use]
pub fn refusal(body: &[u8]) -> String {
    match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) if !refusal.message.is_empty() => refusal.message,
        _ => String::from_utf8_lossy(body.get(..200).unwrap_or(body))
            .trim()
            .to_owned(),
    }
}
