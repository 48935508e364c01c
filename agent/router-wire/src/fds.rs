//! Sockets that are passed over a unix socket (`SCM_RIGHTS`, unix(7)).

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Most sockets that come with one message: `SCM_MAX_FD` of the kernel (include/net/scm.h).
pub const MOST: usize = 253;

/// Sends bytes, and sockets with the first of them. Returns how many bytes were sent: the sockets went along if there was
/// one.
///
/// # Errors
/// Those of sendmsg(2); `InvalidInput` for more than [`MOST`] sockets.
pub fn send(stream: BorrowedFd<'_>, bytes: &[u8], sockets: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !sockets.is_empty() && !control.push(SendAncillaryMessage::ScmRights(sockets)) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{} sockets with one message, of {MOST}", sockets.len()),
        ));
    }
    let flags = SendFlags::NOSIGNAL;
    Ok(sendmsg(
        stream,
        &[IoSlice::new(bytes)],
        &mut control,
        flags,
    )?)
}

/// Receives bytes into `buffer`, and the sockets that came with them. No bytes: the other end has closed.
///
/// # Errors
/// Those of recvmsg(2); `InvalidData` if sockets were lost, as this process has no room for them.
pub fn receive(stream: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(stream, &mut [IoSliceMut::new(buffer)], &mut control, flags)?;
    let mut sockets = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(files) = message {
            sockets.extend(files);
        }
    }
    if received.flags.contains(ReturnFlags::CTRUNC) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "sockets were lost: the limit of open files (ulimit -n) is reached",
        ));
    }
    Ok((received.bytes, sockets))
}
