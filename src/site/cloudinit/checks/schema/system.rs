//! Names, time, language, commands and the end of the boot.

use super::super::shape::{ANY, SOME, Shape, TEXTS, Table};

pub(super) const KEYS: &[(&str, Shape)] = &[
    ("hostname", Shape::Word),
    ("fqdn", Shape::Word),
    ("prefer_fqdn_over_hostname", Shape::Flag),
    ("preserve_hostname", Shape::Switch),
    ("manage_etc_hosts", Shape::Either(&[Shape::Flag, Shape::OneOf(&["localhost", "template"])])),
    ("manage_resolv_conf", Shape::Switch),
    ("resolv_conf", Shape::Table(&RESOLVER)),
    ("timezone", Shape::Text),
    ("locale", Shape::Word),
    ("locale_configfile", Shape::Text),
    ("keyboard", Shape::Table(&KEYBOARD)),
    ("ntp", Shape::Either(&[Shape::Table(&NTP), Shape::Null])),
    ("runcmd", Shape::List(&RUN, SOME)),
    ("bootcmd", Shape::List(&COMMAND, SOME)),
    ("power_state", Shape::Table(&POWER)),
    ("phone_home", Shape::Table(&PHONE)),
    ("final_message", Shape::Text),
    ("output", Shape::Either(&[Shape::Text, TEXTS, Shape::Dict(&Shape::Any)])),
    ("random_seed", Shape::Table(&SEED)),
    ("rsyslog", Shape::Table(&RSYSLOG)),
    ("wireguard", Shape::Either(&[Shape::Dict(&Shape::Any), Shape::Null])),
    ("updates", Shape::Table(&UPDATES)),
    ("vendor_data", Shape::Table(&VENDOR)),
    ("vendor_data2", Shape::Table(&VENDOR)),
    ("byobu_by_default", Shape::OneOf(BYOBU)),
    ("grub_dpkg", Shape::Table(&GRUB)),
    ("migrate", Shape::Switch),
    ("disable_ec2_metadata", Shape::Switch),
    // read by cloud-init itself, and not in its schema
    ("manual_cache_clean", Shape::Switch),
    ("allow_userdata", Shape::Switch),
    ("disable_vmware_customization", Shape::Switch),
    ("def_log_file", Shape::Any),
    ("log_cfgs", Shape::Any),
    ("logcfg", Shape::Any),
    ("log_basic", Shape::Any),
    ("syslog_fix_perms", Shape::Any),
    ("warnings", Shape::Any),
    ("stages", Shape::Any),
    ("disabled_handlers", Shape::Any),
    ("datasource_pkg_list", Shape::Any),
];

/// A shell line, or a program and its arguments, of which util.shellify makes strings.
const COMMAND: Shape = Shape::Either(&[Shape::Text, Shape::List(&Shape::Word, ANY)]);
const RUN: Shape = Shape::Either(&[Shape::Text, Shape::List(&Shape::Word, ANY), Shape::Null]);
const RESOLVER: Table = Table {
    fields: &[
        ("nameservers", Shape::List(&Shape::Any, ANY)),
        ("searchdomains", Shape::List(&Shape::Any, ANY)),
        ("sortlist", Shape::List(&Shape::Any, ANY)),
        ("domain", Shape::Text),
        ("options", Shape::Dict(&Shape::Any)),
    ],
    required: &[],
};
const KEYBOARD: Table = Table {
    fields: &[
        ("layout", Shape::Text),
        ("model", Shape::Text),
        ("variant", Shape::Text),
        ("options", Shape::Text),
    ],
    required: &["layout"],
};
const NTP: Table = Table {
    fields: &[
        ("pools", TEXTS),
        ("servers", TEXTS),
        ("ntp_client", Shape::Text),
        ("enabled", Shape::Flag),
        ("config", Shape::Filled(&Shape::Table(&NTP_CLIENT))),
    ],
    required: &[],
};
const NTP_CLIENT: Table = Table {
    fields: &[
        ("confpath", Shape::Text),
        ("check_exe", Shape::Text),
        ("packages", TEXTS),
        ("service_name", Shape::Text),
        ("template", Shape::Text),
    ],
    required: &[],
};
const POWER: Table = Table {
    fields: &[
        ("mode", Shape::OneOf(&["poweroff", "reboot", "halt"])),
        ("delay", Shape::Either(&[Shape::Natural, Shape::Like(is_delay, "now or minutes like +5")])),
        ("message", Shape::Text),
        ("timeout", Shape::Whole),
        ("condition", Shape::Either(&[Shape::Text, Shape::Flag, Shape::List(&Shape::Any, ANY)])),
    ],
    required: &["mode"],
};
const PHONE: Table = Table {
    fields: &[
        ("url", Shape::Text),
        ("post", Shape::Either(&[Shape::OneOf(&["all"]), Shape::List(&Shape::OneOf(PHONED), ANY)])),
        ("tries", Shape::Whole),
    ],
    required: &["url"],
};
const PHONED: &[&str] =
    &["pub_key_dsa", "pub_key_rsa", "pub_key_ecdsa", "pub_key_ed25519", "instance_id", "hostname", "fqdn"];
const SEED: Table = Table {
    fields: &[
        ("file", Shape::Text),
        ("data", Shape::Text),
        ("encoding", Shape::OneOf(&["raw", "base64", "b64", "gzip", "gz"])),
        ("command", TEXTS),
        ("command_required", Shape::Flag),
    ],
    required: &[],
};
const RSYSLOG: Table = Table {
    fields: &[
        ("config_dir", Shape::Text),
        ("config_filename", Shape::Text),
        ("configs", Shape::List(&Shape::Either(&[Shape::Text, Shape::Table(&RSYSLOG_FILE)]), ANY)),
        ("remotes", Shape::Dict(&Shape::Any)),
        ("service_reload_command", Shape::Either(&[Shape::OneOf(&["auto"]), TEXTS])),
    ],
    required: &[],
};
const RSYSLOG_FILE: Table =
    Table { fields: &[("filename", Shape::Text), ("content", Shape::Text)], required: &["content"] };
const UPDATES: Table = Table {
    fields: &[(
        "network",
        Shape::Table(&Table {
            fields: &[("when", Shape::List(&Shape::OneOf(EVENTS), ANY))],
            required: &["when"],
        }),
    )],
    required: &[],
};
const EVENTS: &[&str] = &["boot-new-instance", "boot-legacy", "boot", "hotplug"];
const VENDOR: Table = Table {
    fields: &[
        ("enabled", Shape::Either(&[Shape::Flag, Shape::Text])),
        (
            "prefix",
            Shape::Either(&[Shape::Text, Shape::List(&Shape::Either(&[Shape::Text, Shape::Whole]), ANY)]),
        ),
    ],
    required: &[],
};
const BYOBU: &[&str] = &[
    "enable-system",
    "enable-user",
    "disable-system",
    "disable-user",
    "enable",
    "disable",
    "user",
    "system",
];
const GRUB: Table = Table {
    fields: &[
        ("enabled", Shape::Flag),
        ("grub-pc/install_devices", Shape::Text),
        ("grub-pc/install_devices_empty", Shape::Either(&[Shape::Flag, Shape::Text])),
    ],
    required: &[],
};

/// `^\+?[0-9]+$` or `now`.
fn is_delay(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    text == "now" || (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}
