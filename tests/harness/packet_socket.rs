//! Frames as they are, out of a device: what no socket of TCP or UDP would send.
#![expect(unsafe_code, reason = "packet sockets have no safe wrapper")]

use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

/// Sends a frame, from its Ethernet header on, out of the device with index `link` in the calling
/// thread's network namespace.
pub fn send(link: u32, frame: &[u8]) -> io::Result<()> {
    // SAFETY: takes numbers, and gives a descriptor or -1.
    let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made, and nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: plain numbers, for which zero is valid.
    let mut to: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    to.sll_family = u16::try_from(libc::AF_PACKET).unwrap_or_default();
    to.sll_ifindex = i32::try_from(link).map_err(io::Error::other)?;
    let size = u32::try_from(size_of_val(&to)).map_err(io::Error::other)?;
    let (bytes, address) = (frame.as_ptr().cast(), (&raw const to).cast());
    // SAFETY: both pointers are good for as many bytes as are said.
    let sent = unsafe { libc::sendto(socket.as_raw_fd(), bytes, frame.len(), 0, address, size) };
    if usize::try_from(sent) == Ok(frame.len()) {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
