//! What cloud-init 22.4, Debian 12's, expects of cloud-config: its schema, which
//! `tests/cloud_init.rs` asks too, as tables of ours, and the keys that its schema leaves out.

mod access;
mod packages;
mod storage;
mod system;

use super::findings::{Findings, Region};
use super::shape::{Path, Shape, Shapes, unknown};
use super::spelling::suggestion;
use crate::site::yaml::Node;

/// Top-level keys and their values, by area.
const AREAS: [&[(&str, Shape)]; 5] = [access::KEYS, packages::KEYS, storage::KEYS, system::KEYS, OTHERS];

/// Keys whose values are read by modules for other systems or by programs of their own: what is within
/// is left to those.
const OTHERS: &[(&str, Shape)] = &[
    ("ansible", MAPPING),
    ("apk_repos", MAPPING),
    ("autoinstall", MAPPING),
    ("chef", MAPPING),
    ("cloud_config_modules", LIST),
    ("cloud_final_modules", LIST),
    ("cloud_init_modules", LIST),
    ("datasource", MAPPING),
    ("datasource_list", LIST),
    ("drivers", MAPPING),
    ("fan", MAPPING),
    ("grub-dpkg", MAPPING),
    ("landscape", MAPPING),
    ("launch-index", Shape::Any),
    ("lxd", MAPPING),
    ("mcollective", MAPPING),
    ("merge_how", Shape::Any),
    ("merge_type", Shape::Any),
    ("network", Shape::Any),
    ("puppet", MAPPING),
    ("reporting", MAPPING),
    ("rh_subscription", MAPPING),
    ("salt_minion", MAPPING),
    ("snap", MAPPING),
    ("spacewalk", MAPPING),
    ("system_info", MAPPING),
    ("ubuntu_advantage", MAPPING),
    ("unverified_modules", LIST),
    ("yum_repos", MAPPING),
    ("zypper", MAPPING),
];
const MAPPING: Shape = Shape::Dict(&Shape::Any);
const LIST: Shape = Shape::List(&Shape::Any, super::shape::ANY);

/// Notes all that the schema of 22.4 refuses, and keys that it does not know.
pub(super) fn check(root: &Node, region: Region, findings: &mut Findings) {
    for entry in root.entries() {
        let known = AREAS.iter().flat_map(|area| area.iter());
        match known.clone().find(|(key, _)| *key == entry.key) {
            Some((key, shape)) => {
                Shapes { region, findings }.check(&entry.value, shape, &Path::Key(&Path::Root, key));
            }
            None => {
                // what is only counted needs no comparing
                let near = match findings.is_full("unknown-cloud-config-key") {
                    true => String::new(),
                    false => suggestion(&entry.key, known.map(|(key, _)| *key)),
                };
                let message = format!("{}{near}", unknown(entry));
                findings.warning("unknown-cloud-config-key", &region, entry.key_mark, &message);
            }
        }
    }
}
