//! `airshipctl image …`: the rootfs cache by hand.

mod text;

use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use airshipctl::container::{self, Choice, Limits, Rootless, record};
use airshipctl::error::{Doing, Error, ErrorKind, Result};
use airshipctl::image::digest::Digest;
use airshipctl::image::progress;
use airshipctl::image::registry::{self, Access};
use airshipctl::image::store::{Half, Loaded, Store, Target};
use airshipctl::image::verify::{self, Cure, Depth};
use airshipctl::image::{Layers, Platform, PullPolicy, Reference, Wanted, inspect, prune};
use airshipctl::interrupt::Interrupt;
use airshipctl::site::config::ContainerRuntime;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::CacheArgs;
use super::isogen::{parse, state_dir};
use super::output::Output;
use super::progress::Console;
use super::registry::RegistryArgs;

#[derive(Subcommand)]
pub enum ImageCommand {
    /// Pull an image from its registry into the rootfs cache, with all its layers.
    Pull {
        #[arg(value_parser = Reference::parse)]
        reference: Reference,
        /// When to ask the registry: missing, always or never [default: always, with --offline never].
        #[arg(long, value_name = "WHEN", value_parser = PullPolicy::from_str)]
        pull: Option<PullPolicy>,
        /// Unpack it too, for this user, so that the next run starts at once.
        #[arg(long)]
        unpack: bool,
        /// The privileges of the run it is unpacked for, as of `bootstrap isogen`.
        #[arg(long, value_name = "HOW", default_value_t, requires = "unpack", value_parser = parse::<Rootless>)]
        rootless: Rootless,
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        registries: RegistryArgs,
    },
    /// Load images into the rootfs cache: an OCI image layout, a directory or an archive of one, or an
    /// archive of `docker save`.
    Load {
        /// The directory or archive; `-` is an archive on standard input.
        path: PathBuf,
        /// Load the only image in it under this reference.
        #[arg(long, value_name = "REFERENCE", value_parser = Reference::parse)]
        name: Option<Reference>,
        #[command(flatten)]
        common: Common,
    },
    /// Save images with all that a run needs as one OCI archive, which `load` takes.
    Save {
        #[arg(required = true, value_name = "REFERENCE", value_parser = Reference::parse)]
        references: Vec<Reference>,
        /// The file to write, replaced if it is there; `-` is standard output.
        #[arg(required = true)]
        file: PathBuf,
        #[command(flatten)]
        common: Common,
    },
    /// List the images in the rootfs cache.
    Ls {
        #[command(flatten)]
        common: Common,
    },
    /// Show an image: digest, platform, layers, configuration, and where it is unpacked.
    Inspect {
        #[arg(value_parser = Reference::parse)]
        reference: Reference,
        #[command(flatten)]
        common: Common,
    },
    /// Remove names; `prune` then frees what nothing needs any more.
    Rm {
        #[arg(required = true, value_name = "REFERENCE", value_parser = Reference::parse)]
        references: Vec<Reference>,
        #[command(flatten)]
        common: Common,
    },
    /// Free what no name leads to: blobs, unpacked images, and half downloads older than a week.
    Prune {
        /// Half downloads and half loads of any age.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Hash what the names lead to; exit code 4 if anything is missing or damaged.
    Verify {
        /// Only these images [default: all].
        #[arg(value_name = "REFERENCE", value_parser = Reference::parse)]
        references: Vec<Reference>,
        /// Check the unpacked images' records too.
        #[arg(long)]
        deep: bool,
        /// Remove what is damaged, and fetch it again where a registry has it.
        #[arg(long)]
        repair: bool,
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        registries: RegistryArgs,
    },
}

/// What all of them take.
#[derive(Args)]
pub struct Common {
    #[command(flatten)]
    cache: CacheArgs,
    /// The directory where runs keep their records, and rootfses that cannot be in the cache.
    #[arg(long, value_name = "DIR", env = "AIRSHIP_STATE_DIR", hide_env = true)]
    state_dir: Option<PathBuf>,
    /// Form of the result; json is one document with the keys listed in rootfs-cache/README.md.
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Output,
}

impl Common {
    /// The cache, made if it is not there.
    fn store(&self) -> Result<Store> {
        Store::open(&self.cache.dir()?)
    }

    /// The own cache alone, for commands that change it.
    fn existing(&self) -> Result<Option<Store>> {
        Ok(Store::open_existing(&self.cache.dir()?)?.map(|store| self.with_state(store)))
    }

    fn with_state(&self, store: Store) -> Store {
        // one who has no such directory keeps nothing there
        let state = self.state_dir.clone().or_else(|| record::state_dir().ok());
        match state.and_then(|state| std::path::absolute(state).ok()) {
            Some(state) => store.with_state(&state),
            None => store,
        }
    }

    /// All caches, for commands that read; `None` where there is none at all.
    fn all(&self) -> Result<Option<Store>> {
        let (dir, additional) = (self.cache.dir()?, self.cache.additional()?);
        let own = self.existing()?;
        let is_there = own.is_some();
        let store = own.map_or_else(|| Store::absent(&dir), Ok)?.with_additional(&additional);
        Ok(Some(store).filter(|store| is_there || !store.additional().is_empty()))
    }

    /// Why a command that names what it wants cannot have it.
    fn no_cache(&self) -> Error {
        match self.cache.dir() {
            Ok(dir) => Error::new(ErrorKind::Image, format!("there is no rootfs cache {}", dir.display()))
                .hint("name another with --rootfs-cache or $AIRSHIP_ROOTFS_CACHE"),
            Err(error) => error,
        }
    }

    fn required(&self) -> Result<Store> {
        self.all()?.ok_or_else(|| self.no_cache())
    }

    fn print(&self, result: &impl Serialize, text: impl FnOnce() -> String) -> Result<()> {
        self.output.print(result, text)
    }
}

/// Lists stand below a key, so that more can be said beside them later.
#[derive(Serialize)]
struct Images<T> {
    images: Vec<T>,
}

pub fn run(command: ImageCommand, console: &Console) -> Result<()> {
    match command {
        ImageCommand::Pull { reference, pull: policy, unpack, rootless, registries, common } => {
            let policy = registries.policy(policy, PullPolicy::Always)?;
            let access = registries.access()?;
            let digest = match unpack {
                true => prepare(&reference, policy, access, rootless, &common, console),
                false => pull(&reference, policy, &access, &common, console),
            };
            let pulled = Loaded { reference: reference.to_string(), digest: digest? };
            common.print(&pulled, || text::pulled(&pulled))
        }
        ImageCommand::Load { path, name, common } => load(&path, name.as_ref(), &common),
        ImageCommand::Save { references, file, common } => save(&references, &file, &common),
        ImageCommand::Ls { common } => {
            let images = common.all()?.map_or_else(|| Ok(Vec::new()), |store| store.list())?;
            let result = Images { images };
            common.print(&result, || text::listed(&result.images, &own_cache(&common)))
        }
        ImageCommand::Inspect { reference, common } => {
            let image = inspect::inspect(&common.required()?, &reference)?;
            common.print(&image, || text::inspected(&image))
        }
        ImageCommand::Rm { references, common } => {
            let own = common.existing()?.ok_or_else(|| common.no_cache())?;
            let result = Images { images: own.remove(&references)? };
            common.print(&result, || text::removed(&result.images))
        }
        ImageCommand::Prune { all, common } => prune(if all { Half::All } else { Half::Old }, &common),
        ImageCommand::Verify { references, deep, repair, registries, common } => {
            let options = verify::Options {
                depth: if deep { Depth::Deep } else { Depth::Blobs },
                cure: if repair { Cure::Repair } else { Cure::Report },
            };
            verify(&references, options, &registries.access()?, &common, console)
        }
    }
}

fn pull(
    reference: &Reference,
    policy: PullPolicy,
    access: &Access,
    common: &Common,
    console: &Console,
) -> Result<Digest> {
    let store = common.store()?.with_additional(&common.cache.additional()?);
    let _in_use = store.lock_shared()?;
    let interrupt = Interrupt::from_signals()?;
    // the layers are wanted even where a rootfs is there: they are what is saved and carried
    let wanted = Wanted {
        reference,
        platform: &Platform::host(),
        policy,
        have_rootfs: &|_| false,
        transfer: registry::Options::default(),
        access,
    };
    progress::acquire(console, &store, wanted, &interrupt).map(|image| image.manifest_digest)
}

/// What a run does before anything of a site is touched.
fn prepare(
    reference: &Reference,
    policy: PullPolicy,
    access: Access,
    rootless: Rootless,
    common: &Common,
    console: &Console,
) -> Result<Digest> {
    let options = container::Options {
        reference: reference.clone(),
        pull: policy,
        rootless,
        limits: Limits::default(),
        layers: Layers::All,
        access,
        cache: common.cache.dir()?,
        additional_caches: common.cache.additional()?,
        state: state_dir(common.state_dir.clone())?,
        progress: Arc::new(console.clone()),
        interrupt: Interrupt::from_signals()?,
    };
    container::driver(Choice::Demanded(ContainerRuntime::Oci), options)?.pull()
}

fn load(path: &Path, name: Option<&Reference>, common: &Common) -> Result<()> {
    let images = match path == Path::new("-") {
        false => common.store()?.load_as(path, name, &Interrupt::from_signals()?)?,
        true => common.store()?.load_stream(standard_input()?, name, &Interrupt::from_signals()?)?,
    };
    let result = Images { images };
    common.print(&result, || text::loaded(&result.images))
}

/// The canonical path of the own cache as results have it.
fn own_cache(common: &Common) -> String {
    let dir = common.cache.dir().unwrap_or_default();
    std::fs::canonicalize(&dir).unwrap_or(dir).display().to_string()
}

fn standard_input() -> Result<File> {
    let input = std::io::stdin();
    if input.is_terminal() {
        return Err(Error::new(ErrorKind::Usage, "loading standard input: it is a terminal")
            .hint("redirect an archive into it, or name a file"));
    }
    let copied = input.as_fd().try_clone_to_owned().map(File::from);
    copied.doing(ErrorKind::Usage, || "opening standard input".into())
}

fn save(references: &[Reference], file: &Path, common: &Common) -> Result<()> {
    let refuse = |why: &str, hint: &str| Err(Error::new(ErrorKind::Usage, why).hint(hint));
    if file != Path::new("-") {
        let store = common.required()?;
        let images = store.save(references, Target::File(file), &Interrupt::from_signals()?)?;
        let result = Images { images };
        return common.print(&result, || text::loaded(&result.images));
    }
    if std::io::stdout().is_terminal() {
        return refuse("saving to standard output: it is a terminal", "redirect it, or name a file");
    }
    if common.output == Output::Json {
        return refuse("saving to standard output: the archive goes there", "leave --output json out");
    }
    let store = common.required()?;
    // past the buffer of the standard library, which looks for ends of lines
    let mut out = std::io::stdout()
        .as_fd()
        .try_clone_to_owned()
        .map(File::from)
        .doing(ErrorKind::Internal, || "opening standard output".into())?;
    store.save(references, Target::Stream(&mut out), &Interrupt::from_signals()?).map(drop)
}

fn prune(half: Half, common: &Common) -> Result<()> {
    let pruned = match common.existing()? {
        Some(store) => prune::prune(&store, half, &Interrupt::from_signals()?)?,
        None => prune::Pruned::default(),
    };
    common.print(&pruned, || text::pruned(&pruned))
}

fn verify(
    references: &[Reference],
    options: verify::Options,
    access: &Access,
    common: &Common,
    console: &Console,
) -> Result<()> {
    let store = common.required()?;
    let interrupt = Interrupt::from_signals()?;
    let report = verify::verify(&store, references, options, access, console, &interrupt)?;
    common.print(&report, || text::verified(&report))?;
    if report.is_good() {
        return Ok(());
    }
    let count = report.faults.len() + report.rootfs.len();
    let error = Error::new(
        ErrorKind::Image,
        format!("verifying cache {}: {count} missing or damaged", store.path().display()),
    );
    Err(match options.cure {
        Cure::Report => error.hint("`airshipctl image verify --repair` removes and fetches again"),
        Cure::Repair => error.hint("load the images again with `airshipctl image load`"),
    })
}
