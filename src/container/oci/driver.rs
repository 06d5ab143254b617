//! The built-in driver, seen from the command line's process.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::Stdio;

use super::capabilities;
use super::helper::run::{NetworkMode, RunTask};
use super::helper::{cgroup_path, enforces_devices};
use super::leftovers::{self, About};
use super::protocol::{Task, VERSION};
use super::rung::{self, Rung};
use super::session::{Conditions, Session};
use super::spawn::{Helper, Surroundings};
use crate::container::bundle::{Bundle, DeviceRules, Host, HostMapping};
use crate::container::driver::{Container, KeepContainer, Options, Run};
use crate::container::log::Log;
use crate::container::record::Record;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::image::layer::Layer;
use crate::image::platform::Platform;
use crate::image::registry::Reach;
use crate::image::store::{CacheLock, Store};
use crate::image::{self, Image, PullPolicy, Wanted, registry, rootfs};
use crate::site::config::Network;

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
    /// Held until the driver is dropped, so that nobody removes the rootfs meanwhile.
    lock: CacheLock,
}

impl OciDriver {
    pub fn new(options: Options) -> Self {
        Self { options, pulled: None, session: None }
    }

    fn try_rung(&self, rung: &Rung) -> Result<()> {
        Helper::spawn(rung, Task::Probe, Surroundings::default())?
            .call(Some(&self.options.interrupt))
            .map(drop)
    }

    /// The image from the cache or its registry.
    fn acquire(&self, store: &Store, rung: &Rung, policy: PullPolicy) -> Result<Image> {
        let mapping = rung.mapping();
        let unpacked = |image: &Image| {
            matches!(rootfs::find_in(store.all_rootfs_dirs(), &mapping, &image.layers), Ok(Some(_)))
        };
        let Options { reference, access, interrupt, .. } = &self.options;
        let wanted = Wanted {
            reference,
            platform: &Platform::host(),
            policy,
            have_rootfs: &unpacked,
            transfer: registry::Options::default(),
            access,
        };
        image::acquire(store, wanted, interrupt)
    }

    /// The image's rootfs in this mapping, unpacked if it is not there yet. Blobs that turn out to
    /// be damaged are fetched once more where a registry may be asked.
    fn rootfs(&self, store: &Store, rung: &Rung, image: &Image) -> Result<PathBuf> {
        for dir in store.rootfs_dirs() {
            leftovers::sweep(rung, dir)?;
        }
        if let Some(found) = rootfs::find_in(store.all_rootfs_dirs(), &rung.mapping(), &image.layers)? {
            return Ok(found.path().to_owned());
        }
        store.require_room(image)?;
        // each cache may have its own damage, and a disk may damage what is fetched
        for _ in store.caches() {
            match self.unpack(store, rung, image) {
                Err(error) if error.kind() == ErrorKind::Image => self.replace(store, rung, image, error)?,
                unpacked => return unpacked,
            }
        }
        self.unpack(store, rung, image)
    }

    /// Finds the damaged blobs that made unpacking fail, and other ones in their place: in the next
    /// cache that has them, else in the registry. Fails with `error` where nothing is to be had.
    fn replace(&self, store: &Store, rung: &Rung, image: &Image, error: Error) -> Result<()> {
        let damaged = store.damaged_layers(image, &self.options.interrupt)?;
        if damaged.is_empty() {
            return Err(error);
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
        // the same image, even where its tag has moved since
        self.acquire(store, rung, PullPolicy::Missing).map(drop)
    }

    fn may_ask_a_registry(&self) -> bool {
        let Options { pull, reference, access, .. } = &self.options;
        *pull != PullPolicy::Never && !reference.is_local() && access.reach == Reach::Online
    }

    fn unpack(&self, store: &Store, rung: &Rung, image: &Image) -> Result<PathBuf> {
        let place = store.rootfs_place()?;
        place.prepare()?;
        tracing::info!("Unpacking {} layers", image.layers.len());
        let blob = |layer: &Layer| match store.blob_path(layer) {
            Some(path) => Ok((layer.clone(), path)),
            None => {
                Err(Error::new(ErrorKind::Image, format!("layer {} is not there any more", layer.digest)))
            }
        };
        let layers = image.layers.iter().map(blob).collect::<Result<_>>()?;
        let task = Task::Unpack { cache: place.dir().to_owned(), layers };
        let unpacked = Helper::spawn(rung, task, Surroundings::default())?
            .call(Some(&self.options.interrupt))
            .inspect_err(|_| {
                if let Err(error) = leftovers::sweep(rung, place.dir()) {
                    tracing::warn!("{error}");
                }
            })?;
        serde_json::from_value(unpacked).doing(ErrorKind::Internal, || "finding the unpacked rootfs".into())
    }

    /// Starts the helper of a run; it writes nothing into the volume yet.
    fn start(&self, pulled: &Pulled, run: &Run<'_>, record: &Record) -> Result<(Helper, Log)> {
        let task = self.task(pulled, run, record)?;
        if run.keep == KeepContainer::Always {
            record.keep()?;
        }
        let (log, output) = Log::open(&self.options.state, record.id())?;
        let locks = [record.lock(), run.volume.lock(), pulled.lock.as_fd()];
        let surroundings = Surroundings { stderr: Stdio::from(output), locks: &locks };
        let helper = Helper::spawn(&pulled.rung, Task::Run(Box::new(task)), surroundings)?;
        Ok((helper, log))
    }

    fn task(&self, pulled: &Pulled, run: &Run<'_>, record: &Record) -> Result<RunTask> {
        let cgroup = cgroup_path(record.id());
        let host = Host {
            cgroup: &cgroup,
            mapping: match pulled.rung {
                Rung::Root => HostMapping::Root,
                Rung::Subordinate { .. } => HostMapping::Many,
                Rung::Single { .. } => HostMapping::Single,
            },
            devices: match pulled.rung.is_rootless() || !enforces_devices() {
                true => DeviceRules::Absent,
                false => DeviceRules::Enforced,
            },
            capabilities: &capabilities::held(&pulled.rung),
        };
        let bundle = Bundle {
            image: &pulled.image.configuration,
            id: record.id(),
            volume: (run.volume.host(), run.volume.container()),
            environment: &run.environment,
            network: run.network,
            privilege: run.privilege,
            host,
        };
        let config = pulled.image.configuration.config().as_ref();
        Ok(RunTask {
            id: record.id().to_owned(),
            run_dir: record.dir().to_owned(),
            rootfs: pulled.rootfs.clone(),
            spec: bundle.spec()?,
            user: config.and_then(|config| config.user().clone()).unwrap_or_default(),
            network: match run.network {
                Network::None => NetworkMode::None,
                Network::Host => NetworkMode::Host,
            },
            volume: run.volume.host().to_owned(),
            inputs: run.staging.inputs.iter().map(|input| input.name.clone()).collect(),
        })
    }
}

impl Container for OciDriver {
    fn pull(&mut self) -> Result<()> {
        leftovers::reap_dead(&self.options.state);
        let rung = rung::choose(Rung::candidates(), |rung| self.try_rung(rung))?;
        let Options { cache, additional_caches, state, .. } = &self.options;
        let store = Store::open(cache)?.with_additional(additional_caches).with_state(state);
        // fails before anything is fetched that could not be used
        let store = store.for_unpacking()?;
        let lock = store.lock_shared()?;
        let image = self.acquire(&store, &rung, self.options.pull)?;
        tracing::info!("Using image {}@{}", self.options.reference, image.manifest_digest);
        let rootfs = self.rootfs(&store, &rung, &image)?;
        self.pulled = Some(Pulled { rung, image, rootfs, lock });
        Ok(())
    }

    fn run(&mut self, run: &Run<'_>) -> Result<PathBuf> {
        let pulled =
            self.pulled.as_ref().ok_or_else(|| Error::new(ErrorKind::Internal, "run before pull"))?;
        self.options.interrupt.check()?;
        let about = About { version: VERSION, rung: pulled.rung.clone() };
        let record = Record::create(&self.options.state, &about)?;
        let (helper, log) = match self.start(pulled, run, &record) {
            Ok(started) => started,
            Err(error) => {
                record.discard();
                return Err(error);
            }
        };
        let run_dir = record.dir().to_owned();
        let conditions = Conditions {
            interrupt: self.options.interrupt.clone(),
            timeout: run.timeout,
            rootfs: pulled.rootfs.clone(),
        };
        let session = Session::new(helper, record, log, conditions);
        self.session.insert(session).run(run.volume, run.staging)?;
        Ok(run_dir)
    }

    fn remove(&mut self) -> Result<()> {
        match &mut self.session {
            Some(session) => session.remove(),
            None => Ok(()),
        }
    }
}
