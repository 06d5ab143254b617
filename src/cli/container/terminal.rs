//! A terminal of its own for a command in a container: what is in there must not get hold of the
//! user's, into which it could type (TIOCSTI).

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::thread::JoinHandle;

use airshipctl::error::{Doing, ErrorKind, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::openpty;
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use rustix::termios::{tcgetwinsize, tcsetwinsize};

/// How soon a new size of the window is noticed, in milliseconds.
const GLANCE: u16 = 300;

/// A pseudoterminal, connected with the user's terminal, which is raw meanwhile. Dropping it puts
/// that back, when all that was written has been shown; let go of the command's side before.
pub struct Terminal {
    /// Its end stops the relay.
    stop: Option<OwnedFd>,
    relay: Option<JoinHandle<()>>,
    before: Termios,
}

impl Terminal {
    /// Opens one; the second value is the command's side. Standard input and output are terminals.
    pub fn open() -> Result<(Self, OwnedFd)> {
        let doing = || "opening a pseudoterminal".to_owned();
        let before = tcgetattr(std::io::stdin()).doing(ErrorKind::Host, doing)?;
        let pair = openpty(None, Some(&before)).doing(ErrorKind::Host, doing)?;
        let (stopped, stop) = nix::unistd::pipe().doing(ErrorKind::Host, doing)?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(std::io::stdin(), SetArg::TCSADRAIN, &raw).doing(ErrorKind::Host, doing)?;
        let master = File::from(pair.master);
        copy_size(&master);
        let relay = std::thread::spawn(move || relay(master, &stopped));
        Ok((Self { stop: Some(stop), relay: Some(relay), before }, pair.slave))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // with nobody left on the other side, reading ends after what is still to be shown
        self.stop = None;
        if let Some(relay) = self.relay.take() {
            let _ = relay.join();
        }
        let _ = tcsetattr(std::io::stdin(), SetArg::TCSADRAIN, &self.before);
    }
}

fn relay(mut master: File, stopped: &OwnedFd) {
    let mut input = Some(std::io::stdin());
    loop {
        let mut fds = vec![
            PollFd::new(master.as_fd(), PollFlags::POLLIN),
            PollFd::new(stopped.as_fd(), PollFlags::POLLIN),
        ];
        if let Some(input) = &input {
            fds.push(PollFd::new(input.as_fd(), PollFlags::POLLIN));
        }
        let _ = poll(&mut fds, PollTimeout::from(GLANCE));
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
        copy_size(&master);
        if ready[0] {
            // EIO when nobody has the other side open: that is the end, if it has been ended
            match pass(&mut master, &mut std::io::stdout()) {
                true => continue,
                false => return,
            }
        }
        if ready[1] {
            return;
        }
        if ready.get(2) == Some(&true) && !pass(&mut read_input(), &mut master) {
            input = None;
        }
    }
}

/// Past the buffer of the standard library, which would hide bytes from poll(2).
fn read_input() -> impl Read {
    struct Input;
    impl Read for Input {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            Ok(rustix::io::read(std::io::stdin(), buffer)?)
        }
    }
    Input
}

/// Whether there may be more.
fn pass(from: &mut impl Read, to: &mut impl Write) -> bool {
    let mut chunk = [0; 8192];
    match from.read(&mut chunk) {
        Ok(count) if count > 0 => to.write_all(&chunk[..count]).and_then(|()| to.flush()).is_ok(),
        Err(error) => error.kind() == std::io::ErrorKind::Interrupted,
        Ok(_) => false,
    }
}

fn copy_size(master: &File) {
    let (Ok(ours), Ok(theirs)) = (tcgetwinsize(std::io::stdout()), tcgetwinsize(master)) else { return };
    if (ours.ws_row, ours.ws_col) != (theirs.ws_row, theirs.ws_col) {
        // the command gets SIGWINCH
        let _ = tcsetwinsize(master, ours);
    }
}
