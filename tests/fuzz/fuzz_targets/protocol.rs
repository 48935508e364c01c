//! Bytes against the protocol between agents: see `lb_oracle::protocol`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lb_oracle::protocol(bytes));
