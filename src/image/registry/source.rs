//! A wish, and the places that may grant it: in rounds, each place once in a round.

use std::cell::Cell;

use super::Options;
use super::access::Access;
use super::failure::Failure;
use super::mirrors::Endpoint;
use super::place::{Judgement, Place, Visit};
use super::retry::pause;
use crate::error::{Error, ErrorKind, Result};

/// Bytes an attempt must have brought to be more than a failure; without a bound a registry that
/// sends a byte and hangs up could keep us for ever.
const PROGRESS: u64 = 1 << 20;

/// One repository, wherever it is. Shared by all requests under way, which take turns on one
/// thread.
pub(super) struct Source<'a> {
    places: Vec<Place<'a>>,
    options: Options,
    /// The place that served last is asked first: one that is down, or lacks the image, is not
    /// asked again for each blob before it is its turn.
    preferred: Cell<usize>,
}

/// What has become of one wish so far.
struct Wish {
    what: String,
    /// Rounds in a row that brought nothing.
    failed: u32,
    /// How far the best attempt came. Only what goes beyond it is progress: where ranges are not
    /// heeded, each attempt begins anew.
    best: u64,
    /// The latest of each place.
    tries: Vec<Option<Try>>,
    /// Whose is the latest.
    last: Option<usize>,
}

struct Try {
    error: Error,
    outlook: Outlook,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outlook {
    Open,
    Hopeless,
}

impl<'a> Source<'a> {
    /// `endpoints` in the order of preference. What is configured of the first is read at once.
    pub(super) fn new(endpoints: Vec<Endpoint>, options: Options, access: &'a Access) -> Result<Self> {
        let mut places: Vec<Place<'a>> =
            endpoints.into_iter().map(|endpoint| Place::new(endpoint, options, access)).collect();
        match places.first_mut() {
            Some(first) => first.prepare()?,
            None => return Err(Error::new(ErrorKind::Internal, "finding a place to look for the image")),
        }
        Ok(Self { places, options, preferred: Cell::new(0) })
    }

    /// Goes from place to place, and after a pause round again, until one grants the wish, all
    /// have refused it, or it has failed too often. What one place has begun another may go on
    /// with: digests say that it is the same.
    pub(super) async fn anywhere<T>(
        &self,
        what: String,
        mut request: impl AsyncFnMut(&mut Visit<'_, 'a>) -> Result<T, Failure>,
    ) -> Result<T> {
        let mut wish = Wish::new(what, self.places.len());
        loop {
            let before = wish.best;
            for at in self.round(&wish) {
                let place = &self.places[at];
                wish.tell(at, &self.places);
                let mut reached = 0;
                match place.visit(&mut reached, &mut request).await {
                    Ok(value) => {
                        self.preferred.set(at);
                        return Ok(value);
                    }
                    Err(failure) => {
                        let judgement = place.judge(failure).await;
                        wish.note(at, judgement).map_err(|error| error.context(wish.from(place)))?;
                    }
                }
                if reached >= wish.best + PROGRESS {
                    wish.best = reached;
                }
            }
            wish.failed = if wish.best > before { 1 } else { wish.failed + 1 };
            if wish.is_lost(&self.options) {
                return Err(wish.into_error(&self.places));
            }
            tokio::time::sleep(pause(self.options.backoff, wish.failed)).await;
        }
    }

    /// The places that may still grant the wish, from the preferred one on; those that want to be
    /// left alone for a while come last.
    fn round(&self, wish: &Wish) -> Vec<usize> {
        let (count, first) = (self.places.len(), self.preferred.get());
        let turn = (0..count).map(|at| (first + at) % count);
        let mut open: Vec<usize> = turn.filter(|&at| wish.is_open(at)).collect();
        open.sort_by_key(|&at| self.places[at].wait());
        open
    }
}

impl Wish {
    fn new(what: String, places: usize) -> Self {
        let tries = std::iter::repeat_with(|| None).take(places).collect();
        Self { what, failed: 0, best: 0, tries, last: None }
    }

    fn is_open(&self, at: usize) -> bool {
        self.tries[at].as_ref().is_none_or(|it| it.outlook == Outlook::Open)
    }

    fn is_lost(&self, options: &Options) -> bool {
        self.failed >= options.attempts || (0..self.tries.len()).all(|at| !self.is_open(at))
    }

    /// Fails where it makes no sense to go on.
    fn note(&mut self, at: usize, judgement: Judgement) -> Result<()> {
        let (error, outlook) = match judgement {
            Judgement::Stop(error) => return Err(error),
            Judgement::Leave(error) => (error, Outlook::Hopeless),
            Judgement::Return(error) => (error, Outlook::Open),
        };
        self.tries[at] = Some(Try { error, outlook });
        self.last = Some(at);
        Ok(())
    }

    /// Logs the last failure, and that it was not the last word: this is the next to be asked.
    fn tell(&self, next: usize, places: &[Place<'_>]) {
        let failed = self.last.and_then(|last| Some((last, self.tries[last].as_ref()?)));
        if let Some((last, Try { error, .. })) = failed {
            let how = match last == next {
                true => "trying again".to_owned(),
                false => format!("going on with {}", places[next].name),
            };
            tracing::warn!("{}: {error}; {how}", self.from(&places[last]));
        }
    }

    fn from(&self, place: &Place<'_>) -> String {
        format!("{} from {}", self.what, place.name)
    }

    /// Names each place with its reason. The hint is that of the last one, the location that the
    /// others stand in for, where it has one.
    fn into_error(self, places: &[Place<'_>]) -> Error {
        let mut tries: Vec<_> = places.iter().zip(self.tries).filter_map(|(p, it)| Some((p, it?))).collect();
        if tries.len() == 1 {
            // the count was just looked at
            if let Some((place, Try { error, .. })) = tries.pop() {
                return error.context(format!("{} from {}", self.what, place.name));
            }
        }
        let each: Vec<_> =
            tries.iter().map(|(place, it)| format!("from {}: {}", place.name, it.error)).collect();
        let error = Error::new(ErrorKind::Image, format!("{}: {}", self.what, each.join("; ")));
        match tries.iter().rev().find_map(|(_, it)| it.error.hint_text()) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}
