//! A node's network configuration, in any of its forms.
#![no_main]

use airshipctl::site::cloudinit::{NetworkPlace, check_network, network_to_v2};
use airshipctl::site::report::Report;
use airshipctl::site::yaml::Origin;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let (origin, mut report) = (Origin::new("net", None), Report::default());
    let place = || NetworkPlace::File(&origin);
    let format = check_network(input, place(), None, &mut report);
    assert!(format.is_some() || !report.errors.is_empty());
    if let Some(v2) = network_to_v2(input, place(), &mut Report::default()) {
        let mut again = Report::default();
        assert!(check_network(&v2, place(), None, &mut again).is_some());
    }
});
