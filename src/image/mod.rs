//! WHAT BUILDS it: the builder image, from its reference to a rootfs that can be run.

pub mod arrival;
mod arrivals;
mod ask;
pub mod digest;
pub mod inspect;
pub mod layer;
mod manifest;
pub mod platform;
pub mod progress;
pub mod prune;
mod pull;
pub mod reference;
pub mod registry;
pub mod rootfs;
pub mod store;
pub mod verify;

use std::fmt;
use std::str::FromStr;

pub use ask::ask;
pub use manifest::Image;
pub use platform::Platform;
pub use pull::Known;
pub use reference::Reference;
pub use store::Store;

use crate::error::{Error, ErrorKind, Result};
use crate::interrupt::Interrupt;

/// The image of a configuration that names none; `scripts/builder/build.sh` makes it.
pub const REFERENCE_BUILDER: &str = "localhost/isogen-builder:latest";

/// When a registry is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PullPolicy {
    /// If the cache has not got the image.
    #[default]
    Missing,
    /// On every run, except for references with a digest, which cannot change.
    Always,
    /// Not at all.
    Never,
}

impl FromStr for PullPolicy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "missing" => Ok(Self::Missing),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => {
                let why = format!("pull policy {text:?} is not missing, always or never");
                Err(Error::new(ErrorKind::Usage, why))
            }
        }
    }
}

impl fmt::Display for PullPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "missing",
            Self::Always => "always",
            Self::Never => "never",
        })
    }
}

/// Which layers have to be in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layers {
    /// Those that a rootfs is still to be made of.
    AsNeeded,
    /// All: they are what is saved and carried.
    All,
}

/// What is wanted, and how it may be had.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    pub reference: &'a Reference,
    pub platform: &'a Platform,
    pub policy: PullPolicy,
    /// Whether a rootfs of this image is there already, so that its layers are not needed.
    pub have_rootfs: &'a dyn Fn(&Image) -> bool,
    pub transfer: registry::Options,
    pub access: &'a registry::Access,
}

/// Gets the image from the cache or its registry. Afterwards manifest and configuration are
/// verified and, unless `have_rootfs` is true of it, all layers are in the cache.
///
/// With [`PullPolicy::Missing`] and all of it in the cache, no connection is made. Fails with
/// [`ErrorKind::Image`], and with [`ErrorKind::Usage`] where what is configured of registries is
/// no good.
pub fn acquire(store: &Store, wanted: Wanted<'_>, interrupt: &Interrupt) -> Result<Image> {
    know(store, wanted, interrupt)?.complete(&mut |_| Ok(()))
}

/// The first half of [`acquire`]: finds out which image it is. No layer is fetched yet, and the
/// cache has no name for it if it had none.
pub fn know<'a>(store: &'a Store, wanted: Wanted<'a>, interrupt: &'a Interrupt) -> Result<Known<'a>> {
    let found = wanted.find(store)?;
    if !wanted.may_ask() {
        let image = wanted.settle(store, found)?;
        return Ok(Known::in_cache(store, wanted, image, interrupt));
    }
    // what a digest names cannot change
    let current = wanted.policy == PullPolicy::Missing || wanted.reference.digest().is_some();
    match found {
        Some(image) if current => Ok(Known::in_cache(store, wanted, image, interrupt)),
        _ => Known::ask(store, wanted, interrupt).map_err(|error| wanted.pulling(error)),
    }
}

impl Wanted<'_> {
    fn may_ask(&self) -> bool {
        self.policy != PullPolicy::Never
            && !self.reference.is_local()
            && self.access.reach == registry::Reach::Online
    }

    /// What the cache has. Damage is an error only where no registry can repair it.
    fn find(&self, store: &Store) -> Result<Option<Image>> {
        match store.find(self.reference, self.platform) {
            Err(error) if self.may_ask() => {
                tracing::warn!("{error}; pulling it again");
                Ok(None)
            }
            Err(error) => Err(error.hint("remove the damaged file and pull or load the image again")),
            found => found,
        }
    }

    fn pulling(&self, error: Error) -> Error {
        error.context(format!("pulling {}", self.reference))
    }

    fn is_complete(&self, store: &Store, image: &Image) -> bool {
        store.missing_layers(image).is_empty() || (self.have_rootfs)(image)
    }

    /// Takes what the cache has, where it is the only source.
    fn settle(&self, store: &Store, found: Option<Image>) -> Result<Image> {
        let lacking = match found {
            Some(image) if self.is_complete(store, &image) => return Ok(image),
            Some(image) => match store.missing_layers(&image).as_slice() {
                [] => return Ok(image),
                [only] => format!("lacks layer {} of it", only.digest),
                [first, rest @ ..] => format!("lacks layer {} and {} more of it", first.digest, rest.len()),
            },
            None => format!("has it not for {}{}", self.platform, self.others(store)),
        };
        let why = format!("finding image {}: cache {} {lacking}", self.reference, store.describe());
        Err(Error::new(ErrorKind::Image, why).hint(self.remedy()))
    }

    /// For which other platforms the cache has the image.
    fn others(&self, store: &Store) -> String {
        let name = self.reference.to_string();
        let listed = store.list().unwrap_or_default();
        let same = listed.iter().filter(|row| row.reference == name);
        let others: Vec<String> =
            same.filter_map(|row| row.platform.as_ref()).map(Platform::to_string).collect();
        match others.is_empty() {
            true => String::new(),
            false => format!(" (but for {})", others.join(", ")),
        }
    }

    fn remedy(&self) -> String {
        if self.reference.to_string() == REFERENCE_BUILDER {
            return "make the reference builder with scripts/builder/build.sh and load it with `airshipctl image load`"
                .to_owned();
        }
        if self.access.reach == registry::Reach::Offline && !self.reference.is_local() {
            let name = self.reference;
            return format!(
                "bring it: `airshipctl image save {name} FILE` where it is, `airshipctl image load FILE` here; or name a cache that has it with --additional-rootfs-cache"
            );
        }
        match self.reference.is_local() {
            true => "load it with `airshipctl image load`; localhost/ is never looked for in a registry"
                .to_owned(),
            false => "allow it to be pulled with --pull missing, or load it with `airshipctl image load`"
                .to_owned(),
        }
    }
}
