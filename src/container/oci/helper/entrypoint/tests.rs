use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use oci_spec::runtime::ProcessBuilder;

use super::*;
use crate::container::oci::helper::binfmt;
use crate::container::oci::helper::elf::tests::{OURS, program};

/// A root with a shell that needs no loader.
struct Root(tempfile::TempDir);

impl Root {
    fn new() -> Self {
        let root = Self(tempfile::tempdir().unwrap());
        fs::create_dir(root.0.path().join("bin")).unwrap();
        let mut shell = program(OURS, "/x");
        shell[64] = 1;
        root.write("bin/sh", shell)
    }

    fn write(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
        self
    }

    fn link(self, name: &str, target: &str) -> Self {
        symlink(target, self.0.path().join(name)).unwrap();
        self
    }

    fn check_with(&self, name: &str, emulators: &[Emulator]) -> Result<()> {
        let process = ProcessBuilder::default().args(vec![name.to_owned()]).cwd("/bin");
        let process = process.env(vec!["PATH=/sbin:/bin".to_owned()]).build().unwrap();
        check(&process, self.0.path(), emulators)
    }

    fn passes(&self, name: &str) {
        self.check_with(name, &[]).unwrap();
    }

    /// The message, which has both names.
    fn refuses(&self, name: &str, part: &str) {
        let error = self.check_with(name, &[]).unwrap_err();
        let text = format!("{error} {}", error.hint_text().unwrap_or_default());
        assert_eq!(error.kind(), ErrorKind::Builder);
        assert!(text.starts_with("starting the builder: ") && text.contains(part), "{part:?}: {text}");
    }
}

#[test]
fn what_can_run_passes() {
    let root = Root::new().write("bin/script", "#! /bin/sh -e\n").link("bin/link", "/bin/script");
    let root = root.write("bin/nested", "#!/bin/script").link("up", "../../../bin/sh");
    for name in ["/bin/sh", "sh", "script", "/bin/link", "./sh", "nested", "/up", "../bin/../bin/sh"] {
        root.passes(name);
    }
}

#[test]
fn what_is_not_there_is_told_with_where_it_was_sought() {
    let root = Root::new().link("bin/gone", "/bin/busybox").link("bin/loop", "loop");
    root.refuses("/bin/nope", "\"/bin/nope\" is not in the image");
    root.refuses("nope", "PATH (/sbin:/bin)");
    root.refuses("/bin/gone", "symbolic link to \"/bin/busybox\"");
    root.refuses("/bin/loop", "loop of symbolic links");
    root.refuses("/bin/sh/x", "is not in the image");
}

#[test]
fn what_is_no_file_is_not_opened() {
    let root = Root::new();
    nix::unistd::mkfifo(&root.0.path().join("bin/fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(root.0.path().join("bin/socket")).unwrap();
    root.refuses("/bin/fifo", "is a FIFO");
    root.refuses("/bin/socket", "is a socket");
    root.refuses("/bin", "is a directory");
    drop(socket);
}

#[test]
fn programs_of_other_processors_need_an_emulator_that_is_there() {
    let root = Root::new().write("bin/alien", program(243, "/lib/ld.so"));
    root.refuses("/bin/alien", "is a program for riscv64, and this host is");
    let handlers = tempfile::tempdir().unwrap();
    let register = |flags: &str| {
        let text = format!("enabled\ninterpreter /qemu\nflags: {flags}\noffset 18\nmagic f300\n");
        fs::write(handlers.path().join("qemu-riscv64"), text).unwrap();
        fs::write(handlers.path().join("status"), "enabled\n").unwrap();
        binfmt::registered(handlers.path())
    };
    root.check_with("/bin/alien", &register("F")).unwrap();
    let error = root.check_with("/bin/alien", &register("")).unwrap_err();
    assert!(error.to_string().contains("\"/qemu\" (binfmt_misc), which the image does not have"), "{error}");
    root.write("qemu", "").check_with("/bin/alien", &register("")).unwrap();
}

#[test]
fn missing_loaders_are_named_with_their_likely_origin() {
    let root = Root::new()
        .write("bin/glibc", program(OURS, "/lib64/ld-linux-x86-64.so.2"))
        .write("bin/musl", program(OURS, "/lib/ld-musl-x86_64.so.1"))
        .write("bin/odd", program(OURS, "/nix/ld.so"));
    root.refuses("glibc", "needs the loader \"/lib64/ld-linux-x86-64.so.2\", which the image does not have it was built for glibc");
    root.refuses("musl", "built for musl");
    root.refuses("odd", "statically");
    fs::create_dir(root.0.path().join("nix")).unwrap();
    fs::create_dir(root.0.path().join("nix/ld.so")).unwrap();
    root.refuses("odd", "\"/nix/ld.so\" is a directory");
}

#[test]
fn scripts_are_followed_to_their_end() {
    let root = Root::new()
        .write("bin/lost", "#!/no/such/shell\n")
        .write("bin/twice", "#!/bin/lost -x\n")
        .write("bin/windows", "#!/bin/sh\r\necho\r\n")
        .write("bin/windows2", "#!/bin/sh -e \r\necho\r\n")
        .write("bin/nothing", "#! \n")
        .write("bin/self", "#!/bin/self\n")
        .write("bin/long", format!("#!/{}", "x".repeat(400)))
        .write("bin/empty", "")
        .write("bin/text", "echo\n");
    root.refuses("/bin/lost", "is a script for \"/no/such/shell\", which the image does not have");
    root.refuses("/bin/twice", "\"/bin/twice\" is a script for \"/bin/lost\": \"/bin/lost\" is a script for");
    root.refuses("/bin/windows", "carriage return");
    root.refuses("/bin/windows2", "carriage return");
    root.refuses("/bin/nothing", "names no interpreter");
    root.refuses("/bin/self", "scripts without end");
    root.refuses("/bin/long", "longer than the kernel reads");
    root.refuses("/bin/empty", "is empty");
    root.refuses("/bin/text", "neither a program");
}

#[test]
fn magic_links_lead_nowhere() {
    // the host's /proc stands in for the container's
    let process = ProcessBuilder::default().args(vec!["/proc/self/exe".to_owned()]).cwd("/").build().unwrap();
    let error = check(&process, Path::new("/"), &[]).unwrap_err();
    assert!(error.to_string().contains("leads out of the container"), "{error}");
}

#[test]
fn words_that_the_kernel_cannot_take_are_refused() {
    let of = |args: &[&str], env: &str| {
        let args = args.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        check_words(&ProcessBuilder::default().args(args).env(vec![env.to_owned()]).build().unwrap())
    };
    assert!(of(&["/x", ""], "A=").is_ok() && of(&["x"], "no sign").is_ok());
    for (args, env) in [(&[""][..], "A=1"), (&["x", "a\0b"], "A=1"), (&["x"], "A=s3cret\0"), (&["x"], "=1")] {
        let error = of(args, env).unwrap_err();
        assert!(error.kind() == ErrorKind::Builder && !error.to_string().contains("s3cret"), "{error}");
    }
}
