//! NoCloud's meta-data: who this instance is.

use sha2::{Digest, Sha256};

/// The file. The instance id is a hash of the inputs, so that a node with new data runs cloud-init
/// anew, and the same inputs give the same ISO.
pub(super) fn generate(user_data: &[u8], network_config: &[u8], host_name: &str) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in [user_data, network_config, host_name.as_bytes()] {
        // with its length, so that nothing can move from one part to the next unseen
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let hash = hash.finalize();
    let id: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    // quoted: a host called 123 or no is a string all the same
    format!("instance-id: \"iid-{id}\"\nlocal-hostname: \"{host_name}\"\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instance_id_depends_on_every_input_and_on_nothing_else() {
        let base = generate(b"ab", b"c", "node");
        assert_eq!(base, generate(b"ab", b"c", "node"));
        for other in
            [generate(b"a", b"bc", "node"), generate(b"ab", b"d", "node"), generate(b"ab", b"c", "nod")]
        {
            assert_ne!(base[..50], other[..50]);
        }
    }

    #[test]
    fn values_are_quoted() {
        let text = String::from_utf8(generate(b"a", b"b", "123")).unwrap();
        assert!(text.starts_with("instance-id: \"iid-"), "{text}");
        assert!(text.ends_with("\nlocal-hostname: \"123\"\n"), "{text}");
    }
}
