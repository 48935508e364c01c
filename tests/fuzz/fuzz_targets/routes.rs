//! Bytes as labels that declare HTTP routes, and as requests: see `lb_oracle::routes`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lb_oracle::routes(bytes));
