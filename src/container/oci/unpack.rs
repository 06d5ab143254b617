//! An image's rootfs, unpacked by a helper while its layers still arrive.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use super::leftovers;
use super::protocol::{Down, LayerAt, Task, Up};
use super::rung::Rung;
use super::spawn::{Helper, Surroundings};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::image::arrival::{Arrival, State};
use crate::image::layer::Layer;
use crate::image::progress::{self, Event, Progress};
use crate::image::{Image, Known, Store};
use crate::interrupt::Interrupt;

/// What came of it.
pub struct Unpacked {
    pub image: Image,
    /// The tree, or why there is none; the layers are in the cache all the same.
    pub rootfs: Result<PathBuf>,
    /// Whether a layer was read before its digest was known, so that a failure may be owed to bytes
    /// that have been put right since.
    pub streamed: bool,
}

/// Completes the image and unpacks it at the same time. Fails where the image cannot be had.
pub fn unpack(
    store: &Store,
    rung: &Rung,
    known: Known<'_>,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Unpacked> {
    let layers = known.image().layers.clone();
    tracing::info!("Unpacking {} layers", layers.len());
    store.require_room(known.image())?;
    let place = store.rootfs_place()?;
    place.prepare()?;
    let task = Task::Unpack { cache: place.dir().to_owned(), layers: layers.clone() };
    let mut helper = Helper::spawn(rung, task, Surroundings::default())?;
    helper.ready(interrupt)?;
    let orders = helper.orders()?;
    let (gone, mut streamed) = (AtomicBool::new(false), false);
    let (image, rootfs, given_up) = std::thread::scope(|scope| {
        let unpacking = scope.spawn(|| {
            let rootfs = helper.call_noting(Some(interrupt), |said| report(progress, &layers, said));
            // what is wrong with the image does not keep its layers from being fetched
            let fatal = rootfs.as_ref().is_err_and(|error| error.kind() != ErrorKind::Image);
            gone.store(fatal, Ordering::SeqCst);
            rootfs
        });
        let image = progress::complete(progress, known, &mut |arrival| {
            if gone.load(Ordering::SeqCst) {
                return Err(Error::new(ErrorKind::Internal, "the unpacking has ended"));
            }
            streamed |= arrival.state == State::Growing;
            let numbers = (0..layers.len()).filter(|&number| layers[number].digest == arrival.layer.digest);
            numbers.into_iter().try_for_each(|number| orders.say(&Down::Layer(at(number, arrival))))
        });
        // before it is told to stop, which it reports as a failure too
        let given_up = gone.load(Ordering::SeqCst);
        if image.is_err() {
            // should it have ended already, that is fine
            let _ = orders.say(&Down::Stop);
        }
        drop(orders);
        let lost = |_| Err(Error::new(ErrorKind::Internal, "a thread ended early"));
        (image, unpacking.join().unwrap_or_else(lost), given_up)
    });
    if rootfs.is_err() {
        leftovers::sweep(rung, place.dir()).unwrap_or_else(|error| tracing::warn!("{error}"));
    }
    match (image, rootfs) {
        // the helper's end is why the pull was given up
        (Err(_), Err(error)) if given_up => Err(error),
        (Err(error), _) => Err(error),
        (Ok(image), rootfs) => Ok(Unpacked { image, rootfs: rootfs.and_then(path), streamed }),
    }
}

fn report(progress: &dyn Progress, layers: &[Layer], said: Up) {
    let Up::Unpacking { layer: number, bytes } = said else { return };
    if let Some(layer) = layers.get(number) {
        progress.note(Event::Unpack { number, layer, bytes });
    }
}

fn at(number: usize, arrival: Arrival<'_>) -> LayerAt {
    let Arrival { path, placed, bytes, state, .. } = arrival;
    LayerAt { layer: number, path: path.to_owned(), placed: placed.to_owned(), bytes, state }
}

fn path(said: serde_json::Value) -> Result<PathBuf> {
    serde_json::from_value(said).doing(ErrorKind::Internal, || "finding the unpacked rootfs".into())
}
