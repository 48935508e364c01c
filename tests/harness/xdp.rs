//! Small XDP programs, given as instructions: no BPF compiler is needed.
//!
//! The laboratory needs [`PASS`]: native `XDP_TX` on a veth device delivers only
//! where the peer runs an XDP program too. A real NIC has no such wish, so the
//! laboratory's cables carry a program that passes everything at the switch's end.

use std::io::Write as _;

use anyhow::{Context, Result};
use object::write::{Object, Symbol, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
};

use crate::netns::Netns;
use crate::shell;

/// The section by which `ip link` finds the program.
const SECTION: &str = "xdp";

/// One instruction: `struct bpf_insn` in memory order, little-endian.
pub type Insn = [u8; 8];

/// `r0 = XDP_PASS; exit`
pub const PASS: [Insn; 2] = [insn(0xb7, 0, 0, 0, 2), insn(0x95, 0, 0, 0, 0)];

/// An instruction from its opcode, registers, offset and immediate.
#[must_use]
pub const fn insn(opcode: u8, dst: u8, src: u8, offset: i16, immediate: i32) -> Insn {
    let [o0, o1] = offset.to_le_bytes();
    let [i0, i1, i2, i3] = immediate.to_le_bytes();
    [opcode, src << 4 | dst, o0, o1, i0, i1, i2, i3]
}

/// Attaches a program natively to a device; it stays until the device goes.
pub fn attach(netns: &Netns, device: &str, program: &[Insn]) -> Result<()> {
    let mut file = tempfile::NamedTempFile::new().context("a file for the XDP program")?;
    file.write_all(&object_file(program)?)?;
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

/// The object file that `ip link` wants around the instructions.
fn object_file(program: &[Insn]) -> Result<Vec<u8>> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let section = object.add_section(Vec::new(), SECTION.into(), SectionKind::Text);
    let symbol = object.add_symbol(Symbol {
        name: b"program".to_vec(),
        value: 0,
        size: 0,
        kind: SymbolKind::Text,
        scope: SymbolScope::Linkage,
        weak: false,
        section: SymbolSection::Section(section),
        flags: SymbolFlags::None,
    });
    object.add_symbol_data(symbol, section, program.as_flattened(), 8);
    object
        .write()
        .context("writing the XDP program's object file")
}
