//! Frames, as clients and tasks send them.

use std::net::{Ipv4Addr, SocketAddrV4};

use etherparse::{
    EtherType, Ethernet2Header, IpNumber, Ipv4Header, Ipv4Options, TcpHeader, UdpHeader,
};

use crate::lab::{GATEWAY, mac, node};

/// A client.
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);

/// TCP flags of a segment by their first letters: `SA` is a SYN-ACK.
pub(crate) type Flags = &'static str;

/// Bytes to put over those at an offset.
pub(crate) type Patch<'a> = (usize, &'a [u8]);

/// The frame with other bytes here and there; checksums stay as they are.
pub(crate) fn patched(frame: &[u8], patches: &[Patch<'_>]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    for (offset, bytes) in patches {
        frame[*offset..offset + bytes.len()].copy_from_slice(bytes);
    }
    frame
}

/// A TCP segment or UDP datagram to be.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// MAC addresses: destination, source.
    pub(crate) macs: [[u8; 6]; 2],
    from: SocketAddrV4,
    to: SocketAddrV4,
    /// None for UDP.
    flags: Option<Flags>,
    tos: u8,
    ip_options: Vec<u8>,
    tcp_options: Vec<u8>,
    /// What it acknowledges, with the flag for it.
    acknowledged: u32,
    payload: Vec<u8>,
}

/// Every segment's sequence number.
pub(crate) const SEQUENCE: u32 = 0x0102_0304;

/// A socket address.
pub(crate) fn at(address: Ipv4Addr, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(address, port)
}

/// The client, with a port.
pub(crate) fn client(port: u16) -> SocketAddrV4 {
    at(CLIENT, port)
}

/// A TCP segment, by way of the gateway to node 1.
pub(crate) fn tcp(from: SocketAddrV4, to: SocketAddrV4, flags: Flags) -> Draft {
    draft(from, to, Some(flags))
}

/// A UDP datagram, by way of the gateway to node 1.
pub(crate) fn udp(from: SocketAddrV4, to: SocketAddrV4) -> Draft {
    draft(from, to, None).payload(b"question")
}

fn draft(from: SocketAddrV4, to: SocketAddrV4, flags: Option<Flags>) -> Draft {
    Draft {
        macs: [mac(node(1)), mac(GATEWAY)],
        from,
        to,
        flags,
        tos: 0,
        ip_options: Vec::new(),
        tcp_options: Vec::new(),
        acknowledged: SEQUENCE + 1,
        payload: Vec::new(),
    }
}

impl Draft {
    /// With this much behind its header.
    pub(crate) fn payload(mut self, payload: &[u8]) -> Self {
        self.payload = payload.to_vec();
        self
    }

    /// With IPv4 options, whole words.
    pub(crate) fn ip_options(mut self, options: &[u8]) -> Self {
        self.ip_options = options.to_vec();
        self
    }

    /// With TCP options, whole words.
    pub(crate) fn tcp_options(mut self, options: &[u8]) -> Self {
        self.tcp_options = options.to_vec();
        self
    }

    /// With another acknowledgement number than the one that follows a SYN of the other side.
    pub(crate) fn acknowledging(mut self, number: u32) -> Self {
        self.acknowledged = number;
        self
    }

    /// With DSCP and ECN bits.
    pub(crate) fn tos(mut self, tos: u8) -> Self {
        self.tos = tos;
        self
    }

    /// To another host than node 1.
    pub(crate) fn with_mac(mut self, destination: [u8; 6]) -> Self {
        self.macs[0] = destination;
        self
    }

    /// The bytes, with right checksums.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let transport = if self.flags.is_some() {
            20 + self.tcp_options.len()
        } else {
            8
        };
        let length = u16::try_from(transport + self.payload.len()).unwrap();
        let (source, destination) = (self.from.ip().octets(), self.to.ip().octets());
        let proto = if self.flags.is_some() {
            IpNumber::TCP
        } else {
            IpNumber::UDP
        };
        let mut ip = Ipv4Header::new(length, 63, proto, source, destination).unwrap();
        ip.options = Ipv4Options::try_from(self.ip_options.as_slice()).unwrap();
        ip.set_payload_len(usize::from(length)).unwrap();
        ip.identification = 0x1234;
        ip.dscp = (self.tos >> 2).try_into().unwrap();
        ip.ecn = (self.tos & 3).try_into().unwrap();
        ip.header_checksum = ip.calc_header_checksum();
        let mut frame = Vec::new();
        let ethernet = Ethernet2Header {
            destination: self.macs[0],
            source: self.macs[1],
            ether_type: EtherType::IPV4,
        };
        frame.extend(ethernet.to_bytes());
        frame.extend(ip.to_bytes());
        match self.flags {
            Some(flags) => frame.extend(self.tcp_header(flags, &ip).to_bytes()),
            None => {
                let (from, to) = (self.from.port(), self.to.port());
                let udp = UdpHeader::with_ipv4_checksum(from, to, &ip, &self.payload).unwrap();
                frame.extend(udp.to_bytes());
            }
        }
        frame.extend(&self.payload);
        frame
    }

    fn tcp_header(&self, flags: Flags, ip: &Ipv4Header) -> TcpHeader {
        let mut tcp = TcpHeader::new(self.from.port(), self.to.port(), SEQUENCE, 64_240);
        if flags.contains('A') {
            tcp.acknowledgment_number = self.acknowledged;
        }
        for flag in flags.chars() {
            match flag {
                'S' => tcp.syn = true,
                'A' => tcp.ack = true,
                'F' => tcp.fin = true,
                'R' => tcp.rst = true,
                'P' => tcp.psh = true,
                other => panic!("no TCP flag is called {other}"),
            }
        }
        tcp.set_options_raw(&self.tcp_options).unwrap();
        tcp.checksum = tcp.calc_checksum_ipv4(ip, &self.payload).unwrap();
        tcp
    }
}
