//! Packages and where they come from.

use super::super::shape::{Count, SOME, SOME_TEXTS, Shape, Table};

pub(super) const KEYS: &[(&str, Shape)] = &[
    ("packages", Shape::List(&PACKAGE, SOME)),
    ("package_update", Shape::Switch),
    ("package_upgrade", Shape::Switch),
    ("package_reboot_if_required", Shape::Switch),
    ("apt_update", Shape::Switch),
    ("apt_upgrade", Shape::Switch),
    ("apt_reboot_if_required", Shape::Switch),
    ("apt", Shape::Filled(&Shape::Table(&APT))),
    (
        "apt_pipelining",
        Shape::Either(&[Shape::Whole, Shape::Flag, Shape::OneOf(&["none", "unchanged", "os"])]),
    ),
    // the keys from before `apt`, which cc_apt_configure still converts
    ("apt_sources", Shape::Any),
    ("apt_mirror", Shape::Any),
    ("apt_mirror_search", Shape::Any),
    ("apt_mirror_search_dns", Shape::Any),
    ("apt_proxy", Shape::Any),
    ("apt_http_proxy", Shape::Any),
    ("apt_https_proxy", Shape::Any),
    ("apt_ftp_proxy", Shape::Any),
    ("apt_preserve_sources_list", Shape::Any),
    ("apt_custom_sources_list", Shape::Any),
    ("add_apt_repo_match", Shape::Any),
    ("ca_certs", Shape::Filled(&Shape::Table(&AUTHORITIES))),
    ("ca-certs", Shape::Filled(&Shape::Table(&AUTHORITIES))),
    ("yum_repo_dir", Shape::Text),
];

/// A name, or a name and a version.
const PACKAGE: Shape = Shape::Either(&[Shape::Text, Shape::List(&Shape::Text, Count { least: 2, most: 2 })]);
const APT: Table = Table {
    fields: &[
        ("preserve_sources_list", Shape::Flag),
        ("generate_mirrorlists", Shape::Flag),
        ("disable_suites", SOME_TEXTS),
        ("primary", MIRRORS),
        ("security", MIRRORS),
        ("add_apt_repo_match", Shape::Text),
        ("debconf_selections", Shape::Filled(&Shape::Dict(&Shape::Text))),
        ("sources_list", Shape::Text),
        ("conf", Shape::Text),
        ("proxy", Shape::Text),
        ("http_proxy", Shape::Text),
        ("https_proxy", Shape::Text),
        ("ftp_proxy", Shape::Text),
        ("sources", Shape::Dict(&Shape::Filled(&SOURCE))),
    ],
    required: &[],
};
const MIRRORS: Shape = Shape::List(
    &Shape::Table(&Table {
        fields: &[
            ("arches", SOME_TEXTS),
            ("uri", Shape::Text),
            ("search", SOME_TEXTS),
            ("search_dns", Shape::Flag),
            ("keyid", Shape::Text),
            ("key", Shape::Text),
            ("keyserver", Shape::Text),
        ],
        required: &["arches"],
    }),
    SOME,
);
const SOURCE: Shape = Shape::Table(&Table {
    fields: &[
        ("source", Shape::Text),
        ("keyid", Shape::Text),
        ("key", Shape::Text),
        ("keyserver", Shape::Text),
        ("filename", Shape::Text),
        ("append", Shape::Flag),
    ],
    required: &[],
});
const AUTHORITIES: Table = Table {
    fields: &[("remove_defaults", Shape::Flag), ("remove-defaults", Shape::Flag), ("trusted", SOME_TEXTS)],
    required: &[],
};
