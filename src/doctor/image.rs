//! The configured image: whether a run would have it, and whether it runs here.

use super::{Check, Options, Taken};
use crate::error::{Error, ErrorKind, Result};
use crate::image::registry::{self, Reach};
use crate::image::rootfs::{self, Mapping};
use crate::image::store::Located;
use crate::image::{self, Image, Platform, PullPolicy, REFERENCE_BUILDER, Reference, Store, Wanted};
use crate::interrupt::Interrupt;
use crate::site::config::IsoConfiguration;

/// Someone waits for the answer; a pull has more patience.
const IMPATIENT: registry::Options = registry::Options { attempts: 1, ..registry::Options::DEFAULT };

/// The variables by which connections are sent through proxies.
const PROXIES: [&str; 4] = ["https_proxy", "http_proxy", "all_proxy", "no_proxy"];

/// Only an interrupt is an error.
pub fn image(
    options: &Options,
    configuration: &IsoConfiguration,
    taken: Option<&Taken>,
    interrupt: &Interrupt,
) -> Result<Vec<Check>> {
    let text = configuration.container.image.as_deref().unwrap_or(REFERENCE_BUILDER);
    let reference = match Reference::parse(text) {
        Ok(reference) => reference,
        Err(error) => {
            let error = error.of_kind(ErrorKind::Usage).context("reading container.image");
            return Ok(vec![Check::fail("image", &error)]);
        }
    };
    let configured = &configuration.container.additional_rootfs_caches;
    let additional: Vec<_> = options.additional_caches.iter().chain(configured).cloned().collect();
    let Some(store) = store(options) else {
        return Ok(vec![Check::skip("image", format!("{reference}: the cache cannot be opened"))]);
    };
    let store = store.with_additional(&additional);
    let mapping = taken.map(|taken| &taken.mapping);
    let search = Search { options, reference, store, platform: Platform::host(), mapping, interrupt };
    let checks = search.checks();
    interrupt.check().map(|()| checks)
}

fn store(options: &Options) -> Option<Store> {
    let store = match Store::open_existing(&options.cache) {
        Ok(Some(store)) => Ok(store),
        Ok(None) => Store::absent(&options.cache),
        Err(error) => Err(error),
    };
    // what is wrong with it is a check of its own
    store.ok().map(|store| store.with_state(&options.state))
}

struct Search<'a> {
    options: &'a Options,
    reference: Reference,
    store: Store,
    platform: Platform,
    mapping: Option<&'a Mapping>,
    interrupt: &'a Interrupt,
}

impl Search<'_> {
    fn checks(&self) -> Vec<Check> {
        let located = self.store.locate(&self.reference, &self.platform);
        let cached = located.as_ref().ok().and_then(Option::as_ref).filter(|it| self.is_complete(&it.image));
        let asked = self.may_ask().then(|| image::ask(self.wanted(&|_| false), self.interrupt));
        let mut checks =
            vec![self.found(cached, asked.as_ref()), self.registry(asked.as_ref(), cached.is_some())];
        checks.extend(proxies().filter(|_| self.may_ask()));
        if let Some(image) = cached.map(|it| &it.image).or(asked.as_ref().and_then(|it| it.as_ref().ok())) {
            checks.push(self.architecture(image));
            checks.push(self.room(image));
        }
        checks
    }

    /// A run that finds all of it in a cache opens no connection.
    fn is_complete(&self, image: &Image) -> bool {
        self.store.missing_layers(image).is_empty() || self.has_rootfs(image)
    }

    fn has_rootfs(&self, image: &Image) -> bool {
        let find = |mapping| rootfs::find_in(self.store.all_rootfs_dirs(), mapping, &image.layers);
        self.mapping.is_some_and(|mapping| matches!(find(mapping), Ok(Some(_))))
    }

    fn may_ask(&self) -> bool {
        self.options.access.reach == Reach::Online && !self.reference.is_local()
    }

    fn wanted<'w>(&'w self, have_rootfs: &'w dyn Fn(&Image) -> bool) -> Wanted<'w> {
        Wanted {
            reference: &self.reference,
            platform: &self.platform,
            policy: PullPolicy::Missing,
            have_rootfs,
            transfer: IMPATIENT,
            access: &self.options.access,
        }
    }

    fn found(&self, cached: Option<&Located>, asked: Option<&Result<Image>>) -> Check {
        let reference = &self.reference;
        match (cached, asked) {
            (Some(Located { image, cache }), _) => {
                Check::ok("image", format!("{reference}@{} is in {}", image.manifest_digest, cache.display()))
            }
            (None, Some(Ok(image))) => {
                let (digest, size) = (&image.manifest_digest, image.size() as f64 / (1 << 20) as f64);
                Check::ok("image", format!("{reference}@{digest} would be pulled, {size:.1} MiB"))
            }
            (None, Some(Err(_))) => Check::skip("image", format!("{reference} is not in the cache")),
            // the words of a run
            (None, None) => {
                match image::know(&self.store, self.wanted(&|image| self.has_rootfs(image)), self.interrupt) {
                    Ok(known) => Check::ok("image", format!("{reference}@{}", known.image().manifest_digest)),
                    Err(error) => Check::fail("image", &error),
                }
            }
        }
    }

    fn registry(&self, asked: Option<&Result<Image>>, is_cached: bool) -> Check {
        let name = self.reference.registry();
        match asked {
            None if self.reference.is_local() => Check::skip("registry", "localhost/ is in no registry"),
            None => Check::skip("registry", "--offline"),
            Some(Ok(image)) => Check::ok("registry", format!("{name} has it as {}", image.manifest_digest)),
            // a run would not ask it
            Some(Err(error)) if is_cached => Check::warn_of("registry", error),
            Some(Err(error)) => {
                let hint =
                    "try again, or bring the image in another way and load it with `airshipctl image load`";
                Check::fail("registry", &error.clone().hint(hint))
            }
        }
    }

    fn architecture(&self, image: &Image) -> Check {
        let (theirs, ours) = (image.platform(), &self.platform);
        match ours.runs(&theirs) {
            true => Check::ok("architecture", format!("the image is for {theirs}, this host is {ours}")),
            false => {
                let why = format!("the image is for {theirs}, this host is {ours}");
                let error = Error::new(ErrorKind::Builder, why);
                Check::fail("architecture", &error.hint("choose a builder image that was made for this host"))
            }
        }
    }

    /// Room for what a run would fetch and unpack.
    fn room(&self, image: &Image) -> Check {
        if self.has_rootfs(image) {
            return Check::ok("room", "the rootfs is there");
        }
        let Ok(store) = self.store.clone().for_unpacking() else {
            return Check::skip("room", "there is no place for a rootfs");
        };
        match store.require_room(image) {
            Ok(()) => Check::ok("room", "there is room for what is missing of the image and its rootfs"),
            Err(error) => Check::fail("room", &error),
        }
    }
}

/// By name only: addresses of proxies may hold passwords.
fn proxies() -> impl Iterator<Item = Check> {
    let is_set = |name: &String| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let names = PROXIES.iter().flat_map(|name| [(*name).to_owned(), name.to_uppercase()]);
    let set: Vec<String> = names.filter(is_set).collect();
    let check = match set.is_empty() {
        true => Check::ok("proxies", "none are set"),
        false => Check::ok("proxies", format!("{} are set and heeded", set.join(", "))),
    };
    std::iter::once(check)
}
