//! Images on block devices, as on a USB stick that one was copied to.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use super::common::site::{stderr, stdout};
use super::made::{Medium, medium};
use super::{document, iso, says};

/// A loop device with the file behind it, until it is dropped.
struct Device(String);

impl Device {
    /// Of so many bytes. `None` where there is no privilege for it, or no such devices.
    fn of(file: &Path, size: u64) -> Option<Self> {
        let mut command = Command::new("losetup");
        let output =
            command.args(["--find", "--show", &format!("--sizelimit={size}")]).arg(file).output().ok()?;
        if !output.status.success() {
            println!("not looked at on a device: {}", stderr(&output));
        }
        output.status.success().then(|| Self(stdout(&output).trim().to_owned()))
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        assert!(Command::new("losetup").args(["--detach", &self.0]).status().unwrap().success());
    }
}

#[test]
fn on_a_longer_device_the_image_is_the_same_and_on_a_shorter_one_cut_off() {
    let medium: Medium = medium();
    let image = medium.path().join("site.iso");
    let size = fs::metadata(&image).unwrap().len();
    let sums = document(medium.path(), &["inspect", "site.iso"], 0)["sums"].clone();
    let mut file = fs::OpenOptions::new().append(true).open(&image).unwrap();
    file.write_all(&[0xff; 1 << 20]).unwrap();
    let Some(device) = Device::of(&image, size + (1 << 20)) else { return };
    assert!(says(medium.path(), &["verify", &device.0], 0).starts_with(&format!("{}: good, ", device.0)));
    assert_eq!(document(medium.path(), &["inspect", &device.0], 0)["sums"], sums);
    drop(device);
    let Some(device) = Device::of(&image, size / 2048 / 2 * 2048) else { return };
    let output = iso(medium.path(), &["verify", &device.0]);
    assert_eq!(output.status.code(), Some(7), "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("[truncated]"), "{}", stdout(&output));
}
