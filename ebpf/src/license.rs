//! The licence that the kernel reads: GPL-only helpers are given to objects that name one compatible with it.
#![expect(unsafe_code, reason = "a section name is an unsafe attribute")]

// SAFETY: `license` is the section in which the loader looks for a NUL-terminated string.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
