//! Pulls in sessions of their own, so that all their processes are found.

use std::fs;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::common::site::Site;

/// Who gets SIGKILL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    CommandLine,
    Helpers,
    All,
}

pub const VICTIMS: [Victim; 3] = [Victim::CommandLine, Victim::Helpers, Victim::All];

/// A command with its helpers.
pub struct Session(pub Child);

/// `airshipctl image pull --unpack` of this reference in the site's cache.
pub fn pull(site: &Site, reference: &str) -> Command {
    site.command(&["--debug", "image", "pull", "--unpack", reference])
}

pub fn verify(site: &Site) -> Command {
    site.command(&["image", "verify", "--deep"])
}

impl Session {
    pub fn start(command: &Command) -> Self {
        Self::start_with(command, Stdio::null())
    }

    pub fn start_with(command: &Command, stderr: Stdio) -> Self {
        // of util-linux; executes the program in its own process
        let mut setsid = Command::new("setsid");
        setsid.arg(command.get_program()).args(command.get_args()).env_clear();
        setsid.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        if let Some(dir) = command.get_current_dir() {
            setsid.current_dir(dir);
        }
        Self(setsid.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().unwrap())
    }

    pub fn kill(&self, victim: Victim) {
        let leader = self.0.id() as i32;
        // they may have ended by themselves
        let send = |pid: i32, signal: Signal| {
            let _ = kill(Pid::from_raw(pid), signal);
        };
        let helpers = || members(leader).into_iter().filter(move |pid| *pid != leader);
        match victim {
            Victim::CommandLine => send(leader, Signal::SIGKILL),
            Victim::Helpers => helpers().for_each(|pid| send(pid, Signal::SIGKILL)),
            Victim::All => {
                // so that it starts no more of them
                send(leader, Signal::SIGSTOP);
                helpers().for_each(|pid| send(pid, Signal::SIGKILL));
                send(leader, Signal::SIGKILL);
            }
        }
    }

    /// Whether it has something that others wait for: a blob or a rootfs that it makes.
    pub fn holds_a_lock(&self) -> bool {
        let own = members(self.0.id() as i32);
        let locks = fs::read_to_string("/proc/locks").unwrap();
        locks.lines().any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words[1..4] == ["FLOCK", "ADVISORY", "WRITE"] && own.iter().any(|pid| words[4] == pid.to_string())
        })
    }

    /// Waits for the command's end and then, for a moment, for that of its helpers.
    pub fn end(&mut self) -> ExitStatus {
        let leader = self.0.id() as i32;
        let status = self.0.wait().unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let alive = members(leader);
            if alive.is_empty() {
                return status;
            }
            assert!(Instant::now() < until, "still alive: {alive:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.kill(Victim::All);
        let _ = self.0.wait();
    }
}

/// The living processes of a session.
fn members(session: i32) -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|&pid| is_member(pid, session) == Some(true)).collect()
}

fn is_member(pid: i32, session: i32) -> Option<bool> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // proc(5): state, parent, group, session
    let words: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some(words[3].parse() == Ok(session) && !["Z", "X"].contains(&words[0]))
}
