//! Users, groups, passwords and SSH keys.

use super::super::shape::{ANY, SOME, SOME_TEXTS, Shape, TEXTS, Table};

pub(super) const KEYS: &[(&str, Shape)] = &[
    ("users", Shape::Either(&[Shape::List(&USERS_ITEM, SOME), Shape::Text, Shape::Dict(&Shape::Any)])),
    ("user", Shape::Either(&[Shape::Text, USER])),
    ("groups", Shape::Either(&[Shape::List(&GROUPS_ITEM, SOME), Shape::Text, GROUP])),
    ("password", Shape::Word),
    ("chpasswd", Shape::Table(&CHPASSWD)),
    ("ssh_pwauth", Shape::Either(&[Shape::Flag, Shape::Text])),
    ("ssh_authorized_keys", SOME_TEXTS),
    ("ssh_keys", Shape::Table(&HOST_KEYS)),
    ("ssh_deletekeys", Shape::Switch),
    ("ssh_genkeytypes", Shape::List(&Shape::OneOf(&["dsa", "ecdsa", "ed25519", "rsa"]), SOME)),
    ("ssh_import_id", TEXTS),
    ("ssh_publish_hostkeys", Shape::Table(&PUBLISHED)),
    ("ssh_quiet_keygen", Shape::Switch),
    ("ssh_key_console_blacklist", TEXTS),
    ("ssh_fp_console_blacklist", TEXTS),
    ("ssh", Shape::Table(&CONSOLE)),
    ("no_ssh_fingerprints", Shape::Switch),
    ("authkey_hash", Shape::Text),
    ("allow_public_ssh_keys", Shape::Switch),
    ("disable_root", Shape::Switch),
    ("disable_root_opts", Shape::Text),
];

const USERS_ITEM: Shape = Shape::Either(&[USER, Shape::Text, TEXTS]);
const GROUPS_ITEM: Shape = Shape::Either(&[GROUP, Shape::Text]);
/// A group and its members.
const GROUP: Shape = Shape::Dict(&Shape::Either(&[SOME_TEXTS, Shape::Text]));
const USER: Shape = Shape::Table(&Table {
    fields: &[
        ("name", Shape::Text),
        ("snapuser", Shape::Text),
        ("gecos", Shape::Text),
        ("homedir", Shape::Text),
        ("shell", Shape::Text),
        ("uid", Shape::Either(&[Shape::Whole, Shape::Text])),
        ("primary_group", Shape::Text),
        ("groups", Shape::Either(&[Shape::Text, SOME_TEXTS, Shape::Dict(&Shape::Null)])),
        ("create_groups", Shape::Flag),
        ("sudo", Shape::Either(&[Shape::Text, Shape::Flag, Shape::Null])),
        ("passwd", Shape::Text),
        ("hashed_passwd", Shape::Text),
        ("plain_text_passwd", Shape::Text),
        ("lock_passwd", Shape::Flag),
        ("lock-passwd", Shape::Flag),
        ("expiredate", Shape::Like(is_day, "a day like \"2030-01-31\"")),
        ("inactive", Shape::Text),
        ("no_create_home", Shape::Flag),
        ("no_log_init", Shape::Flag),
        ("no_user_group", Shape::Flag),
        ("selinux_user", Shape::Text),
        ("ssh_authorized_keys", SOME_TEXTS),
        ("ssh_import_id", SOME_TEXTS),
        ("ssh_redirect_user", Shape::Flag),
        ("system", Shape::Flag),
    ],
    // or `snapuser`, which is looked at where users are
    required: &[],
});
const CHPASSWD: Table = Table {
    fields: &[
        ("expire", Shape::Switch),
        ("users", Shape::List(&PASSWORD, ANY)),
        (
            "list",
            Shape::Either(&[Shape::Text, Shape::List(&Shape::Like(has_password, "name:password"), SOME)]),
        ),
    ],
    required: &[],
};
const PASSWORD: Shape = Shape::Table(&Table {
    fields: &[
        ("name", Shape::Text),
        ("type", Shape::OneOf(&["hash", "text", "RANDOM"])),
        ("password", Shape::Text),
    ],
    required: &["name"],
});
const HOST_KEYS: Table = Table {
    fields: &[
        ("dsa_private", Shape::Text),
        ("dsa_public", Shape::Text),
        ("dsa_certificate", Shape::Text),
        ("ecdsa_private", Shape::Text),
        ("ecdsa_public", Shape::Text),
        ("ecdsa_certificate", Shape::Text),
        ("ed25519_private", Shape::Text),
        ("ed25519_public", Shape::Text),
        ("ed25519_certificate", Shape::Text),
        ("rsa_private", Shape::Text),
        ("rsa_public", Shape::Text),
        ("rsa_certificate", Shape::Text),
    ],
    required: &[],
};
const PUBLISHED: Table = Table { fields: &[("enabled", Shape::Flag), ("blacklist", TEXTS)], required: &[] };
const CONSOLE: Table =
    Table { fields: &[("emit_keys_to_console", Shape::Flag)], required: &["emit_keys_to_console"] };

/// `YYYY-MM-DD`, as Python's `date.fromisoformat` reads it; how long a month is is left to it.
fn is_day(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut number = |length: usize| {
        parts.next().filter(|part| part.len() == length)?.bytes().try_fold(0, |number: usize, byte| {
            byte.is_ascii_digit().then(|| number * 10 + usize::from(byte - b'0'))
        })
    };
    let day = (number(4), number(2), number(2));
    matches!(day, (Some(1..), Some(1..=12), Some(1..=31))) && parts.next().is_none()
}

/// `^.+:.+$`.
fn has_password(text: &str) -> bool {
    let line = text.lines().next().unwrap_or_default();
    line.char_indices().skip(1).any(|(at, c)| c == ':' && at + 1 < line.len())
}
