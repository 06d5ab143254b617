//! The worker: pid 1 of the pid namespace around the container. Its death, however it comes, ends
//! every process of the run.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use libcontainer::container::Container;
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::notify_socket::{NOTIFY_FILE, NotifySocket};
use libcontainer::syscall::syscall::SyscallType;
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::{set_dumpable, set_pdeathsig};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, pipe};

use super::check::{separate, step};
use super::executor::Exec;
use super::limits::MemoryWatch;
use super::run::{NetworkMode, RunTask};
use super::view::View;
use super::{Channels, binfmt, devices, entrypoint, events, network, overlay, trial, user, workdir};
use crate::container::oci::capabilities;
use crate::container::oci::protocol::{Down, Up, send};
use crate::container::oci::rung::Rung;
use crate::container::oci::seccomp::Filters;
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
        step("pid-namespace", || {
            unshare(CloneFlags::CLONE_NEWPID).doing(ErrorKind::Host, || "creating a pid namespace".into())
        })?;
        let (life, alive) = pipe().doing(ErrorKind::Internal, doing)?;
        let (parent_alive, parent) = pipe().doing(ErrorKind::Internal, doing)?;
        // in a /proc that is not the container's own, even all capabilities of its user namespace do not
        // reach into processes that are not dumpable; ids are mapped already, which wants the contrary
        set_dumpable(false).doing(ErrorKind::Internal, doing)?;
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
    let worker = Worker::start(channels, |_| trial::run(rung))?;
    match worker.wait()? {
        WaitStatus::Exited(_, 0) => Ok(serde_json::Value::Null),
        // such as by the sandbox that we are in; anyone else's signal says nothing about this host
        WaitStatus::Signaled(_, Signal::SIGSYS, _) => {
            Err(Error::new(ErrorKind::Host, "the trial container was killed for a system call (SIGSYS)"))
        }
        WaitStatus::Signaled(_, signal, _) => {
            Err(Error::new(ErrorKind::Internal, format!("the trial container was killed by {signal}"))
                .hint("was memory short? try again, or choose with --rootless"))
        }
        _ => Err(Error::new(ErrorKind::Host, "the trial container failed")),
    }
}

/// The namespaces around the container: mounts, the network, and what is to be seen in them.
pub fn namespaces(rung: &Rung, network: NetworkMode) -> Result<View> {
    step("mount-namespace", mount_namespace)?;
    match network {
        NetworkMode::None => separate("network-namespace", network::loopback_only)?,
        NetworkMode::Host => {}
    }
    View::prepare(rung)
}

fn mount_namespace() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).doing(ErrorKind::Host, || "creating a mount namespace".into())?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_SLAVE | MsFlags::MS_REC, None::<&str>)
        .doing(ErrorKind::Host, || "cutting mounts off from the host's (/ must be a mount point)".into())
}

/// The whole run, from the mounts to the builder's exit code.
pub fn work(channels: &mut Channels, rung: &Rung, task: &RunTask) -> Result<()> {
    // before this process has a /proc of its own
    let emulators = binfmt::registered(Path::new(binfmt::DIR));
    let mut task = task.clone();
    let view = namespaces(rung, task.network)?;
    view.warn();
    view.adapt(&mut task.spec)?;
    task.seccomp = task.seccomp.to_be_had(rung);
    let children = child_signals()?;
    let root = overlay::mount_root(&task.rootfs, &task.run_dir)?;
    let user = user::resolve(&root, &task.user, rung)?;
    if let Some(process) = task.spec.process() {
        entrypoint::check_words(process)?;
        workdir::make(&root, process.cwd())?;
    }
    if let Some(volume) = &task.volume {
        workdir::check_mount_points(&root, &task.spec, volume)?;
    }
    super::run::write_config(&task, &root, &user)?;
    let container = create(&task, &channels.up, emulators)?;
    send(&channels.up, &Up::Ready)?;
    match channels.down.next()? {
        Some(Down::Go) => {}
        // interrupted before the builder started; the kernel takes the container down with us
        _ => return Ok(()),
    }
    if let Some(volume) = &task.volume {
        user::give_inputs(volume, &task.inputs, &user)?;
    }
    let init = init_of(&container)?;
    let memory = MemoryWatch::start();
    start(&container)?;
    send(&channels.up, &Up::Started)?;
    // No Container::delete: with force it freezes a v1 cgroup first, and a worker killed just then
    // would leave processes that not even SIGKILL ends. The helper removes state and cgroups.
    match wait(channels, &children, init)? {
        Some(code) => {
            let out_of_memory = memory.out_of_memory(&task.spec);
            send(&channels.up, &Up::Exited { code, out_of_memory })
        }
        None => Ok(()),
    }
}

/// Blocked before anything is forked: no child's end can be missed then, and a signal for the
/// container's init waits until that can take it, where a pid 1 would otherwise ignore it.
pub fn child_signals() -> Result<SignalFd> {
    SigSet::all().thread_block().doing(ErrorKind::Internal, || "blocking signals".into())?;
    let mask = SigSet::from_iter([Signal::SIGCHLD]);
    SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .doing(ErrorKind::Internal, || "waiting for signals".into())
}

pub fn create(task: &RunTask, up: &File, emulators: Vec<binfmt::Emulator>) -> Result<Container> {
    let state = task.run_dir.join("state");
    std::fs::create_dir_all(&state).doing(ErrorKind::Host, || format!("creating {}", state.display()))?;
    let capabilities = capabilities::bounding(task.spec.process().as_ref());
    let filters = Filters::compile(task.seccomp, &capabilities)?;
    let executor = Exec { up: up.as_raw_fd(), filters, capabilities, emulators };
    let build = || {
        ContainerBuilder::new(task.id.clone(), SyscallType::default())
            .with_executor(executor)
            .with_root_path(&state)?
            .validate_id()?
            .as_init(task.run_dir.join("bundle"))
            // systemd is the default, and absent on the hosts this is for
            .with_systemd(false)
            .with_detach(false)
            .build()
    };
    let container =
        build().map_err(|error| events::explained_by_events(up, "creating the container", &error))?;
    devices::restrict(&task.spec)?;
    Ok(container)
}

/// As libcontainer's own `start`, which would look the init up in /proc first: in that of another pid
/// namespace it is somebody else, or nobody.
pub fn start(container: &Container) -> Result<()> {
    NotifySocket::new(container.root.join(NOTIFY_FILE))
        .notify_container_start()
        .doing(ErrorKind::Builder, || "starting the container".into())
}

pub fn init_of(container: &Container) -> Result<Pid> {
    container.pid().ok_or_else(|| Error::new(ErrorKind::Internal, "the container has no process"))
}

/// Waits for the end of the container's init, passing signals on. `None`: the command line is gone.
pub fn wait(channels: &mut Channels, children: &SignalFd, init: Pid) -> Result<Option<i32>> {
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
