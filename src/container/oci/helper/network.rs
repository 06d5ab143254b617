//! The container's network: none means a namespace that holds only the loopback interface.

use std::os::fd::AsRawFd;

use nix::libc;
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use crate::error::{Doing, ErrorKind, Result};

/// Moves this process into a new network namespace and brings its loopback interface up, which
/// libcontainer leaves down.
pub fn loopback_only() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).doing(ErrorKind::Host, || "creating a network namespace".into())?;
    let doing = || "bringing the loopback interface up".to_owned();
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
        .doing(ErrorKind::Host, doing)?;
    // SAFETY: an all-zero ifreq is a valid value of this plain C structure
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the request outlives the call, and SIOCSIFFLAGS only reads it
    let set = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &request) };
    nix::errno::Errno::result(set).map(drop).doing(ErrorKind::Host, doing)
}
