//! Bytes as labels of services: see `lb_oracle::labels`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lb_oracle::labels(bytes));
