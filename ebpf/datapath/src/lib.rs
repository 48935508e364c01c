//! datapath.
#![no_std]
