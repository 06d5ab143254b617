//! An isogen configuration, and an airshipctl config; nothing that they name is there.
#![no_main]

use std::path::Path;

use airshipctl::site::config::IsoConfiguration;
use airshipctl::site::config::airship::AirshipConfig;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Ok(found) = IsoConfiguration::parse("isogen.yaml", input) {
        let copy = found.builder_conf().unwrap();
        IsoConfiguration::parse("copy.yaml", &copy).unwrap();
    }
    let home = Path::new("/nowhere/at/all");
    if let Ok(config) = AirshipConfig::parse(Path::new("/nowhere/config"), Some(home), input) {
        let view = config.view();
        AirshipConfig::parse(Path::new("/nowhere/config"), Some(home), view.as_bytes()).unwrap();
    }
});
