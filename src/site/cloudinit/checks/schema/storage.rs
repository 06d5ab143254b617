//! Disks, file systems, mounts and files.

use super::super::shape::{ANY, Count, SOME, Shape, TEXTS, Table};

pub(super) const KEYS: &[(&str, Shape)] = &[
    ("write_files", Shape::List(&FILE, SOME)),
    ("mounts", Shape::List(&Shape::List(&Shape::Word, Count { least: 1, most: 6 }), SOME)),
    (
        "mount_default_fields",
        Shape::List(&Shape::Either(&[Shape::Text, Shape::Null]), Count { least: 6, most: 6 }),
    ),
    ("swap", Shape::Table(&SWAP)),
    ("device_aliases", Shape::Dict(&Shape::Text)),
    ("disk_setup", Shape::Dict(&DISK)),
    ("fs_setup", Shape::List(&FILE_SYSTEM, ANY)),
    ("growpart", Shape::Table(&GROWPART)),
    ("resize_rootfs", Shape::Either(&[Shape::Flag, Shape::OneOf(&["noblock"])])),
];

const FILE: Shape = Shape::Table(&Table {
    fields: &[
        ("path", Shape::Text),
        ("content", Shape::Text),
        ("owner", Shape::Text),
        // a number is looked at where files are
        ("permissions", Shape::Either(&[Shape::Text, Shape::Whole])),
        ("encoding", Shape::OneOf(ENCODINGS)),
        ("append", Shape::Flag),
        ("defer", Shape::Flag),
    ],
    required: &["path"],
});
const ENCODINGS: &[&str] =
    &["text/plain", "b64", "base64", "gz", "gzip", "gz+b64", "gz+base64", "gzip+b64", "gzip+base64"];
const SWAP: Table = Table {
    fields: &[
        ("filename", Shape::Text),
        ("size", Shape::Either(&[Shape::Whole, Shape::Like(is_swap_size, "auto or a size like 512M")])),
        ("maxsize", Shape::Either(&[Shape::Whole, Shape::Like(is_size, "a size like 512M")])),
    ],
    required: &[],
};
const DISK: Shape = Shape::Table(&Table {
    fields: &[
        ("table_type", Shape::OneOf(&["mbr", "gpt"])),
        ("layout", Shape::Either(&[Shape::Flag, Shape::OneOf(&["remove"]), Shape::List(&PARTITION, ANY)])),
        ("overwrite", Shape::Flag),
    ],
    required: &[],
});
/// A share in percent, or a share and a type.
const PARTITION: Shape =
    Shape::Either(&[Shape::Whole, Shape::List(&Shape::Whole, Count { least: 2, most: 2 })]);
const FILE_SYSTEM: Shape = Shape::Table(&Table {
    fields: &[
        ("label", Shape::Text),
        ("filesystem", Shape::Text),
        ("device", Shape::Text),
        // the schema of 22.4 refuses the numbers that its own text and module allow
        ("partition", Shape::Either(&[Shape::OneOf(&["auto", "any", "none"]), Shape::Whole])),
        ("overwrite", Shape::Flag),
        ("replace_fs", Shape::Text),
        ("extra_opts", Shape::Either(&[TEXTS, Shape::Text])),
        ("cmd", Shape::Either(&[TEXTS, Shape::Text])),
    ],
    required: &[],
});
const GROWPART: Table = Table {
    fields: &[
        ("mode", Shape::Either(&[Shape::OneOf(&["auto", "growpart", "gpart", "off"]), Shape::Off])),
        ("devices", TEXTS),
        ("ignore_growroot_disabled", Shape::Flag),
    ],
    required: &[],
};

fn is_swap_size(text: &str) -> bool {
    text == "auto" || is_size(text)
}

/// `^([0-9]+)?\.?[0-9]+[BKMGT]$`.
fn is_size(text: &str) -> bool {
    let Some(number) = text.strip_suffix(['B', 'K', 'M', 'G', 'T']) else { return false };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match number.split_once('.') {
        Some((before, after)) => digits(before) && digits(after) && !after.is_empty(),
        None => digits(number) && !number.is_empty(),
    }
}
