//! The cache: opened, loaded into, searched, damaged.

mod common;

use common::image::TestImage;

#[test]
fn smoke() {
    let built = TestImage::with_file("x");
    assert_eq!(built.layers.len(), 1);
}
