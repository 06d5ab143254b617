//! The built-in driver, seen from the command line's process.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use super::capabilities;
use super::checks;
use super::guest::Guest;
use super::helper::run::{NetworkMode, RunTask, Seccomp};
use super::helper::{cgroup_path, enforces_devices, limits};
use super::leftovers::{self, About};
use super::protocol::{Task, VERSION};
use super::rung::{self, Rung};
use super::session::{Conditions, Session};
use super::spawn::{Helper, Surroundings};
use super::trial::Trial;
use super::unpack::{Unpacked, unpack};
use crate::container::bundle::{Bundle, DeviceRules, Host, HostMapping};
use crate::container::clock::Times;
use crate::container::driver::{CommandOutput, Container, Environment, KeepContainer, Limits, Options, Run};
use crate::container::log::Log;
use crate::container::record::{self, Record};
use crate::error::{Error, ErrorKind, Result};
use crate::image::digest::Digest;
use crate::image::platform::Platform;
use crate::image::progress::{self, Event, Origin, Stage};
use crate::image::registry::Reach;
use crate::image::store::{CacheLock, Store};
use crate::image::{Image, Layers, PullPolicy, Wanted, registry, rootfs};
use crate::site::config::{Network, Privilege};
use crate::site::volume::{Staging, Volume};

/// See [`super`].
pub struct OciDriver {
    options: Options,
    pulled: Option<Pulled>,
    session: Option<Session>,
}

/// An image that is ready to run.
struct Pulled {
    rung: Rung,
    image: Image,
    rootfs: PathBuf,
    /// The cgroup for the container's own.
    cgroups: PathBuf,
    /// Held until the driver is dropped, so that nobody removes the rootfs meanwhile.
    lock: CacheLock,
}

/// What is to be run: the builder with its volume, or a command without one.
struct Work<'a> {
    volume: Option<&'a Volume>,
    staging: Option<&'a Staging>,
    command: Option<&'a [&'a str]>,
    environment: &'a Environment,
    privilege: Privilege,
    network: Network,
    limits: Limits,
}

impl<'a> Work<'a> {
    fn of(run: &'a Run<'_>) -> Self {
        Self {
            volume: Some(run.volume),
            staging: Some(run.staging),
            command: None,
            environment: &run.environment,
            privilege: run.privilege,
            network: run.network,
            limits: run.limits,
        }
    }

    fn command(command: &'a [&'a str]) -> Self {
        const NOTHING: &Environment = &Environment::new();
        let (privilege, network) = (Privilege::Default, Network::None);
        let limits = Limits::default();
        Self {
            volume: None,
            staging: None,
            command: Some(command),
            environment: NOTHING,
            privilege,
            network,
            limits,
        }
    }
}

impl OciDriver {
    pub fn new(options: Options) -> Self {
        Self { options, pulled: None, session: None }
    }

    fn try_rung(&self, rung: &Rung) -> Result<()> {
        checks::probe(rung, &self.options.interrupt)
    }

    /// The image and its rootfs in this mapping, from a cache or made now. Blobs that turn out to be
    /// damaged are looked for elsewhere, at last in the registry where it may be asked.
    fn prepare(&self, store: &Store, rung: &Rung) -> Result<(Image, PathBuf, Origin)> {
        let (platform, mapping) = (Platform::host(), rung.mapping());
        let find = |image: &Image| rootfs::find_in(store.all_rootfs_dirs(), &mapping, &image.layers);
        let have_rootfs =
            |image: &Image| self.options.layers == Layers::AsNeeded && matches!(find(image), Ok(Some(_)));
        let Options { reference, access, interrupt, .. } = &self.options;
        let progress = &*self.options.progress;
        let transfer = registry::Options::default();
        let wanted = |policy| {
            let have_rootfs = &have_rootfs;
            Wanted { reference, platform: &platform, policy, have_rootfs, transfer, access }
        };
        let mut known = progress::know(progress, store, wanted(self.options.pull), interrupt)?;
        tracing::info!("Using image {reference}@{}", known.image().manifest_digest);
        for dir in store.rootfs_dirs() {
            leftovers::sweep(rung, dir)?;
        }
        if let Some(found) = find(known.image())? {
            let image = progress::complete(progress, known, &mut |_| Ok(()))?;
            return Ok((image, found.path().to_owned(), Origin::Reused));
        }
        // each cache may have its own damage, and a disk may damage what is fetched
        let make = |known| {
            let work = || unpack(store, rung, known, progress, interrupt);
            progress.stage_judged(Stage::Unpack, work, |made: &Unpacked| made.rootfs.is_ok())
        };
        for _ in store.caches() {
            let Unpacked { image, rootfs, streamed } = make(known)?;
            match rootfs {
                Err(error) if error.kind() == ErrorKind::Image && !rootfs::is_full(&error) => {
                    self.replace(store, &image, error, streamed)?;
                }
                rootfs => return rootfs.map(|rootfs| (image, rootfs, Origin::Made)),
            }
            // the same image, even where its tag has moved since
            known = progress::know(progress, store, wanted(PullPolicy::Missing), interrupt)?;
        }
        let Unpacked { image, rootfs, .. } = make(known)?;
        rootfs.map(|rootfs| (image, rootfs, Origin::Made))
    }

    /// Sees to it that the damaged blobs which an unpack failed for are had from the next cache or
    /// fetched anew. Gives its error back where another try would not help.
    fn replace(&self, store: &Store, image: &Image, error: Error, streamed: bool) -> Result<()> {
        let damaged = store.damaged_layers(image, &self.options.interrupt)?;
        if damaged.is_empty() {
            return if streamed { Ok(()) } else { Err(error) };
        }
        if store.pass_over(&damaged) {
            return Ok(());
        }
        if !self.may_ask_a_registry() {
            return Err(error.hint("`airshipctl image verify` tells what in the cache is damaged"));
        }
        for layer in &damaged {
            tracing::warn!("{error}; fetching {} again", layer.digest);
            store.discard_blob(layer)?;
        }
        Ok(())
    }

    fn may_ask_a_registry(&self) -> bool {
        let Options { pull, reference, access, .. } = &self.options;
        *pull != PullPolicy::Never && !reference.is_local() && access.reach == Reach::Online
    }

    /// Starts the helper of a run; it writes nothing into the volume yet.
    fn start(&self, pulled: &Pulled, run: &Run<'_>, record: &Record) -> Result<(Helper, Log)> {
        let task = self.task(pulled, &Work::of(run), record)?;
        if run.keep == KeepContainer::Always {
            record.keep()?;
        }
        let (log, output) = Log::open(&self.options.state, record.id(), run.secrets)?;
        let locks = [record.lock(), run.volume.lock(), pulled.lock.as_fd()];
        let surroundings = Surroundings { stderr: Stdio::from(output), locks: &locks };
        let helper = Helper::spawn(&pulled.rung, Task::Run(Box::new(task)), surroundings)?;
        Ok((helper, log))
    }

    fn task(&self, pulled: &Pulled, run: &Work<'_>, record: &Record) -> Result<RunTask> {
        let cgroup = cgroup_path(&pulled.cgroups, record.id());
        let guest = Guest::prepare(&pulled.rung, run.privilege, &pulled.image.configuration, record.dir())?;
        let host = Host {
            cgroup: &cgroup,
            mapping: match pulled.rung {
                Rung::Root => HostMapping::Root,
                Rung::Subordinate { .. } => HostMapping::Many,
                Rung::Emulated { .. } | Rung::Single { .. } => HostMapping::Single,
            },
            devices: match pulled.rung.is_rootless() || !enforces_devices() {
                true => DeviceRules::Absent,
                false => DeviceRules::Enforced,
            },
            capabilities: &capabilities::held(&pulled.rung),
            environment: &guest.environment,
            files: &guest.files,
        };
        let bundle = Bundle {
            image: &pulled.image.configuration,
            id: record.id(),
            volume: run.volume.map(|volume| (volume.host(), volume.container())),
            command: run.command,
            environment: run.environment,
            network: run.network,
            privilege: run.privilege,
            resources: run.limits.resources(limits::swap())?,
            host,
        };
        let config = pulled.image.configuration.config().as_ref();
        Ok(RunTask {
            id: record.id().to_owned(),
            run_dir: record.dir().to_owned(),
            rootfs: pulled.rootfs.clone(),
            spec: bundle.spec()?,
            user: config.and_then(|config| config.user().clone()).unwrap_or_default(),
            seccomp: seccomp(run.privilege, &pulled.rung),
            network: network_mode(run.network),
            volume: run.volume.map(|volume| volume.host().to_owned()),
            inputs: run.staging.iter().flat_map(|it| &it.inputs).map(|input| input.name.clone()).collect(),
            stdout: None,
        })
    }

    /// For whoever comes later.
    fn about(&self, pulled: &Pulled, work: &Work<'_>) -> About {
        About {
            version: VERSION,
            rung: pulled.rung.clone(),
            image: self.options.reference.to_string(),
            started: record::now(),
            volume: work.volume.map(|volume| volume.host().to_owned()).unwrap_or_default(),
            rootfs: pulled.rootfs.clone(),
            network: network_mode(work.network),
            seccomp: seccomp(work.privilege, &pulled.rung),
        }
    }

    fn pulled(&self) -> Result<&Pulled> {
        self.pulled.as_ref().ok_or_else(|| Error::new(ErrorKind::Internal, "run before pull"))
    }

    /// Has the container ready to start, with the inputs in the volume.
    fn set_up(&mut self, run: &Run<'_>) -> Result<&mut Session> {
        let pulled = self.pulled()?;
        self.options.interrupt.check()?;
        let about = self.about(pulled, &Work::of(run));
        let record = Record::create(&self.options.state, &about)?;
        let (helper, log) = match self.start(pulled, run, &record) {
            Ok(started) => started,
            Err(error) => {
                record.discard();
                return Err(error);
            }
        };
        let conditions = Conditions {
            interrupt: self.options.interrupt.clone(),
            times: Times { whole: run.timeout, idle: run.idle_timeout },
            memory: run.limits.memory,
        };
        let session = Session::new(helper, record, log, conditions);
        let session = self.session.insert(session);
        session.set_up(run.volume, run.staging).map_err(checks::pointing)?;
        Ok(session)
    }
}

fn seccomp(privilege: Privilege, rung: &Rung) -> Seccomp {
    let profile = privilege == Privilege::Default;
    Seccomp { profile, emulation: profile && matches!(rung, Rung::Emulated { .. }) }
}

fn network_mode(network: Network) -> NetworkMode {
    match network {
        Network::None => NetworkMode::None,
        Network::Host => NetworkMode::Host,
    }
}

impl Container for OciDriver {
    fn pull(&mut self) -> Result<Digest> {
        leftovers::reap_dead(&self.options.state);
        let progress = &*self.options.progress;
        let rootless = self.options.rootless;
        let choose = || {
            rung::choose(Rung::candidates(rootless).map_err(checks::pointing)?, |rung| self.try_rung(rung))
        };
        let rung = progress.stage(Stage::Host, choose)?;
        let cgroups = limits::place(&self.options.limits, &rung)?;
        let Options { cache, additional_caches, state, .. } = &self.options;
        let store = Store::open(cache)?.with_additional(additional_caches).with_state(state);
        // fails before anything is fetched that could not be used
        let store =
            store.for_unpacking().map_err(|error| checks::pointing(error.of_check("rootfs-place")))?;
        let lock = store.lock_shared()?;
        let (image, rootfs, origin) = self.prepare(&store, &rung)?;
        progress.note(Event::Rootfs { path: &rootfs, mapping: &rung.mapping(), origin });
        let digest = image.manifest_digest.clone();
        self.pulled = Some(Pulled { rung, image, rootfs, cgroups, lock });
        Ok(digest)
    }

    fn run(&mut self, run: &Run<'_>) -> Result<PathBuf> {
        let progress = Arc::clone(&self.options.progress);
        let session = progress.stage(Stage::SetUp, || self.set_up(run))?;
        progress.stage(Stage::Builder, || session.run())?;
        Ok(session.dir().to_owned())
    }

    fn run_with_output(&mut self, command: &[&str], timeout: Duration) -> Result<CommandOutput> {
        let pulled = self.pulled()?;
        self.options.interrupt.check()?;
        let work = Work::command(command);
        let record = Record::create(&self.options.state, &self.about(pulled, &work))?;
        let task = match self.task(pulled, &work, &record) {
            Ok(task) => task,
            Err(error) => {
                record.discard();
                return Err(error);
            }
        };
        Trial::start(&pulled.rung, task, record, &[pulled.lock.as_fd()])?
            .finish(&self.options.interrupt, timeout)
    }

    fn remove(&mut self) -> Result<()> {
        match &mut self.session {
            Some(session) => session.remove(),
            None => Ok(()),
        }
    }
}
