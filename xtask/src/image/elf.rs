//! Just enough of ELF to tell whether a program starts without a dynamic linker.

use anyhow::{Context, Result, bail};

const PT_INTERP: u32 = 3;

/// Whether a 64-bit little-endian program names an interpreter.
pub(super) fn needs_interpreter(file: &[u8]) -> Result<bool> {
    if file.get(..6) != Some(b"\x7fELF\x02\x01".as_slice()) {
        bail!("not a 64-bit little-endian ELF file");
    }
    let table = u64::from_le_bytes(field(file, 32)?);
    let entry_size = u64::from(u16::from_le_bytes(field(file, 54)?));
    let entries = u64::from(u16::from_le_bytes(field(file, 56)?));
    for index in 0..entries {
        let at = index
            .checked_mul(entry_size)
            .and_then(|offset| offset.checked_add(table));
        let at = usize::try_from(at.context("program header outside of the file")?)?;
        if u32::from_le_bytes(field(file, at)?) == PT_INTERP {
            return Ok(true);
        }
    }
    Ok(false)
}

fn field<const N: usize>(file: &[u8], at: usize) -> Result<[u8; N]> {
    let bytes = file.get(at..).and_then(|rest| rest.first_chunk());
    bytes.copied().context("the ELF file is cut off")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header and one program header of a type.
    fn elf(kind: u32) -> Vec<u8> {
        let mut file = vec![0; 64 + 56];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[32] = 64;
        file[54] = 56;
        file[56] = 1;
        file[64..68].copy_from_slice(&kind.to_le_bytes());
        file
    }

    #[test]
    fn a_dynamic_program_is_recognised() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(needs_interpreter(&own).unwrap());
        assert!(needs_interpreter(&elf(PT_INTERP)).unwrap());
    }

    #[test]
    fn a_program_that_only_loads_is_static() {
        assert!(!needs_interpreter(&elf(1)).unwrap());
    }

    #[test]
    fn a_file_that_is_cut_off_or_no_elf_is_an_error() {
        let whole = elf(1);
        assert!(needs_interpreter(&whole[..65]).is_err());
        assert!(needs_interpreter(b"#!/bin/sh").is_err());
    }
}
