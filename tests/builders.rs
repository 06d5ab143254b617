//! The contract with builders, held by small ones in the shapes of those that exist: shell scripts that
//! read `BUILDER_CONFIG` by sed, awk and grep, or the environment; that take their own root apart,
//! want a network or make a root file system; and that leave their outputs each in its own way.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;

use common::image::{Built, Entry};
use common::site::{IMAGE, INPUTS, Site, builder, stderr, stdout};

/// Programs that these builders use beside those which other tests' have.
const PROGRAMS: &str = "awk chown chroot cut dirname find md5sum mknod mv tail umount wget";

/// An image with a builder that is this script.
fn image(script: &str) -> Built {
    let links: Vec<Entry> =
        PROGRAMS.split(' ').map(|name| Entry::symlink(&format!("bin/{name}"), "busybox")).collect();
    builder(script).layer(&links).build()
}

fn site(script: &str) -> Site {
    Site::with_image(&image(script))
}

/// Writes isogen.yaml from whole text, in which `VOLUME` is the volume's path.
fn configure(site: &Site, text: &str) {
    let text = text.replace("VOLUME", &site.volume().display().to_string()).replace("IMAGE", IMAGE);
    fs::write(site.path("isogen.yaml"), text).unwrap();
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn has_subordinate_ids() -> bool {
    let name = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    let table = fs::read_to_string("/etc/subuid").unwrap_or_default();
    table.lines().any(|line| line.starts_with(&format!("{}:", name.trim())))
}

/// Sets `host` (for `bootImagePath`).
const HOST: &str = "host=$(sed -n 's/^ *volume: *\"\\{0,1\\}\\([^:]*\\):.*/\\1/p' $BUILDER_CONFIG)\n";

// ---- what it reads

/// Ways to read the configuration. Each sets `host`, `inside`, `user`, `network` and `metadata`.
const READERS: [(&str, &str); 5] = [
    (
        "sed",
        r"value() { sed -n 's/^ *'$1': *//p' $BUILDER_CONFIG | head -n 1; }
        volume=$(value volume)
        host=${volume%%:*} inside=$(echo $volume | sed 's/^[^:]*://; s/:.*//')
        user=$(value userDataFileName) network=$(value networkConfigFileName) metadata=$(value outputMetadataFileName)",
    ),
    (
        "awk",
        r#"value() { awk -v key="$1:" '$1 == key { print $2 }' $BUILDER_CONFIG; }
        host=$(value volume | awk -F: '{ print $1 }') inside=$(value volume | awk -F: '{ print $2 }')
        user=$(value userDataFileName) network=$(value networkConfigFileName) metadata=$(value outputMetadataFileName)"#,
    ),
    (
        "grep and cut",
        r#"value() { grep "$1:" $BUILDER_CONFIG | cut -d : -f 2- | tr -d ' "'; }
        host=$(value volume | cut -d : -f 1) inside=$(value volume | cut -d : -f 2)
        user=$(value userDataFileName) network=$(value networkConfigFileName) metadata=$(value outputMetadataFileName)"#,
    ),
    (
        "read",
        r"while read -r key value; do case $key in
            volume:) IFS=: read -r host inside rest <<EOF
$value
EOF
            ;;
            userDataFileName:) user=$value ;;
            networkConfigFileName:) network=$value ;;
            outputMetadataFileName:) metadata=$value ;;
        esac; done < $BUILDER_CONFIG",
    ),
    (
        "yq",
        r#"value() { awk -v want="$1" '{
            match($0, /^ */); depth = RLENGTH / 2; key = $1; sub(/:$/, "", key); keys[depth] = key
            path = keys[0]; for (i = 1; i <= depth; i++) path = path "." keys[i]
            if (path == want) { sub(/^[^:]*: */, ""); gsub(/^["\047]|["\047]$/, ""); print; exit }
        }' $BUILDER_CONFIG; }
        test -n "$(value container.volume)"
        host=$(value container.volume | cut -d : -f 1) inside=$(value container.volume | cut -d : -f 2)
        user=$(value builder.userDataFileName) network=$(value builder.networkConfigFileName)
        metadata=$(value builder.outputMetadataFileName)"#,
    ),
];

/// Builds from what was read.
const BUILD_FROM_IT: &str = r#"
echo "host=$host inside=$inside user=$user network=$network metadata=$metadata"
test -s "$inside/$user"
test -s "$inside/$network"
cp /iso "$inside/out.iso"
echo "bootImagePath: $host/out.iso" > "$inside/$metadata"
"#;

const NAMES: &str = "builder:\n  userDataFileName: user-data\n  networkConfigFileName: network-config\n  outputMetadataFileName: output-metadata.yaml\n";

/// The ways in which people write the volume and what is around it.
fn configurations() -> [String; 6] {
    let container = |volume: &str| format!("container:\n  volume: {volume}\n  image: IMAGE\n{NAMES}");
    [
        container("VOLUME:/config"),
        container("VOLUME:/config:rw"),
        container("VOLUME"),
        container("VOLUME///:/config//"),
        format!(
            "apiVersion: airshipit.org/v1alpha1\nkind: IsoConfiguration\nmetadata:\n  name: isogen\n{}",
            container("VOLUME:/config")
        ),
        // keys that only the builder knows
        format!("{}  compression: none\nsite:\n  name: one\n", container("VOLUME:/config")),
    ]
}

#[test]
fn the_configuration_is_read_by_sed_awk_grep_cut_and_yq() {
    for (name, reader) in READERS {
        let site = site(&format!("{reader}\n{BUILD_FROM_IT}"));
        for configuration in configurations() {
            configure(&site, &configuration);
            let output = site.run(&[]);
            assert!(output.status.success(), "{name}:\n{configuration}\n{}", stderr(&output));
            assert_eq!(stdout(&output), format!("{}/out.iso\n", site.volume().display()), "{name}");
            site.assert_outputs();
        }
    }
}

#[test]
fn a_quoted_volume_is_read_by_those_that_take_quotes_off() {
    for (name, reader) in READERS.iter().filter(|(name, _)| ["yq", "grep and cut"].contains(name)) {
        let site = site(&format!("{reader}\n{BUILD_FROM_IT}"));
        configure(&site, &format!("container:\n  volume: \"VOLUME/:/config:z\"\n  image: IMAGE\n{NAMES}"));
        let output = site.run(&[]);
        assert!(output.status.success(), "{name}: {}", stderr(&output));
        site.assert_outputs();
    }
}

#[test]
fn keys_that_only_the_builder_knows_reach_it_with_their_comments() {
    let site = site(&format!(
        "grep -q '^  compression: none # as ever$' $BUILDER_CONFIG\n{}\n{BUILD_FROM_IT}",
        READERS[0].1
    ));
    configure(
        &site,
        &format!(
            "container:\n  volume: VOLUME:/config\n  image: IMAGE\n{NAMES}  compression: none # as ever\n"
        ),
    );
    assert!(stderr(&site.succeed(&[])).contains("compression"), "an unknown key is warned of");
}

#[test]
fn later_builders_take_names_from_the_environment() {
    let site = site(&format!(
        "{HOST}test \"$IMAGE_TYPE\" = iso; dir=${{BUILDER_CONFIG%/*}}
         head -n 1 $dir/$USER_DATA_FILE; head -n 1 $dir/$NET_CONFIG_FILE
         image=${{OUTPUT_FILE_NAME:-default.iso}}
         cp /iso $dir/$image; echo bootImagePath: $host/$image > $dir/$OUTPUT_METADATA_FILE_NAME\n"
    ));
    let names = "builder:\n  userDataFileName: user.txt\n  networkConfigFileName: net.txt\n  outputMetadataFileName: facts.yaml\n";
    let container = "container:\n  volume: VOLUME:/config\n  image: IMAGE\n";
    configure(&site, &format!("{container}{names}"));
    site.succeed(&[]);
    assert_eq!(site.names(), ["default.iso", "facts.yaml"]);
    assert!(site.log().starts_with("#cloud-config\nversion: 2\n"), "{}", site.log());
    configure(&site, &format!("{container}{names}  outputFileName: node.iso\n"));
    let output = site.succeed(&[]);
    assert_eq!(stdout(&output), format!("{}/node.iso\n", site.volume().display()));
    assert!(site.names().contains(&"node.iso".to_owned()), "{:?}", site.names());
}

#[test]
fn a_builder_that_ignores_meta_data_works_and_its_user_is_told() {
    let site = site(&format!(
        "{HOST}cd /config; cat user-data network-config > /seed
         cp /iso out.iso; echo bootImagePath: $host/out.iso > output-metadata.yaml\n"
    ));
    let said = stderr(&site.succeed(&[]));
    site.assert_outputs();
    assert!(said.contains("user-data sets no hostname; \"node-1\""), "{said}");
}

#[test]
fn a_builder_may_move_its_inputs_away() {
    let site = site(&format!(
        "{HOST}mkdir /work; cd /config; mv user-data network-config /work; rm meta-data builder-conf.yaml
         cp /iso out.iso; echo bootImagePath: $host/out.iso > output-metadata.yaml\n"
    ));
    site.succeed(&[]);
    site.assert_outputs();
    site.succeed(&["--keep-inputs"]);
    assert!(INPUTS.iter().all(|input| !site.names().contains(&(*input).to_owned())), "{:?}", site.names());
}

// ---- what it does to its surroundings

#[test]
fn a_builder_that_deletes_its_own_root_builds_again_from_the_same_cache() {
    let site = site(&format!(
        "{HOST}mkdir /work; cp /bin/busybox /iso /work; PATH=/work
         busybox rm -rf /bin /etc /tmp /iso; echo left: /*
         busybox cp /work/iso /config/out.iso; echo bootImagePath: $host/out.iso > /config/output-metadata.yaml\n"
    ));
    for _ in 0..2 {
        site.succeed(&[]);
        site.assert_outputs();
        let log = site.log();
        assert!(!log.contains("/bin") && !log.contains("/etc") && log.contains("/work"), "{log}");
        fs::remove_dir_all(site.path("state/logs")).unwrap();
    }
    let verified = site.command(&["image", "verify"]).output().unwrap();
    assert!(verified.status.success(), "{}", stderr(&verified));
    site.assert_clean();
}

/// Answers requests for as long as the test's process lives; returns the port.
fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 8\r\n\r\npackage\n");
        }
    });
    port
}

#[test]
fn a_builder_that_wants_a_network_is_told_how_and_then_has_it() {
    let site = site(&format!(
        "wget -q -O /package http://127.0.0.1:{}/package; cat /package
         {HOST}cp /iso /config/out.iso; echo bootImagePath: $host/out.iso > /config/output-metadata.yaml\n",
        server()
    ));
    let said = site.fail(&[], 6, &["ended with exit code 1", "127.0.0.1"]);
    assert!(said.contains("\nhint: ") && said.contains("--network host"), "{said}");
    fs::remove_dir_all(site.path("state/logs")).unwrap();
    site.succeed(&["--network", "host"]);
    assert!(site.log().contains("package"), "{}", site.log());
    site.assert_outputs();
    site.configure(IMAGE, "  network: host\n");
    site.succeed(&[]);
}

/// What debootstrap does to make a root file system, in short: device nodes, or files to bind them to
/// where `container` says that they cannot be made; owners; its own /proc, if that can be; and programs
/// of the new root.
const DEBOOTSTRAP: &str = r#"
root=/work/root
mkdir -p $root/bin $root/dev $root/etc $root/proc $root/var/mail
cp /bin/busybox $root/bin/busybox
for node in "null 1 3" "zero 1 5" "urandom 1 9"; do
    set -- $node
    if test "$container" = lxc; then
        touch $root/dev/$1; mount -o bind /dev/$1 $root/dev/$1 2> /dev/null || echo "unbound $1"
    else
        mknod -m 666 $root/dev/$1 c $2 $3
    fi
done
mount -t proc proc $root/proc 2> /dev/null || echo "no proc"
echo root:x:0: > $root/etc/shadow
chown 0:42 $root/etc/shadow; chmod 640 $root/etc/shadow
chown 100:8 $root/var/mail; chmod 2775 $root/var/mail
chroot $root /bin/busybox stat -c 'owner %n %u:%g %a' /etc/shadow /var/mail
chroot $root /bin/busybox sh -c 'echo in the new root'
umount $root/proc 2> /dev/null || true
"#;

/// The rungs that this user can be on, and whether owners are real there.
fn rungs() -> Vec<(&'static str, bool)> {
    let mut rungs = vec![("emulate", false)];
    match is_root() {
        true => rungs.push(("root", true)),
        false if has_subordinate_ids() => rungs.push(("subid", true)),
        false => {}
    }
    rungs
}

#[test]
fn a_builder_that_makes_a_root_file_system_gets_owners_where_there_are_any() {
    let site = site(&format!(
        "{DEBOOTSTRAP}{HOST}cp /iso /config/out.iso; echo bootImagePath: $host/out.iso > /config/output-metadata.yaml\n"
    ));
    for (rung, real) in rungs() {
        let said = stderr(&site.succeed(&["--rootless", rung]));
        site.assert_outputs();
        let log = site.log();
        fs::remove_dir_all(site.path("state/logs")).unwrap();
        let owners = if real { ["0:42 640", "100:8 2775"] } else { ["0:0 640", "0:0 2775"] };
        for (name, owner) in ["/etc/shadow", "/var/mail"].iter().zip(owners) {
            assert!(log.contains(&format!("owner {name} {owner}\n")), "{rung}: {log}");
        }
        assert!(log.contains("in the new root\n"), "{rung}: {log}");
        assert_eq!(said.contains("owners of files are not real"), !real, "{rung}: {said}");
    }
}

#[test]
fn with_a_plain_single_id_it_fails_at_the_first_owner_and_its_user_is_told() {
    let site = site(DEBOOTSTRAP);
    site.fail(&["--rootless", "single"], 6, &["with a single id", "chown", "hint: ", "--rootless subid"]);
}

// ---- what it leaves

#[test]
fn metadata_may_hold_more_than_the_path() {
    let site = site(&format!(
        "{HOST}cp /iso /config/out.iso
         cat > /config/output-metadata.yaml <<EOF
# written by a builder
---
bootImagePath: '$host/out.iso'
md5sum: $(md5sum /iso | cut -d ' ' -f 1)
label: EPHEMERAL
kernel: {{version: 6.1, modules: [bonding, 8021q]}}
EOF\n"
    ));
    site.succeed(&[]);
    site.assert_outputs();
}

#[test]
fn a_path_that_is_relative_or_the_containers_is_refused() {
    for (path, says) in [
        ("out.iso", "\"out.iso\" is not an absolute path"),
        ("./out.iso", "is not an absolute path"),
        ("/config/out.iso", "that is the path inside the container"),
    ] {
        let site = site(&format!(
            "cp /iso /config/out.iso; echo bootImagePath: {path} > /config/output-metadata.yaml"
        ));
        site.configure_builder("  outputFileName: out.iso\n");
        site.fail(&[], 7, &[says]);
    }
}

#[test]
fn metadata_may_be_there_before_the_image() {
    let site = site(&format!(
        "{HOST}cd /config; echo bootImagePath: $host/out.iso > output-metadata.yaml
         sleep 0.2; cp /iso .half; sleep 0.2; mv .half out.iso\n"
    ));
    for _ in 0..2 {
        site.succeed(&[]);
        site.assert_outputs();
    }
}

#[test]
fn outputs_that_the_builder_gives_to_another_user_are_refused_where_they_really_are_his() {
    let site = site(&format!(
        "{HOST}cd /config; cp /iso out.iso; echo bootImagePath: $host/out.iso > output-metadata.yaml
         chmod 644 out.iso; chown 1000:1000 out.iso; stat -c 'owner %u' out.iso\n"
    ));
    // what is half-done is known by this name
    site.configure_builder("  outputFileName: out.iso\n");
    for (rung, real) in rungs() {
        if real {
            site.fail(&["--rootless", rung], 7, &["image out.iso belongs to user ", "not to the caller"]);
            assert!(site.log().contains("owner 1000\n"), "{rung}: {}", site.log());
        } else {
            site.succeed(&["--rootless", rung]);
            site.assert_outputs();
            assert!(site.log().contains("owner 0\n"), "{rung}: {}", site.log());
        }
        fs::remove_dir_all(site.path("state/logs")).unwrap();
    }
}
