//! Bytes against the datapath's parsers: see `lb_oracle::parser`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lb_oracle::parser(bytes));
