//! How far each layer is, from the events of the library.

use std::time::Instant;

use airshipctl::image::arrival::{Arrival, State};
use airshipctl::image::layer::Layer;

/// One blob of the image; a blob that is several layers is one row.
pub struct Row {
    pub digest: String,
    pub size: u64,
    pub download: Download,
    /// Bytes of the blob that the unpacker has taken in; `None` before it asked for any.
    pub unpacked: Option<u64>,
    /// When a line or record was last written about its download, and about its unpacking.
    pub told: [Option<Instant>; 2],
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Download {
    Waiting,
    Growing { bytes: u64, resumed: u64, since: Instant },
    Verified,
    Present,
}

/// What an event changed about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Begun,
    Advanced,
    Verified,
    Present,
    UnpackBegun,
    UnpackAdvanced,
    Unpacked,
}

#[derive(Default)]
pub struct Model {
    pub rows: Vec<Row>,
}

impl Row {
    fn new(layer: &Layer) -> Self {
        let (digest, size) = (layer.digest.to_string(), layer.size);
        Self { digest, size, download: Download::Waiting, unpacked: None, told: [None; 2] }
    }

    /// Bytes in the cache.
    pub fn have(&self) -> u64 {
        match self.download {
            Download::Waiting => 0,
            Download::Growing { bytes, .. } => bytes.min(self.size),
            Download::Verified | Download::Present => self.size,
        }
    }

    pub fn is_had(&self) -> bool {
        matches!(self.download, Download::Verified | Download::Present)
    }

    pub fn is_unpacked(&self) -> bool {
        self.unpacked == Some(self.size) && self.is_had()
    }

    /// The first twelve digits of the digest, as other tools shorten it.
    pub fn short(&self) -> &str {
        let hex = self.digest.split_once(':').map_or(self.digest.as_str(), |(_, hex)| hex);
        hex.get(..12).unwrap_or(hex)
    }
}

impl Model {
    pub fn of(layers: &[Layer]) -> Self {
        let mut model = Self::default();
        for layer in layers {
            if model.find(layer).is_none() {
                model.rows.push(Row::new(layer));
            }
        }
        model
    }

    fn find(&self, layer: &Layer) -> Option<usize> {
        let digest = layer.digest.as_ref();
        self.rows.iter().position(|row| row.digest == digest)
    }

    /// Takes note; `None` for a layer of another image, and for what was known.
    pub fn arrived(&mut self, arrival: Arrival<'_>, now: Instant) -> Option<(usize, Change)> {
        let at = self.find(arrival.layer)?;
        let row = &mut self.rows[at];
        let (download, change) = match (arrival.state, row.download) {
            (State::Growing, Download::Growing { resumed, since, .. }) => {
                // a transfer that starts over has nothing left of what was there
                let resumed = resumed.min(arrival.bytes);
                (Download::Growing { bytes: arrival.bytes, resumed, since }, Change::Advanced)
            }
            (State::Growing, _) => {
                let bytes = arrival.bytes;
                (Download::Growing { bytes, resumed: bytes, since: now }, Change::Begun)
            }
            (State::Checked, _) => (Download::Verified, Change::Verified),
            // taken over from another process that fetched it meanwhile, or never missing
            (State::Unchecked, _) => (Download::Present, Change::Present),
        };
        let is_news = row.download != download;
        row.download = download;
        is_news.then_some((at, change))
    }

    pub fn unpacking(&mut self, layer: &Layer, bytes: u64) -> Option<(usize, Change)> {
        let at = self.find(layer)?;
        let row = &mut self.rows[at];
        let change = match row.unpacked {
            _ if bytes == layer.size => Change::Unpacked,
            None => Change::UnpackBegun,
            // a blob that is another layer too
            Some(_) if bytes == 0 => Change::UnpackBegun,
            Some(_) => Change::UnpackAdvanced,
        };
        row.unpacked = row.unpacked.max(Some(bytes));
        Some((at, change))
    }

    pub fn size(&self) -> u64 {
        self.rows.iter().map(|row| row.size).sum()
    }

    pub fn have(&self) -> u64 {
        self.rows.iter().map(Row::have).sum()
    }

    pub fn unpacked(&self) -> u64 {
        self.rows.iter().filter_map(|row| row.unpacked).sum()
    }
}

#[cfg(test)]
pub mod tests {
    use std::path::Path;
    use std::str::FromStr;
    use std::time::Instant;

    use airshipctl::image::arrival::{Arrival, State};
    use airshipctl::image::digest::Digest;
    use airshipctl::image::layer::Layer;

    use super::{Change, Model};

    /// A layer whose digest begins with these digits.
    pub fn layer(hex: &str, size: u64) -> Layer {
        let digest = Digest::from_str(&format!("sha256:{hex:0<64}")).unwrap();
        let media_type = serde_json::from_value("application/vnd.oci.image.layer.v1.tar".into()).unwrap();
        Layer { digest: digest.clone(), size, media_type, diff_id: digest }
    }

    pub fn arrival(layer: &Layer, bytes: u64, state: State) -> Arrival<'_> {
        Arrival { layer, path: Path::new("/blob"), placed: Path::new("/blob"), bytes, state }
    }

    #[test]
    fn a_layer_begins_grows_starts_over_and_is_verified_once() {
        let layers = [layer("ab", 100), layer("cd", 50), layer("ab", 100)];
        let mut model = Model::of(&layers);
        assert_eq!((model.rows.len(), model.size()), (2, 150));
        let now = Instant::now();
        let mut told = |bytes, state| model.arrived(arrival(&layers[0], bytes, state), now);
        assert_eq!(told(40, State::Growing), Some((0, Change::Begun)));
        assert_eq!(told(40, State::Growing), None);
        assert_eq!(told(60, State::Growing), Some((0, Change::Advanced)));
        assert_eq!(told(0, State::Growing), Some((0, Change::Advanced)));
        assert_eq!(told(100, State::Checked), Some((0, Change::Verified)));
        assert_eq!(told(100, State::Checked), None);
        assert_eq!(model.arrived(arrival(&layers[1], 50, State::Unchecked), now), Some((1, Change::Present)));
        assert_eq!(model.have(), 150);
        assert_eq!(model.unpacking(&layers[0], 0), Some((0, Change::UnpackBegun)));
        assert_eq!(model.unpacking(&layers[0], 100), Some((0, Change::Unpacked)));
        assert_eq!(model.unpacking(&layers[2], 0), Some((0, Change::UnpackBegun)));
        assert!(model.rows[0].is_unpacked() && !model.rows[1].is_unpacked());
        assert_eq!(model.arrived(arrival(&layer("ef", 1), 1, State::Checked), now), None);
    }
}
