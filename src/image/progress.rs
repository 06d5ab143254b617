//! What people and programs that look on are told: which image it is, how far each layer has come,
//! and which part of the work has begun or ended. Nothing is formatted or timed here.

use std::path::Path;

use super::arrival::{Arrival, Watch};
use super::layer::Layer;
use super::rootfs::Mapping;
use super::{Image, Known, Reference, Store, Wanted};
use crate::error::Result;
use crate::interrupt::Interrupt;

/// A part of the work that takes time of its own. Download and unpack overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reading and checking configuration and documents.
    Site,
    /// Finding out how this host can run containers.
    Host,
    /// Finding out which image it is, in the cache or from the registry.
    Image,
    /// Having all layers in the cache.
    Download,
    /// Making the rootfs.
    Unpack,
    /// From the rootfs to a container that is ready to start.
    SetUp,
    /// The builder's own time.
    Builder,
    /// Checking what the builder left.
    Check,
    /// Taking the container apart.
    Removal,
}

/// How a stage ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Failed,
}

/// Whether a rootfs had to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Made,
    Reused,
}

/// One thing that happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    Begin(Stage),
    End(Stage, Outcome),
    /// Which image it is. Comes again where damaged layers have to be had anew.
    Image {
        reference: &'a Reference,
        image: &'a Image,
    },
    /// How far a layer's blob is there; the first report of a growing one is what an earlier run left,
    /// and the number falls where a transfer starts over. Each digest is told once.
    Layer(Arrival<'a>),
    /// How many bytes of a layer's blob, the one of this number, the unpacker has taken in; all of
    /// them only after their digest was found right. The files may lag by some mebibytes.
    Unpack {
        number: usize,
        layer: &'a Layer,
        bytes: u64,
    },
    /// A complete rootfs.
    Rootfs {
        path: &'a Path,
        mapping: &'a Mapping,
        origin: Origin,
    },
}

/// Is told of events, from several threads and some hundred times a second; must not wait.
pub trait Progress: Send + Sync {
    fn note(&self, event: Event<'_>);
}

/// For when nobody looks on.
pub struct Silent;

impl Progress for Silent {
    fn note(&self, _: Event<'_>) {}
}

impl dyn Progress + '_ {
    /// Does the work of a stage and reports its begin and end.
    pub fn stage<T>(&self, stage: Stage, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.stage_judged(stage, work, |_| true)
    }

    /// The same, where not every result is a good one.
    pub fn stage_judged<T>(
        &self,
        stage: Stage,
        work: impl FnOnce() -> Result<T>,
        is_good: impl FnOnce(&T) -> bool,
    ) -> Result<T> {
        self.note(Event::Begin(stage));
        let result = work();
        let outcome = if result.as_ref().is_ok_and(is_good) { Outcome::Done } else { Outcome::Failed };
        self.note(Event::End(stage, outcome));
        result
    }
}

/// [`know`](super::know), reported.
pub fn know<'a>(
    progress: &dyn Progress,
    store: &'a Store,
    wanted: Wanted<'a>,
    interrupt: &'a Interrupt,
) -> Result<Known<'a>> {
    let known = progress.stage(Stage::Image, || super::know(store, wanted, interrupt))?;
    progress.note(Event::Image { reference: wanted.reference, image: known.image() });
    Ok(known)
}

/// [`Known::complete`], reported.
pub fn complete(progress: &dyn Progress, known: Known<'_>, watch: &mut Watch<'_>) -> Result<Image> {
    progress.stage(Stage::Download, || {
        known.complete(&mut |arrival| {
            progress.note(Event::Layer(arrival));
            watch(arrival)
        })
    })
}

/// [`Known::restore`], reported.
pub(super) fn restore(progress: &dyn Progress, known: Known<'_>) -> Result<()> {
    progress.stage(Stage::Download, || {
        known.restore(&mut |arrival| {
            progress.note(Event::Layer(arrival));
            Ok(())
        })
    })
}

/// [`acquire`](super::acquire), reported.
pub fn acquire(
    progress: &dyn Progress,
    store: &Store,
    wanted: Wanted<'_>,
    interrupt: &Interrupt,
) -> Result<Image> {
    complete(progress, know(progress, store, wanted, interrupt)?, &mut |_| Ok(()))
}
