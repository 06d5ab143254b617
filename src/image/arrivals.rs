//! Layers on their way into the cache.

use std::cell::RefCell;
use std::sync::mpsc::{Sender, channel};

use super::arrival::{Arrival, State, Watch};
use super::layer::Layer;
use super::manifest::Image;
use super::registry::{Registry, Sink};
use super::store::{Partial, Presence, Slot, Store, Verdict};
use crate::error::{Error, ErrorKind, Result};
use crate::interrupt::Interrupt;

/// Between two reports of a layer that grows: often enough for those who read along, and cheap.
const STEP: u64 = 256 << 10;

/// Reports the layers of an image that is to be had from the cache.
pub(super) fn report(store: &Store, image: &Image, watch: &mut Watch<'_>) -> Result<()> {
    image.layers.iter().try_for_each(|layer| report_one(store, layer, watch))
}

/// A layer that is not there is not wanted either.
fn report_one(store: &Store, layer: &Layer, watch: &mut Watch<'_>) -> Result<()> {
    match store.blob_path(layer) {
        Some(path) => {
            let state = State::Unchecked;
            watch(Arrival { layer, path: &path, placed: &path, bytes: layer.size, state })
        }
        None => Ok(()),
    }
}

/// Fetches the layers that the cache lacks.
pub(super) fn fetch(
    store: &Store,
    registry: &mut Registry<'_>,
    image: &Image,
    watch: &mut Watch<'_>,
    interrupt: &Interrupt,
) -> Result<()> {
    let missing = store.missing_layers(image);
    store.require_space(&missing)?;
    for layer in image.layers.iter().filter(|layer| !missing.contains(layer)) {
        report_one(store, layer, watch)?;
    }
    // writing to disk for good takes its time, which the other layers need not wait for
    std::thread::scope(|scope| {
        let (place, to_place) = channel::<Partial>();
        let placing = scope.spawn(move || to_place.into_iter().try_for_each(Partial::finish));
        let fetched = fetch_missing(store, registry, &missing, watch, &place, interrupt);
        drop(place);
        let lost = |_| Err(Error::new(ErrorKind::Internal, "a thread ended early"));
        fetched.and(placing.join().unwrap_or_else(lost))
    })?;
    // a manifest may give one digest two sizes
    match store.missing_layers(image).first() {
        None => Ok(()),
        Some(layer) => {
            let why = format!("layer {} has not the {} bytes of its descriptor", layer.digest, layer.size);
            Err(Error::new(ErrorKind::Image, why))
        }
    }
}

/// Has them whole and verified on their way to their places.
fn fetch_missing(
    store: &Store,
    registry: &mut Registry<'_>,
    missing: &[Layer],
    watch: &mut Watch<'_>,
    place: &Sender<Partial>,
    interrupt: &Interrupt,
) -> Result<()> {
    let watch = RefCell::new(watch);
    let mut downloads = Vec::new();
    for (layer, slot) in slots(store, missing, interrupt)? {
        match slot {
            Slot::Present => report_one(store, layer, &mut **watch.borrow_mut())?,
            Slot::Absent(partial) => {
                let mut coming = Coming::new(layer, *partial, &watch);
                // what an earlier run left
                coming.tell(State::Growing)?;
                downloads.push((layer.digest.clone(), coming));
            }
        }
    }
    registry.blobs(downloads, &mut |_, mut coming: Coming<'_, '_>| {
        coming.tell(State::Checked)?;
        // refused only when an earlier one could not be placed, which is reported then
        let _ = place.send(coming.partial);
        Ok(())
    })
}

/// Takes all of them to be written, in the order of their digests: two processes with images that
/// have the same layers in another order would wait for each other.
fn slots<'l>(store: &Store, layers: &'l [Layer], interrupt: &Interrupt) -> Result<Vec<(&'l Layer, Slot)>> {
    let mut order: Vec<_> = layers.iter().enumerate().collect();
    order.sort_by(|(_, a), (_, b)| a.digest.as_ref().cmp(b.digest.as_ref()));
    let mut slots = Vec::new();
    for (at, layer) in order {
        slots.push((at, layer, store.slot(&layer.digest, layer.size, Presence::BySize, interrupt)?));
    }
    slots.sort_by_key(|(at, ..)| *at);
    Ok(slots.into_iter().map(|(_, layer, slot)| (layer, slot)).collect())
}

/// A layer under way. The registry fills partial blobs of the store; neither knows the other.
struct Coming<'a, 'w> {
    layer: &'a Layer,
    partial: Partial,
    watch: &'a RefCell<&'a mut Watch<'w>>,
    /// How many bytes were reported.
    told: u64,
}

impl<'a, 'w> Coming<'a, 'w> {
    fn new(layer: &'a Layer, partial: Partial, watch: &'a RefCell<&'a mut Watch<'w>>) -> Self {
        Self { layer, partial, watch, told: 0 }
    }

    fn tell(&mut self, state: State) -> Result<()> {
        self.told = self.partial.offset();
        let (layer, path, placed) = (self.layer, self.partial.path(), self.partial.placed());
        (self.watch.borrow_mut())(Arrival { layer, path, placed, bytes: self.told, state })
    }
}

impl Sink for Coming<'_, '_> {
    fn offset(&self) -> u64 {
        self.partial.offset()
    }

    fn size(&self) -> u64 {
        self.partial.size()
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.partial.append(bytes)?;
        match self.partial.offset() >= self.told + STEP || self.partial.offset() == self.layer.size {
            true => self.tell(State::Growing),
            false => Ok(()),
        }
    }

    fn restart(&mut self) -> Result<()> {
        self.partial.restart()?;
        self.tell(State::Growing)
    }

    fn differs(&mut self) -> Result<Option<String>> {
        self.partial.differs()
    }
}

impl Sink for Partial {
    fn offset(&self) -> u64 {
        Partial::offset(self)
    }

    fn size(&self) -> u64 {
        Partial::size(self)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        Partial::append(self, bytes)
    }

    fn restart(&mut self) -> Result<()> {
        Partial::restart(self)
    }

    fn differs(&mut self) -> Result<Option<String>> {
        match self.verify()? {
            Verdict::Wrong(got) => Ok(Some(got)),
            Verdict::Whole | Verdict::Short(_) => Ok(None),
        }
    }
}
