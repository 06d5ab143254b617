//! File systems for tests, in mount namespaces of their own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::common::site::Site;

/// A mount namespace with a mount on the cache of a site; gone with the process that holds it.
pub struct Disk {
    holder: Child,
    pub mount: PathBuf,
}

impl Disk {
    /// A tmpfs.
    pub fn of_size(site: &Site, mib: usize) -> Self {
        fs::create_dir(site.path("cache")).unwrap();
        Self::hold(site, &format!("mount -t tmpfs -o size={mib}m,mode=700 tmpfs \"$1\""))
    }

    /// A plain directory, for [`Disk::make_read_only`].
    pub fn plain(site: &Site) -> Self {
        fs::create_dir(site.path("cache")).unwrap();
        Self::hold(site, "mount --bind \"$1\" \"$1\"")
    }

    /// The test's own end closes the pipe, and so ends the holder too.
    fn hold(site: &Site, mounting: &str) -> Self {
        let mount = site.path("cache");
        let mut unshare = Command::new("unshare");
        unshare.arg(if nix::unistd::geteuid().is_root() { "-m" } else { "-rm" });
        unshare.args(["sh", "-ec", &format!("{mounting}; echo ready; read line"), "sh"]).arg(&mount);
        let mut holder = unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self { holder, mount }
    }

    /// The cache as it is seen from outside.
    pub fn cache(&self) -> PathBuf {
        let path = self.mount.strip_prefix("/").unwrap();
        PathBuf::from(format!("/proc/{}/root", self.holder.id())).join(path)
    }

    /// The same command where the disk is.
    pub fn with(&self, command: &Command) -> Command {
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["-t", &self.holder.id().to_string(), "-m"]);
        if !nix::unistd::geteuid().is_root() {
            nsenter.args(["-U", "--preserve-credentials"]);
        }
        nsenter.arg(command.get_program()).args(command.get_args()).env_clear();
        nsenter.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        nsenter
    }

    pub fn enlarge(&self, mib: usize) {
        // named in full, or it would take options from the table of mounts, whose ids mean nothing here
        self.remount(&["-t", "tmpfs", "-o", &format!("remount,size={mib}m"), "tmpfs"]);
    }

    pub fn make_read_only(&self) {
        self.remount(&["-o", "remount,bind,ro"]);
    }

    fn remount(&self, arguments: &[&str]) {
        let mut mount = Command::new("mount");
        mount.env("PATH", std::env::var_os("PATH").unwrap()).args(arguments).arg(&self.mount);
        assert!(self.with(&mount).status().unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
