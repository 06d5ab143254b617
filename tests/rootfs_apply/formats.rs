//! The forms in which archives and blobs come.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use oci_spec::image::MediaType;

use crate::support::*;

/// A GNU long name or link: an entry of its own in front.
fn long(kind: u8, text: &[u8]) -> Entry<'_> {
    Entry { kind, data: text, ..of("././@LongLink") }
}

#[test]
fn long_names_come_in_three_forms() {
    let name = format!("{}/{}", "d".repeat(120), "f".repeat(200));
    let terminated = format!("{name}\0");
    let gnu = Tar::new().entry(long(b'L', terminated.as_bytes())).entry(Entry { data: b"1", ..of("cut") });
    let link =
        gnu.entry(long(b'K', terminated.as_bytes())).entry(Entry { kind: b'1', link: b"cut", ..of("hard") });
    let pax = link.entry(Entry {
        kind: b'1',
        pax: vec![("path", b"pax".to_vec()), ("linkpath", name.clone().into_bytes())],
        ..of("x")
    });
    assert_eq!(tree([pax]), format!("{}/\n{name} = 1\nhard = 1\npax = 1", "d".repeat(120)));
}

#[test]
fn names_need_not_be_text() {
    let applied = apply([Tar::new().entry(Entry { data: b"1", ..of(b"a\n\xff\\") })]);
    let names: Vec<_> =
        std::fs::read_dir(applied.rootfs.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names[0].as_bytes(), b"a\n\xff\\");
}

#[test]
fn the_extended_headers_size_decides_against_the_headers() {
    // what the header's own size would make an entry is content
    let inner = Tar::new().file("smuggled", "").0;
    for size in [0, 512] {
        let layer = Tar::new().entry(Entry {
            size: Some(size),
            data: &inner,
            pax: vec![("size", inner.len().to_string().into_bytes())],
            ..of("outer")
        });
        let applied = apply([layer.file("last", "")]);
        assert_eq!(applied.path("outer").metadata().unwrap().len(), inner.len() as u64);
        assert!(!applied.path("smuggled").exists() && applied.path("last").exists());
    }
}

#[test]
fn a_size_behind_a_binary_attribute_is_still_seen() {
    let records = vec![("SCHILY.xattr.user.a", b"x\ny".to_vec()), ("size", b"5".to_vec())];
    let layer = Tar::new().entry(Entry { size: Some(0), data: b"hello", pax: records, ..of("f") });
    assert_eq!(tree([layer.file("g", "1")]), "f = hello\ng = 1");
}

#[test]
fn only_files_have_content() {
    let sized = |name, kind| Entry {
        kind,
        link: if kind == b'1' { b"f" } else { b"" },
        size: Some(4096),
        mode: 0o755,
        ..of(name)
    };
    let layer = Tar::new().file("f", "1").entry(sized("d", b'5')).entry(sized("l", b'1')).file("g", "2");
    assert_eq!(tree([layer]), "d/\nf = 1\ng = 2\nl = 1");
}

#[test]
fn a_directory_may_be_a_file_with_a_slash() {
    assert_eq!(tree([Tar::new().entry(Entry { kind: 0, mode: 0o755, ..of("d/") })]), "d/");
}

#[test]
fn headers_that_describe_nothing_or_the_same_twice_are_refused() {
    let pax = || Entry { kind: b'x', data: b"11 path=ab\n", ..of("x") };
    refused_with([Tar::new().entry(pax())], "ends before an entry");
    refused_with([Tar::new().entry(pax()).entry(pax()).file("a", "")], "two extended headers");
    refused_with([Tar::new().entry(Entry { kind: b'g', ..pax() }).file("a", "")], "global extended header");
    assert_eq!(
        tree([Tar::new().entry(Entry { kind: b'g', data: b"14 comment=ab\n", ..of("g") }).file("a", "1")]),
        "a = 1"
    );
}

#[test]
fn an_endless_extended_header_is_refused() {
    refused_with(
        [Tar::new().entry(Entry { kind: b'x', size: Some(1 << 33), ..of("x") })],
        "8589934592 bytes",
    );
}

#[test]
fn a_size_beyond_all_reason_is_refused() {
    let pax = |size: &str| vec![("size", size.as_bytes().to_vec())];
    refused_with([Tar::new().entry(Entry { pax: pax("18446744073709551615"), ..of("x") })], "larger than");
    refused_with([Tar::new().entry(Entry { pax: pax("1000000"), ..of("x") })], "unexpected end of file");
}

#[test]
fn damaged_and_unfinished_archives_are_refused() {
    let mut flipped = Tar::new().file("a", "1");
    flipped.0[0] ^= 1;
    refused_with([flipped], "checksum");
    refused_with([Tar::new().block(&[0]).file("a", "1")], "single block of zeros");
    let site = Site::new();
    let cut = &Tar::new().file("a", "content").0[..515];
    let layer = site.add_blob(&gzip(cut), cut, MediaType::ImageLayerGzip);
    assert!(site.unpack(&[layer]).unwrap_err().to_string().contains("end of file"));
    site.check_empty();
}

#[test]
fn an_archive_may_end_without_zeros_or_be_empty() {
    let site = Site::new();
    let bare = Tar::new().file("a", "1").0;
    let layers =
        [site.add_blob(&bare, &bare, MediaType::ImageLayer), site.add_blob(b"", b"", MediaType::ImageLayer)];
    assert_eq!(list(site.unpack(&layers).unwrap().path()), "a = 1");
}

fn check_sparse(layer: Tar, name: &str) {
    let applied = apply([layer.file("after", "1")]);
    let content = std::fs::read(applied.path(name)).unwrap();
    assert_eq!(content.len(), 8 << 20);
    assert_eq!((&content[..4], &content[4 << 20..][..3]), (&b"head"[..], &b"mid"[..]));
    assert_eq!(content.iter().filter(|&&byte| byte != 0).count(), 7);
    assert!(applied.path(name).metadata().unwrap().blocks() < 100, "holes are not filled");
    assert!(applied.path("after").exists());
}

#[test]
fn sparse_files_of_the_old_form_are_whole() {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNUSparse);
    header.set_size(515);
    header.set_mode(0o644);
    header.as_old_mut().name[..6].copy_from_slice(b"sparse");
    header.set_uid(0);
    header.set_gid(0);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.set_real_size(8 << 20);
    for (piece, (offset, length)) in gnu.sparse.iter_mut().zip([(0, 512), (4 << 20, 3), (8 << 20, 0)]) {
        piece.set_offset(offset);
        piece.set_length(length);
    }
    header.set_cksum();
    let mut data = b"head".to_vec();
    data.resize(512, 0);
    data.extend_from_slice(b"mid");
    check_sparse(Tar::new().block(header.as_bytes()).block(&data), "sparse");
}

#[test]
fn sparse_files_of_the_three_extended_forms_are_whole() {
    let text = |text: &str| text.as_bytes().to_vec();
    let mut data = b"head".to_vec();
    data.extend_from_slice(b"mid");
    let first = vec![
        ("GNU.sparse.size", text("8388608")),
        ("GNU.sparse.numblocks", text("2")),
        ("GNU.sparse.offset", text("0")),
        ("GNU.sparse.numbytes", text("4")),
        ("GNU.sparse.offset", text("4194304")),
        ("GNU.sparse.numbytes", text("3")),
    ];
    check_sparse(Tar::new().entry(Entry { data: &data, pax: first, ..of("sparse") }), "sparse");
    let second = vec![
        ("GNU.sparse.size", text("8388608")),
        ("GNU.sparse.name", text("sparse")),
        ("GNU.sparse.map", text("0,4,4194304,3")),
    ];
    check_sparse(
        Tar::new().entry(Entry { data: &data, pax: second, ..of("GNUSparseFile.1/sparse") }),
        "sparse",
    );
    let third = vec![
        ("GNU.sparse.major", text("1")),
        ("GNU.sparse.minor", text("0")),
        ("GNU.sparse.name", text("sparse")),
        ("GNU.sparse.realsize", text("8388608")),
    ];
    let mut mapped = b"2\n0\n4\n4194304\n3\n".to_vec();
    mapped.resize(512, 0);
    mapped.extend_from_slice(&data);
    check_sparse(
        Tar::new().entry(Entry { data: &mapped, pax: third, ..of("GNUSparseFile.1/sparse") }),
        "sparse",
    );
}

#[test]
fn sparse_maps_that_do_not_fit_are_refused() {
    let with =
        |map: &str| vec![("GNU.sparse.size", b"9".to_vec()), ("GNU.sparse.map", map.as_bytes().to_vec())];
    for map in ["0,4,2,3", "4,3,0,4", "0,9", "8,7"] {
        refused_with([Tar::new().entry(Entry { data: b"1234567", pax: with(map), ..of("x") })], "sparse map");
    }
    let version = vec![
        ("GNU.sparse.size", b"9".to_vec()),
        ("GNU.sparse.major", b"2".to_vec()),
        ("GNU.sparse.minor", b"0".to_vec()),
    ];
    refused_with([Tar::new().entry(Entry { pax: version, ..of("x") })], "format 2.0");
}

#[test]
fn a_hole_larger_than_any_image_is_refused() {
    let records =
        vec![("GNU.sparse.size", b"9000000000000000000".to_vec()), ("GNU.sparse.map", b"0,0".to_vec())];
    refused_with([Tar::new().entry(Entry { pax: records, ..of("x") })], "more than");
}

#[test]
fn layers_may_be_plain_gzip_or_zstd_and_docker_names_them_otherwise() {
    let tar = Tar::new().file("a", "1").end();
    let zstd = zstd::encode_all(&tar[..], 1).unwrap();
    let other = |name: &str| MediaType::Other(format!("application/vnd.docker.image.rootfs.diff.tar{name}"));
    for (blob, media_type) in [
        (tar.clone(), MediaType::ImageLayer),
        (tar.clone(), other("")),
        (gzip(&tar), MediaType::ImageLayerGzip),
        (gzip(&tar), other(".gzip")),
        (zstd.clone(), MediaType::ImageLayerZstd),
        (zstd, other(".zstd")),
    ] {
        let site = Site::new();
        let layer = site.add_blob(&blob, &tar, media_type);
        assert_eq!(list(site.unpack(&[layer]).unwrap().path()), "a = 1");
    }
}

#[test]
fn a_gzip_blob_may_have_several_members_and_zstd_several_frames() {
    let tar = Tar::new().file("a", &"x".repeat(5000)).file("b", "1").end();
    let (front, back) = tar.split_at(700);
    let frames = [
        zstd::encode_all(front, 1).unwrap(),
        b"\x50\x2a\x4d\x18\x02\0\0\0zz".to_vec(),
        zstd::encode_all(back, 1).unwrap(),
    ]
    .concat();
    for (blob, media_type) in
        [([gzip(front), gzip(back)].concat(), MediaType::ImageLayerGzip), (frames, MediaType::ImageLayerZstd)]
    {
        let site = Site::new();
        let layer = site.add_blob(&blob, &tar, media_type);
        assert!(site.unpack(&[layer]).unwrap().path().join("b").exists());
    }
}

#[test]
fn what_follows_the_archive_is_in_the_digest() {
    let site = Site::new();
    let mut tar = Tar::new().file("a", "1").end();
    tar.extend_from_slice(&[7; 5000]);
    let layer = site.add_blob(&gzip(&tar), &tar, MediaType::ImageLayerGzip);
    assert_eq!(list(site.unpack(&[layer]).unwrap().path()), "a = 1");
}

#[test]
fn the_last_of_two_attributes_of_one_name_counts() {
    let records = vec![("SCHILY.xattr.user.a", b"1".to_vec()), ("SCHILY.xattr.user.a", b"2".to_vec())];
    let applied = apply([Tar::new().entry(Entry { pax: records, ..of("f") })]);
    let mut value = [0; 8];
    let length = rustix::fs::lgetxattr(applied.path("f"), "user.a", &mut value[..]).unwrap();
    assert_eq!(&value[..length], b"2");
}

fn refused_blob(blob: &[u8], tar: &[u8], media_type: MediaType, says: &str) {
    let site = Site::new();
    let layer = site.add_blob(blob, tar, media_type);
    let error = site.unpack(&[layer]).expect_err(says).to_string();
    assert!(error.contains(says), "{says:?} is not in: {error}");
    site.check_empty();
}

/// As Go's gzip has it, with which docker, podman and containerd read, and as no tool needs it: what
/// follows the last member is in no digest but the blob's, and programs disagree on what it is.
#[test]
fn what_follows_a_compressed_stream_is_refused_be_it_garbage_or_padding() {
    let tar = Tar::new().file("a", "1").end();
    for (rest, says) in [(&b"garbage"[..], "7 bytes follow"), (&[0; 512], "512 bytes follow")] {
        refused_blob(&[&gzip(&tar), rest].concat(), &tar, MediaType::ImageLayerGzip, says);
    }
    // the beginning of another member, but none
    refused_blob(&[&gzip(&tar)[..], b"\x1f\x8b"].concat(), &tar, MediaType::ImageLayerGzip, "end of file");
    refused_blob(&[&gzip(&tar)[..], &[0x1f; 20]].concat(), &tar, MediaType::ImageLayerGzip, "gzip");
    let zstd = zstd::encode_all(&tar[..], 1).unwrap();
    refused_blob(&[&zstd[..], b"garbage"].concat(), &tar, MediaType::ImageLayerZstd, "");
}

/// umoci 0.4 ends layers like this, and Go's archive/tar takes them; the diff_id tells that no more was meant.
#[test]
fn the_last_entry_may_lack_its_padding_and_the_archive_its_end() {
    let tar = Tar::new().file("a", "1").file("b", "22").end();
    // two blocks for a, the header of b, and as much of its padding
    for padding in [0, 1, 509, 510] {
        let site = Site::new();
        let short = &tar[..3 * 512 + 2 + padding];
        let layer = site.add_blob(&gzip(short), short, MediaType::ImageLayerGzip);
        assert_eq!(list(site.unpack(&[layer]).unwrap().path()), "a = 1\nb = 22", "{padding}");
    }
    let short = &tar[..3 * 512 + 1];
    refused_blob(&gzip(short), short, MediaType::ImageLayerGzip, "unexpected end of file");
}

#[test]
fn a_zstd_window_that_would_take_all_memory_is_refused_by_its_name() {
    use std::io::Write;
    let tar = Tar::new().file("a", "1").end();
    for (log, fits) in [(27, true), (28, false)] {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(log).unwrap();
        encoder.include_contentsize(false).unwrap();
        // flushed, so that the encoder cannot know how little there is
        encoder.write_all(&tar[..600]).unwrap();
        encoder.flush().unwrap();
        encoder.write_all(&tar[600..]).unwrap();
        let blob = encoder.finish().unwrap();
        match fits {
            true => {
                let site = Site::new();
                let layer = site.add_blob(&blob, &tar, MediaType::ImageLayerZstd);
                assert_eq!(list(site.unpack(&[layer]).unwrap().path()), "a = 1");
            }
            false => {
                refused_blob(&blob, &tar, MediaType::ImageLayerZstd, "window larger than 128 MiB");
            }
        }
    }
}

#[test]
fn a_layer_that_swells_a_thousandfold_is_a_stream_like_any_other() {
    // 8 MiB of zeros behind the end, in 8 KiB
    let mut tar = Tar::new().file("a", "1").end();
    tar.resize(tar.len() + (8 << 20), 0);
    let site = Site::new();
    let mut best = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut best, &tar).unwrap();
    let layer = site.add_blob(&best.finish().unwrap(), &tar, MediaType::ImageLayerGzip);
    assert!(layer.size * 500 < tar.len() as u64);
    assert_eq!(list(site.unpack(&[layer]).unwrap().path()), "a = 1");
}
