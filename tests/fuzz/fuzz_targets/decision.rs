//! Stories against the whole decision of the datapath: see `lb_oracle::decision`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lb_oracle::decision(bytes));
