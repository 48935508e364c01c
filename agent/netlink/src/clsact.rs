//! BPF programs as filters of a device's `clsact` queueing discipline, whose verdict is final
//! (direct action): what kernels before 6.6 have instead of tcx.
//!
//! Formats: include/uapi/linux/pkt_cls.h (`TCA_BPF_…`), include/uapi/linux/pkt_sched.h
//! (`TC_H_CLSACT`), include/uapi/linux/rtnetlink.h (`struct tcmsg`).

use crate::socket::{Error, NetlinkSocket};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use netlink_packet_route::tc::{
    TcAttribute, TcBpfFlags, TcFilterBpf, TcFilterBpfOption, TcHandle, TcHeader, TcMessage,
    TcOption,
};
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::errno::Errno;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// `TCA_KIND` of the queueing discipline.
const CLSACT: &str = "clsact";
/// `ETH_P_ALL` (include/uapi/linux/if_ether.h): the filter sees packets of every protocol.
const ALL_PROTOCOLS: u16 = 3;

/// Direction in which packets pass a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Packets that the device receives.
    Ingress,
    /// Packets that leave by the device.
    Egress,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ingress, Self::Egress];

    /// `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)`, or the same of `TC_H_MIN_EGRESS`.
    fn parent(self) -> TcHandle {
        TcHandle {
            major: TcHandle::CLSACT.major,
            minor: match self {
                Self::Ingress => TcHandle::MIN_INGRESS,
                Self::Egress => TcHandle::MIN_EGRESS,
            },
        }
    }
}

/// Attach point of a filter; the kernel has at most one filter at each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Index of the device.
    pub link: u32,
    /// Direction of the packets that the filter sees.
    pub direction: Direction,
    /// Filters with lower numbers see a packet first.
    pub priority: u16,
    /// Its number among the BPF filters of that priority; not 0.
    pub handle: u32,
}

/// A BPF filter, as the kernel tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Attach point.
    pub place: Place,
    /// Name given when the filter was attached.
    pub name: String,
    /// The kernel's number of its program.
    pub program: u32,
}

/// Opens the socket that the functions of this module speak through.
///
/// # Errors
/// When the kernel gives none.
pub fn open() -> Result<NetlinkSocket, Error> {
    NetlinkSocket::open(NETLINK_ROUTE)
}

/// Gives a device a `clsact` queueing discipline, and changes nothing else of it; false if it had one.
///
/// # Errors
/// `ENODEV` without such a device, `EINVAL` where a discipline of another kind (`ingress`) holds
/// the place.
pub fn add(socket: &mut NetlinkSocket, link: u32) -> Result<bool, Error> {
    let queue = queue(socket, link)?;
    let message = || RouteNetlinkMessage::NewQueueDiscipline(discipline(link));
    match socket.request(message(), NLM_F_CREATE | NLM_F_EXCL) {
        Ok(_) => {
            // With any discipline, a device without a queue gets the length of one (`qdisc_create` of
            // net/sched/sch_api.c). It is of no use, but it would stay.
            if queue == Some(0) {
                set_queue(socket, link, 0)?;
            }
            Ok(true)
        }
        // Of which kind? To the same one the kernel changes nothing; another one it refuses.
        Err(error) if error.refused() == Some(Errno::EEXIST) => {
            socket.request(message(), NLM_F_CREATE).map(|_| false)
        }
        Err(error) => Err(error),
    }
}

/// Length of a device's queue, in packets (`IFLA_TXQLEN`).
fn queue(socket: &mut NetlinkSocket, link: u32) -> Result<Option<u32>, Error> {
    let told = socket.request(RouteNetlinkMessage::GetLink(device(link)), 0)?;
    let attributes = told.into_iter().flat_map(|message| match message {
        RouteNetlinkMessage::NewLink(message) => message.attributes,
        _ => Vec::new(),
    });
    let mut lengths = attributes.filter_map(|attribute| match attribute {
        LinkAttribute::TxQueueLen(length) => Some(length),
        _ => None,
    });
    Ok(lengths.next())
}

fn set_queue(socket: &mut NetlinkSocket, link: u32, length: u32) -> Result<(), Error> {
    let mut message = device(link);
    message.attributes.push(LinkAttribute::TxQueueLen(length));
    socket
        .request(RouteNetlinkMessage::SetLink(message), 0)
        .map(drop)
}

fn device(link: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = link;
    message
}

/// Takes a device's `clsact` away, with all filters that it has.
///
/// # Errors
/// When the kernel refuses: `EINVAL` or `ENOENT` where there is none.
pub fn remove(socket: &mut NetlinkSocket, link: u32) -> Result<(), Error> {
    let message = RouteNetlinkMessage::DelQueueDiscipline(discipline(link));
    socket.request(message, 0).map(drop)
}

/// Attaches a program, atomically replacing another BPF filter at the attach point: each packet sees
/// the old one or the new one. The filter holds the program; `program` may be closed.
///
/// # Errors
/// When the kernel refuses: `EINVAL` where the device has no `clsact`.
pub fn attach(
    socket: &mut NetlinkSocket,
    place: Place,
    name: &str,
    program: BorrowedFd<'_>,
) -> Result<(), Error> {
    let mut message = filter(place.link, place.direction, place.priority);
    message.header.handle = place.handle.into();
    message.attributes.push(TcAttribute::Options(
        [
            TcFilterBpfOption::ProgFd(program.as_raw_fd().unsigned_abs()),
            TcFilterBpfOption::ProgName(name.to_owned()),
            TcFilterBpfOption::Flags(TcBpfFlags::DirectAction),
        ]
        .map(TcOption::Bpf)
        .into(),
    ));
    let message = RouteNetlinkMessage::NewTrafficFilter(message);
    // Without `NLM_F_EXCL` the kernel replaces what is there.
    socket.request(message, NLM_F_CREATE).map(drop)
}

/// Removes the filter at this attach point.
///
/// # Errors
/// When the kernel refuses: `ENOENT` or `EINVAL` where there is none.
pub fn detach(socket: &mut NetlinkSocket, place: Place) -> Result<(), Error> {
    let mut message = filter(place.link, place.direction, place.priority);
    message.header.handle = place.handle.into();
    let message = RouteNetlinkMessage::DelTrafficFilter(message);
    socket.request(message, 0).map(drop)
}

/// The BPF filters of a device with a priority; none of a device without `clsact`.
///
/// # Errors
/// When the kernel refuses (`ENODEV` without such a device), or can't be understood.
pub fn filters(
    socket: &mut NetlinkSocket,
    link: u32,
    direction: Direction,
    priority: u16,
) -> Result<Vec<Filter>, Error> {
    let told = socket.dump(RouteNetlinkMessage::GetTrafficFilter(filter(
        link, direction, priority,
    )))?;
    let told = told.into_iter().filter_map(|message| match message {
        RouteNetlinkMessage::NewTrafficFilter(message) => read(&message, direction),
        _ => None,
    });
    Ok(told.collect())
}

/// Whether a device has a filter, of any kind and priority.
///
/// # Errors
/// When the kernel refuses. What it tells of other kinds of filters may not be understood: then
/// there are some.
pub fn any(socket: &mut NetlinkSocket, link: u32, direction: Direction) -> Result<bool, Error> {
    let mut message = filter(link, direction, 0);
    message.header.info = 0;
    message.attributes.clear();
    match socket.dump(RouteNetlinkMessage::GetTrafficFilter(message)) {
        Ok(told) => Ok(!told.is_empty()),
        Err(Error::Garbled(_)) => Ok(true),
        Err(error) => Err(error),
    }
}

fn discipline(link: u32) -> TcMessage {
    let mut message = message(link, TcHandle::CLSACT);
    message.header.handle = TcHandle {
        major: TcHandle::CLSACT.major,
        minor: 0,
    };
    message
        .attributes
        .push(TcAttribute::Kind(CLSACT.to_owned()));
    message
}

fn filter(link: u32, direction: Direction, priority: u16) -> TcMessage {
    let mut message = message(link, direction.parent());
    // `TC_H_MAKE(priority << 16, protocol)`, the protocol in network order.
    message.header.info = u32::from(priority) << 16 | u32::from(ALL_PROTOCOLS.to_be());
    let kind = TcFilterBpf::KIND.to_owned();
    message.attributes.push(TcAttribute::Kind(kind));
    message
}

fn message(link: u32, parent: TcHandle) -> TcMessage {
    let header = TcHeader {
        // No device has a number that does not fit: then there is none.
        index: i32::try_from(link).unwrap_or_default(),
        parent,
        ..TcHeader::default()
    };
    TcMessage::from_parts(header, Vec::new())
}

/// A filter, if it is a BPF program with a name. What the kernel tells first of each priority
/// has no handle: it stands for all of its filters.
fn read(message: &TcMessage, direction: Direction) -> Option<Filter> {
    let options = message.attributes.iter().filter_map(|attribute| {
        let TcAttribute::Options(options) = attribute else {
            return None;
        };
        Some(options)
    });
    let (mut name, mut program) = (None, None);
    for option in options.flatten() {
        match option {
            TcOption::Bpf(TcFilterBpfOption::ProgName(text)) => name = Some(text.clone()),
            TcOption::Bpf(TcFilterBpfOption::ProgId(id)) => program = Some(*id),
            _ => {}
        }
    }
    Some(Filter {
        place: Place {
            link: u32::try_from(message.header.index).ok()?,
            direction,
            priority: u16::try_from(message.header.info >> 16).ok()?,
            handle: Some(u32::from(message.header.handle)).filter(|handle| *handle != 0)?,
        },
        name: name?,
        program: program?,
    })
}
