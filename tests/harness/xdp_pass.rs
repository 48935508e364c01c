//! The XDP program of the switch's ports: passes everything.
//!
//! Native `XDP_TX` on a veth device delivers only where the peer runs an XDP
//! program too. A real NIC has no such wish, so the laboratory's cables carry
//! one at the switch's end. It is two instructions long; the object file that
//! `ip link` wants around them is written here, and no BPF compiler is needed.

use std::io::Write as _;

use anyhow::{Context, Result};
use object::write::{Object, Symbol, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
};

use crate::netns::Netns;
use crate::shell;

const SECTION: &str = "xdp";

/// `r0 = XDP_PASS; exit` as `struct bpf_insn`, little-endian.
const PROGRAM: [u8; 16] = [
    0xb7, 0, 0, 0, 2, 0, 0, 0, // BPF_ALU64 | BPF_MOV | BPF_K, immediate 2
    0x95, 0, 0, 0, 0, 0, 0, 0, // BPF_JMP | BPF_EXIT
];

/// Attaches the program natively to a device; it stays until the device goes.
pub(crate) fn attach(netns: &Netns, device: &str) -> Result<()> {
    let mut file = tempfile::NamedTempFile::new().context("a file for the XDP program")?;
    file.write_all(&object_file()?)?;
    // `ip` mounts a bpffs where it finds none, so it gets mounts of its own.
    let mut command = netns.command("unshare");
    command
        .args([
            "--mount", "ip", "link", "set", "dev", device, "xdpdrv", "object",
        ])
        .arg(file.path())
        .args(["section", SECTION]);
    shell::stdout(&mut command).map(drop)
}

fn object_file() -> Result<Vec<u8>> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let section = object.add_section(Vec::new(), SECTION.into(), SectionKind::Text);
    let symbol = object.add_symbol(Symbol {
        name: b"xdp_pass".to_vec(),
        value: 0,
        size: 0,
        kind: SymbolKind::Text,
        scope: SymbolScope::Linkage,
        weak: false,
        section: SymbolSection::Section(section),
        flags: SymbolFlags::None,
    });
    object.add_symbol_data(symbol, section, &PROGRAM, 8);
    object
        .write()
        .context("writing the XDP program's object file")
}
