//! Images whose blobs and trees are known to the byte.

use std::collections::{BTreeMap, HashMap};

use super::common::image::{Built, Compression, Entry, TestImage, noise};

/// The files of one layer.
#[derive(Clone)]
pub struct Files(pub Compression, pub Vec<(String, Vec<u8>)>);

/// An image and what must come of it.
pub struct Sample {
    pub built: Built,
    /// The files of its rootfs.
    pub tree: BTreeMap<String, Vec<u8>>,
    pub diff_ids: Vec<String>,
    /// Its blobs by digest.
    pub blobs: HashMap<String, Vec<u8>>,
}

impl Sample {
    pub fn new(layers: &[Files]) -> Self {
        let mut image = TestImage::new();
        let mut tree = BTreeMap::new();
        for Files(compression, files) in layers {
            let entries: Vec<Entry> = files.iter().map(|(path, bytes)| Entry::file(path, bytes)).collect();
            image = image.layer_as(*compression, &entries);
            tree.extend(files.iter().cloned());
        }
        let built = image.build();
        let config: serde_json::Value = serde_json::from_slice(&built.config.bytes).unwrap();
        let diff_ids = config["rootfs"]["diff_ids"].as_array().unwrap();
        let diff_ids = diff_ids.iter().map(|id| id.as_str().unwrap().to_owned()).collect();
        let blobs = built.blobs().into_iter().map(|blob| (blob.digest.clone(), blob.bytes.clone())).collect();
        Self { built, tree, diff_ids, blobs }
    }
}

/// Layers of about `size` bytes: gzip, zstd and plain, each with some large and many small files.
pub fn layers(size: usize) -> Vec<Files> {
    let noise = noise(size + 4096);
    let kinds = [Compression::Gzip, Compression::Zstd, Compression::None, Compression::Gzip];
    let layer = |(number, compression): (usize, &Compression)| {
        let mut files = vec![
            (format!("large{number}"), noise[number * 64..number * 64 + size * 3 / 4].to_vec()),
            // the same in each layer: the uppermost wins
            ("shared".to_owned(), vec![b'0' + number as u8; 1000]),
        ];
        files.extend((0..200).map(|at| {
            let from = at * size / 1000;
            (format!("small{number}-{at}"), noise[from..from + size / 1000].to_vec())
        }));
        Files(*compression, files)
    };
    kinds.iter().enumerate().map(layer).collect()
}
