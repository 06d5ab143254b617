//! The worker: pid 1 of the pid namespace around the container. Its death, however it comes, ends
//! every process of the run.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use libcontainer::container::Container;
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::SyscallType;
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, pipe};

use super::executor::Exec;
use super::run::{NetworkMode, RunTask};
use super::{Channels, cgroup, network, overlay, user, workdir};
use crate::container::oci::protocol::{Down, Up, send};
use crate::container::oci::rung::Rung;
use crate::error::{Doing, Error, ErrorKind, Result};

/// A forked worker.
pub struct Worker {
    pub pid: Pid,
    /// At its end when the worker and everything in its pid namespace is gone.
    pub life: OwnedFd,
    /// Held open as long as this process lives; the worker notices its end.
    _parent: OwnedFd,
}

impl Worker {
    /// Forks a process into a new pid namespace and runs `work` in it. Its error goes up the status
    /// pipe. Only one worker for a process: every later child would land in the same namespace.
    pub fn start(channels: &mut Channels, work: impl FnOnce(&mut Channels) -> Result<()>) -> Result<Self> {
        let doing = || "starting the worker".to_owned();
        unshare(CloneFlags::CLONE_NEWPID).doing(ErrorKind::Host, || "creating a pid namespace".into())?;
        let (life, alive) = pipe().doing(ErrorKind::Internal, doing)?;
        let (parent_alive, parent) = pipe().doing(ErrorKind::Internal, doing)?;
        // SAFETY: this process has one thread, so the child may do anything
        match unsafe { fork() }.doing(ErrorKind::Host, doing)? {
            ForkResult::Parent { child } => Ok(Self { pid: child, life, _parent: parent }),
            ForkResult::Child => {
                drop((life, parent));
                let done = die_with(&parent_alive).and_then(|()| work(channels));
                let code = i32::from(done.is_err());
                if let Err(error) = done {
                    let _ = send(&channels.up, &Up::Failed(error));
                }
                drop(alive);
                // SAFETY: no destructor of the copied process may run
                unsafe { libc::_exit(code) }
            }
        }
    }

    /// Waits for the end of a worker that is already ending.
    pub fn wait(&self) -> Result<WaitStatus> {
        waitpid(self.pid, None).doing(ErrorKind::Internal, || "waiting for the worker".into())
    }
}

fn die_with(parent_alive: &OwnedFd) -> Result<()> {
    set_pdeathsig(Signal::SIGKILL).doing(ErrorKind::Internal, || "tying the worker to the helper".into())?;
    // the helper may have died before the line above
    let mut ended = [PollFd::new(parent_alive.as_fd(), PollFlags::empty())];
    match poll(&mut ended, PollTimeout::ZERO) {
        Ok(0) => Ok(()),
        _ => Err(Error::new(ErrorKind::Internal, "the helper is gone")),
    }
}

/// Everything that a run asks of this host, tried out and thrown away.
pub fn probe(channels: &mut Channels, rung: &Rung) -> Result<serde_json::Value> {
    let worker = Worker::start(channels, |_| {
        namespaces(rung, NetworkMode::None)?;
        // in this mount namespace alone; any directory that exists everywhere will do
        let scratch = Path::new("/dev");
        mount(Some("tmpfs"), scratch, Some("tmpfs"), MsFlags::empty(), None::<&str>)
            .doing(ErrorKind::Host, || "mounting a tmpfs".into())?;
        let lower = scratch.join("lower");
        std::fs::create_dir(&lower).doing(ErrorKind::Host, || "writing to a tmpfs".into())?;
        overlay::mount_root(&lower, scratch).map(drop)
    })?;
    match worker.wait()? {
        WaitStatus::Exited(_, 0) => Ok(serde_json::Value::Null),
        _ => Err(Error::new(ErrorKind::Host, "the trial container failed")),
    }
}

/// The namespaces around the container: mounts with a /proc of this pid namespace, the cgroup
/// view, and the network.
fn namespaces(rung: &Rung, network: NetworkMode) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).doing(ErrorKind::Host, || "creating a mount namespace".into())?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_SLAVE | MsFlags::MS_REC, None::<&str>)
        .doing(ErrorKind::Host, || "cutting mounts off from the host's (/ must be a mount point)".into())?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>)
        .doing(ErrorKind::Host, || "mounting /proc".into())
        .map_err(|error| error.hint("inside a container, /proc must not be masked (Docker: --security-opt systempaths=unconfined)"))?;
    if rung.is_rootless() {
        cgroup::version_2_view()?;
    }
    match network {
        NetworkMode::None => network::loopback_only(),
        NetworkMode::Host => Ok(()),
    }
}

/// The whole run, from the mounts to the builder's exit code.
pub fn work(channels: &mut Channels, rung: &Rung, task: &RunTask) -> Result<()> {
    namespaces(rung, task.network)?;
    let children = child_signals()?;
    let root = overlay::mount_root(&task.rootfs, &task.run_dir)?;
    let user = user::resolve(&root, &task.user, rung)?;
    if let Some(process) = task.spec.process() {
        workdir::make(&root, process.cwd())?;
    }
    super::run::write_config(task, &root, &user)?;
    let mut container = create(task, &channels.up)?;
    send(&channels.up, &Up::Ready)?;
    match channels.down.next()? {
        Some(Down::Go) => {}
        // interrupted before the builder started; the kernel takes the container down with us
        _ => return Ok(()),
    }
    if let Some(volume) = &task.volume {
        user::give_inputs(volume, &task.inputs, &user)?;
    }
    container.start().doing(ErrorKind::Builder, || "starting the container".into())?;
    send(&channels.up, &Up::Started)?;
    // No Container::delete: with force it freezes a v1 cgroup first, and a worker killed just then
    // would leave processes that not even SIGKILL ends. The helper removes state and cgroups.
    match wait(channels, &children, init_of(&container)?)? {
        Some(code) => send(&channels.up, &Up::Exited { code }),
        None => Ok(()),
    }
}

/// Blocked before anything is forked: no child's end can be missed then, and a signal for the
/// container's init waits until that can take it, where a pid 1 would otherwise ignore it.
fn child_signals() -> Result<SignalFd> {
    SigSet::all().thread_block().doing(ErrorKind::Internal, || "blocking signals".into())?;
    let mask = SigSet::from_iter([Signal::SIGCHLD]);
    SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .doing(ErrorKind::Internal, || "waiting for signals".into())
}

fn create(task: &RunTask, up: &File) -> Result<Container> {
    let state = task.run_dir.join("state");
    std::fs::create_dir_all(&state).doing(ErrorKind::Host, || format!("creating {}", state.display()))?;
    let build = || {
        ContainerBuilder::new(task.id.clone(), SyscallType::default())
            .with_executor(Exec { up: up.as_raw_fd() })
            .with_root_path(&state)?
            .validate_id()?
            .as_init(task.run_dir.join("bundle"))
            // systemd is the default, and absent on the hosts this is for
            .with_systemd(false)
            .with_detach(false)
            .build()
    };
    build().doing(ErrorKind::Builder, || "creating the container".into())
}

fn init_of(container: &Container) -> Result<Pid> {
    container.pid().ok_or_else(|| Error::new(ErrorKind::Internal, "the container has no process"))
}

/// Waits for the end of the container's init, passing signals on. `None`: the command line is gone.
fn wait(channels: &mut Channels, children: &SignalFd, init: Pid) -> Result<Option<i32>> {
    loop {
        if let Some(code) = ended(init)? {
            return Ok(Some(code));
        }
        while let Some(message) = channels.down.buffered()? {
            if let Down::Signal(number) = message {
                let signal = Signal::try_from(number).unwrap_or(Signal::SIGKILL);
                // it may have ended meanwhile
                let _ = kill(init, signal);
            }
        }
        if channels.down.ended() {
            return Ok(None);
        }
        let mut ready = [
            PollFd::new(children.as_fd(), PollFlags::POLLIN),
            PollFd::new(channels.down.as_fd(), PollFlags::POLLIN),
        ];
        let _ = poll(&mut ready, PollTimeout::NONE);
        let [child, order] = ready.map(|fd| fd.any().unwrap_or(false));
        if child {
            drain(children);
        }
        if order {
            channels.down.fill()?;
        }
    }
}

fn drain(children: &SignalFd) {
    let mut buffer = [0_u8; 128];
    // non-blocking: ends with EAGAIN when the queue is empty
    while nix::unistd::read(children.as_raw_fd(), &mut buffer).is_ok_and(|count| count > 0) {}
}

fn ended(init: Pid) -> Result<Option<i32>> {
    let doing = || "waiting for the builder".to_owned();
    match waitpid(init, Some(WaitPidFlag::WNOHANG)).doing(ErrorKind::Internal, doing)? {
        WaitStatus::Exited(_, code) => Ok(Some(code)),
        WaitStatus::Signaled(_, signal, _) => Ok(Some(128 + signal as i32)),
        _ => Ok(None),
    }
}
