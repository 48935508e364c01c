//! abi.
#![no_std]
