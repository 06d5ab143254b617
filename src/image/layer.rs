//! Layers and the stack they make (image-spec, layer.md; config.md, "Layer ChainID").

use std::str::FromStr;

use oci_spec::image::MediaType;
use serde::{Deserialize, Serialize};

use super::digest::{Digest, sha256_hex};

/// One layer: the compressed blob as the manifest describes it, and what it must become.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Digest of the compressed blob.
    pub digest: Digest,
    /// Size of the compressed blob in bytes.
    pub size: u64,
    pub media_type: MediaType,
    /// Digest of the uncompressed tar archive, from the image configuration.
    pub diff_id: Digest,
}

impl Layer {
    /// What it takes unpacked, by experience with images of distributions: gzip halves and more, zstd
    /// does better.
    pub fn likely_unpacked(&self) -> u64 {
        match self.media_type.to_string() {
            name if name.ends_with("zstd") => self.size.saturating_mul(3),
            name if name.ends_with("gzip") => self.size.saturating_mul(5) / 2,
            _ => self.size,
        }
    }
}

/// The chain id of the whole stack; `None` for no layers.
pub fn chain_id(layers: &[Layer]) -> Option<Digest> {
    layers.iter().map(|layer| layer.diff_id.clone()).reduce(|parent, diff_id| {
        let chain = sha256_hex(format!("{parent} {diff_id}").as_bytes());
        // 64 hexadecimal digits are a valid sha256 digest
        Digest::from_str(&format!("sha256:{chain}")).unwrap_or(diff_id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(letter: char) -> Layer {
        let digest = Digest::from_str(&format!("sha256:{}", letter.to_string().repeat(64))).unwrap();
        Layer { digest: digest.clone(), size: 1, media_type: MediaType::ImageLayerGzip, diff_id: digest }
    }

    #[test]
    fn one_layer_is_its_own_chain() {
        assert_eq!(chain_id(&[]), None);
        assert_eq!(chain_id(&[layer('a')]), Some(layer('a').diff_id));
    }

    #[test]
    fn a_layer_grows_by_its_compression() {
        let sized = |media_type: MediaType| Layer { size: 100, media_type, ..layer('a') }.likely_unpacked();
        let docker = MediaType::Other("application/vnd.docker.image.rootfs.diff.tar.gzip".into());
        assert_eq!([MediaType::ImageLayer, MediaType::ImageLayerGzip, docker].map(sized), [100, 250, 250]);
        assert_eq!(sized(MediaType::ImageLayerZstd), 300);
        assert_eq!(Layer { size: u64::MAX, ..layer('a') }.likely_unpacked(), u64::MAX / 2);
    }

    #[test]
    fn a_chain_hashes_parent_and_child() {
        let want = sha256_hex(format!("{} {}", layer('a').diff_id, layer('b').diff_id).as_bytes());
        assert_eq!(chain_id(&[layer('a'), layer('b')]).unwrap().digest(), want);
        assert_ne!(chain_id(&[layer('a'), layer('b')]), chain_id(&[layer('b'), layer('a')]));
    }
}
