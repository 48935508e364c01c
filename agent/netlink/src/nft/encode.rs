//! Expressions as attributes: a name, and what belongs to it. The order is that of `nft`, so
//! that bytes can be compared.

use super::attribute::Attribute;
use super::expression::{
    Address, Comparison, Expression, Found, Layer, Meta, Payload, Register, Tracked, Verdict,
};
use super::names::{Family, SetName};
use super::uapi::*;
use std::time::Duration;

/// One element of a rule's list.
pub(super) fn expression(expression: &Expression, family: Family) -> Attribute {
    let (name, data) = parts(expression, family);
    Attribute::nested(
        NFTA_LIST_ELEM,
        vec![
            Attribute::text(NFTA_EXPR_NAME, name),
            Attribute::nested(NFTA_EXPR_DATA, data),
        ],
    )
}

/// Bytes as they go through registers: `NFTA_DATA_VALUE` in an attribute of its own.
pub(super) fn value(kind: u16, bytes: &[u8]) -> Attribute {
    Attribute::nested(kind, vec![Attribute::bytes(NFTA_DATA_VALUE, bytes)])
}

fn parts(expression: &Expression, family: Family) -> (&'static str, Vec<Attribute>) {
    let u32 = Attribute::u32;
    match expression {
        Expression::Meta(key, to) => (
            "meta",
            vec![
                u32(NFTA_META_KEY, meta(*key)),
                register(NFTA_META_DREG, *to),
            ],
        ),
        Expression::SetMeta(key, from) => (
            "meta",
            vec![
                u32(NFTA_META_KEY, meta(*key)),
                register(NFTA_META_SREG, *from),
            ],
        ),
        Expression::Track(key, to) => (
            "ct",
            vec![
                u32(NFTA_CT_KEY, u32::from(*key == Tracked::Direction)),
                register(NFTA_CT_DREG, *to),
            ],
        ),
        Expression::Payload(field, to) => {
            let mut all = vec![register(NFTA_PAYLOAD_DREG, *to)];
            all.extend(place(*field));
            ("payload", all)
        }
        Expression::SetAddress(field, from) => ("payload", set_address(*field, *from)),
        Expression::SetSummed(field, sum, from) => ("payload", set_summed(*field, *sum, *from)),
        Expression::Set(field, from) => ("payload", set(*field, *from)),
        Expression::Compare(from, how, bytes) => (
            "cmp",
            vec![
                register(NFTA_CMP_SREG, *from),
                u32(NFTA_CMP_OP, u32::from(*how == Comparison::Unequal)),
                value(NFTA_CMP_DATA, bytes),
            ],
        ),
        Expression::Mask(both, mask) => ("bitwise", bitwise(*both, mask, &vec![0; mask.len()])),
        Expression::Flip(both, bits) => {
            ("bitwise", bitwise(*both, &vec![u8::MAX; bits.len()], bits))
        }
        Expression::Lookup(set, key, found) => ("lookup", lookup(*set, *key, *found)),
        Expression::Immediate(to, bytes) => (
            "immediate",
            vec![
                register(NFTA_IMMEDIATE_DREG, *to),
                value(NFTA_IMMEDIATE_DATA, bytes),
            ],
        ),
        Expression::Verdict(verdict) => ("immediate", decide(*verdict)),
        Expression::Count => ("counter", Vec::new()),
        Expression::NoTrack => ("notrack", Vec::new()),
        Expression::Duplicate(address) => ("dup", vec![register(NFTA_DUP_SREG_ADDR, *address)]),
        Expression::DestinationNat(address) => ("nat", nat(true, *address, family)),
        Expression::SourceNat { addresses, ports } => {
            ("nat", source_nat(*addresses, *ports, family))
        }
        Expression::Update {
            set,
            key,
            value,
            time,
        } => ("dynset", update(*set, *key, *value, *time)),
        Expression::Delete { set, key } => (
            "dynset",
            vec![
                register(NFTA_DYNSET_SREG_KEY, *key),
                u32(NFTA_DYNSET_OP, NFT_DYNSET_OP_DELETE),
                Attribute::text(NFTA_DYNSET_SET_NAME, set.name),
            ],
        ),
        Expression::AddressType(address, to) => {
            let flags = match address {
                Address::Source => NFTA_FIB_F_SADDR,
                Address::Destination => NFTA_FIB_F_DADDR,
                Address::DestinationOnDevice => NFTA_FIB_F_DADDR | NFTA_FIB_F_IIF,
            };
            ("fib", fib(flags, NFT_FIB_RESULT_ADDRTYPE, *to))
        }
        Expression::WayBack(to) => {
            let flags = NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF | NFTA_FIB_F_PRESENT;
            ("fib", fib(flags, NFT_FIB_RESULT_OIF, *to))
        }
        Expression::SetMss(from) => ("exthdr", set_mss(*from)),
        Expression::Reset => ("reject", reset()),
        Expression::TunnelId(to) => (
            "tunnel",
            vec![
                u32(NFTA_TUNNEL_KEY, NFT_TUNNEL_ID),
                register(NFTA_TUNNEL_DREG, *to),
            ],
        ),
    }
}

fn fib(flags: u32, result: u32, to: Register) -> Vec<Attribute> {
    vec![
        Attribute::u32(NFTA_FIB_FLAGS, flags),
        Attribute::u32(NFTA_FIB_RESULT, result),
        register(NFTA_FIB_DREG, to),
    ]
}

fn set_address(field: Payload, from: Register) -> Vec<Attribute> {
    /// Offset of the checksum in an IPv4 header.
    const IPV4_CHECKSUM: u8 = 10;
    let mut all = set_summed(field, IPV4_CHECKSUM, from);
    let flags = NFT_PAYLOAD_L4CSUM_PSEUDOHDR;
    all.push(Attribute::u32(NFTA_PAYLOAD_CSUM_FLAGS, flags));
    all
}

/// Bytes that a checksum at `sum` in the same header covers.
fn set_summed(field: Payload, sum: u8, from: Register) -> Vec<Attribute> {
    let mut all = set(field, from);
    all.extend([
        Attribute::u32(NFTA_PAYLOAD_CSUM_TYPE, NFT_PAYLOAD_CSUM_INET),
        Attribute::u32(NFTA_PAYLOAD_CSUM_OFFSET, u32::from(sum)),
    ]);
    all
}

fn set(field: Payload, from: Register) -> Vec<Attribute> {
    let mut all = vec![register(NFTA_PAYLOAD_SREG, from)];
    all.extend(place(field));
    all
}

fn update(
    set: SetName,
    key: Register,
    value: Option<Register>,
    time: Option<Duration>,
) -> Vec<Attribute> {
    let mut all = vec![register(NFTA_DYNSET_SREG_KEY, key)];
    all.extend(value.map(|value| register(NFTA_DYNSET_SREG_DATA, value)));
    all.push(Attribute::u32(NFTA_DYNSET_OP, NFT_DYNSET_OP_UPDATE));
    all.extend(time.map(|time| Attribute::milliseconds(NFTA_DYNSET_TIMEOUT, time)));
    all.push(Attribute::text(NFTA_DYNSET_SET_NAME, set.name));
    all
}

fn lookup(set: SetName, key: Register, found: Found) -> Vec<Attribute> {
    let mut all = vec![register(NFTA_LOOKUP_SREG, key)];
    if let Found::Value(to) = found {
        all.push(register(NFTA_LOOKUP_DREG, to));
    }
    all.push(Attribute::text(NFTA_LOOKUP_SET, set.name));
    if found == Found::Absent {
        all.push(Attribute::u32(NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV));
    }
    all
}

fn bitwise(both: Register, mask: &[u8], flip: &[u8]) -> Vec<Attribute> {
    let length = u32::try_from(mask.len()).unwrap_or(u32::MAX);
    vec![
        register(NFTA_BITWISE_SREG, both),
        register(NFTA_BITWISE_DREG, both),
        Attribute::u32(NFTA_BITWISE_OP, NFT_BITWISE_MASK_XOR),
        Attribute::u32(NFTA_BITWISE_LEN, length),
        value(NFTA_BITWISE_MASK, mask),
        value(NFTA_BITWISE_XOR, flip),
    ]
}

fn decide(verdict: Verdict) -> Vec<Attribute> {
    /// `NFT_REG_VERDICT`.
    const VERDICT: u32 = 0;
    let code = match verdict {
        Verdict::Accept => NF_ACCEPT,
        Verdict::Drop => NF_DROP,
        Verdict::Goto(_) => NFT_GOTO,
        Verdict::Jump(_) => NFT_JUMP,
        Verdict::Return => NFT_RETURN,
    };
    let mut inner = vec![Attribute::bytes(NFTA_VERDICT_CODE, &code.to_be_bytes())];
    if let Verdict::Goto(chain) | Verdict::Jump(chain) = verdict {
        inner.push(Attribute::text(NFTA_VERDICT_CHAIN, chain));
    }
    vec![
        Attribute::u32(NFTA_IMMEDIATE_DREG, VERDICT),
        Attribute::nested(
            NFTA_IMMEDIATE_DATA,
            vec![Attribute::nested(NFTA_DATA_VERDICT, inner)],
        ),
    ]
}

fn nat(destination: bool, address: Register, family: Family) -> Vec<Attribute> {
    vec![
        Attribute::u32(NFTA_NAT_TYPE, u32::from(destination)),
        Attribute::u32(NFTA_NAT_FAMILY, u32::from(family.number())),
        register(NFTA_NAT_REG_ADDR_MIN, address),
    ]
}

fn source_nat(
    addresses: (Register, Register),
    ports: (Register, Register),
    family: Family,
) -> Vec<Attribute> {
    let flags = NF_NAT_RANGE_PROTO_SPECIFIED | NF_NAT_RANGE_PERSISTENT;
    let mut all = nat(false, addresses.0, family);
    all.extend([
        register(NFTA_NAT_REG_ADDR_MAX, addresses.1),
        register(NFTA_NAT_REG_PROTO_MIN, ports.0),
        register(NFTA_NAT_REG_PROTO_MAX, ports.1),
        Attribute::u32(NFTA_NAT_FLAGS, flags),
    ]);
    all
}

fn set_mss(from: Register) -> Vec<Attribute> {
    /// `TCPOPT_MSS`, in one byte; its number begins at its third byte.
    const MSS: u8 = 2;
    let (offset, length) = (2, 2);
    vec![
        register(NFTA_EXTHDR_SREG, from),
        Attribute::bytes(NFTA_EXTHDR_TYPE, &[MSS]),
        Attribute::u32(NFTA_EXTHDR_OFFSET, offset),
        Attribute::u32(NFTA_EXTHDR_LEN, length),
        Attribute::u32(NFTA_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT),
    ]
}

fn reset() -> Vec<Attribute> {
    vec![
        Attribute::u32(NFTA_REJECT_TYPE, NFT_REJECT_TCP_RST),
        Attribute::bytes(NFTA_REJECT_ICMP_CODE, &[0]),
    ]
}

fn place(field: Payload) -> [Attribute; 3] {
    let base = match field.layer {
        Layer::Network => 1,
        Layer::Transport => 2,
    };
    [
        Attribute::u32(NFTA_PAYLOAD_BASE, base),
        Attribute::u32(NFTA_PAYLOAD_OFFSET, u32::from(field.offset)),
        Attribute::u32(NFTA_PAYLOAD_LEN, u32::from(field.length)),
    ]
}

fn meta(key: Meta) -> u32 {
    match key {
        Meta::EtherType => 1,
        Meta::Priority => 2,
        Meta::Mark => 3,
        Meta::InIndex => 4,
        Meta::InName => 6,
        Meta::OutName => 7,
        Meta::User => 10,
        Meta::Network => 15,
        Meta::Transport => 16,
        Meta::PacketType => 19,
    }
}

/// `enum nft_registers`: words that are at the begin of a group of four have the group's number.
fn register(kind: u16, register: Register) -> Attribute {
    let number = match register {
        Register::W0 => 1,
        Register::W1 => 9,
        Register::W2 => 10,
        Register::W3 => 11,
        Register::W4 => 2,
        Register::W8 => 3,
    };
    Attribute::u32(kind, number)
}
