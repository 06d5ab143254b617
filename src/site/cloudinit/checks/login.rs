//! Passwords, and whether anybody will be able to log in.

use super::findings::{Findings, Region};
use super::types::Kind;
use crate::site::yaml::{Mark, Node};

/// Prefixes of hashes that Debian 12's crypt(3) knows and that withstand guessing.
const STRONG: [&str; 8] = ["$y$", "$gy$", "$7$", "$2a$", "$2b$", "$2y$", "$6$", "$5$"];
/// The schemes that cc_set_passwords of 22.4 recognises in `chpasswd.list` and `password`.
const RECOGNISED: [&str; 5] = ["$1$", "$2a$", "$2y$", "$5$", "$6$"];

/// What a text says about a password.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Secret {
    /// A hash of a known, strong scheme.
    Hash,
    /// A hash that is soon guessed (MD5, DES, NT, SHA-1), or of a scheme that crypt(3) lacks.
    Weak,
    /// `!`, `*`: nobody gets in with it.
    Locked,
    Plain,
}

impl Secret {
    fn of(text: &str) -> Self {
        match text {
            "" => Self::Locked,
            _ if text.starts_with(['!', '*']) => Self::Locked,
            _ if STRONG.iter().any(|prefix| text.starts_with(prefix)) => Self::Hash,
            _ if text.starts_with('$') && text.matches('$').count() >= 3 => Self::Weak,
            _ => Self::Plain,
        }
    }
}

/// Looks at the passwords of one cloud-config.
pub(super) struct Login<'a, 'f> {
    pub region: Region<'a>,
    pub findings: &'f mut Findings,
    /// Whether a way to log in was seen.
    pub is_possible: bool,
}

impl Login<'_, '_> {
    /// Notes passwords, and whether there is a way to log in.
    pub fn check(&mut self, root: &Node) {
        self.keys(root);
        if let Some(node) = root.get("password") {
            self.set_password(node, node.text().unwrap_or_default(), "password");
        }
        self.chpasswd(root);
        self.user(root.get("user"), "user");
        for (index, user) in root.get("users").and_then(Node::items).into_iter().flatten().enumerate() {
            self.user(Some(user), &format!("users[{index}]"));
        }
        for entry in root.get("users").into_iter().flat_map(Node::entries) {
            self.user(Some(&entry.value), "users");
        }
        // files and commands may do what is not seen here
        let files = root.get("write_files").and_then(Node::items).into_iter().flatten();
        let mut paths = files.filter_map(|file| file.get("path")?.text());
        let opens = |text: &str| {
            ["authorized_keys", "passwd", "shadow", "usermod", "sshd", "login"]
                .iter()
                .any(|word| text.contains(word))
        };
        let commands = ["runcmd", "bootcmd"].iter().filter_map(|key| root.get(key));
        self.is_possible |= paths.any(opens) || commands.into_iter().any(|node| node.any_text(&opens));
    }

    fn keys(&mut self, node: &Node) {
        let mut lists = ["ssh_authorized_keys", "ssh_import_id", "ssh-authorized-keys"]
            .iter()
            .filter_map(|key| node.get(key));
        self.is_possible |= lists.any(|keys| keys.items().is_none_or(|items| !items.is_empty()));
    }

    fn user(&mut self, user: Option<&Node>, name: &str) {
        let Some(user) = user.filter(|user| user.is_mapping()) else { return };
        self.keys(user);
        // the default locks the password, so that it opens nothing (distros/__init__.py, create_user)
        let lock = user.get("lock_passwd").or_else(|| user.get("lock-passwd"));
        let is_open = lock.is_some_and(|node| Kind::of(node) == Kind::Bool(false));
        for key in ["passwd", "hashed_passwd"] {
            let Some((node, text)) = user.get(key).and_then(|node| Some((node, node.text()?))) else {
                continue;
            };
            self.is_possible |= is_open;
            self.hash(node, text, &format!("{name}.{key}"));
        }
        if let Some(node) = user.get("plain_text_passwd") {
            self.is_possible |= is_open;
            self.plain(node, &format!("{name}.plain_text_passwd"));
        }
    }

    fn chpasswd(&mut self, root: &Node) {
        let users = root.at(&["chpasswd", "users"]).and_then(Node::items);
        for (index, user) in users.into_iter().flatten().enumerate() {
            self.is_possible = true;
            let Some((node, text)) = user.get("password").and_then(|node| Some((node, node.text()?))) else {
                continue;
            };
            let name = format!("chpasswd.users[{index}].password");
            match user.get("type").and_then(Node::text) {
                Some("text") => self.plain(node, &name),
                _ => self.hash(node, text, &name),
            }
        }
        let Some(list) = root.at(&["chpasswd", "list"]) else { return };
        if let Some(text) = list.text() {
            let inner =
                Login { region: self.region.of_scalar(list), findings: self.findings, is_possible: false };
            inner.lines(text);
            self.is_possible = true;
        }
        for (index, node) in list.items().into_iter().flatten().enumerate() {
            let Some((_, password)) = node.text().and_then(|text| text.split_once(':')) else { continue };
            self.set_password(node, password, &format!("chpasswd.list[{index}]"));
        }
    }

    /// The old form of `chpasswd.list`, `name:password` in lines.
    fn lines(self, text: &str) {
        let mut login = self;
        for (index, line) in text.lines().enumerate() {
            if let Some((_, password)) = line.split_once(':') {
                login.set(Mark::new(index + 1, 1), password, "chpasswd.list");
            }
        }
    }

    fn set_password(&mut self, node: &Node, text: &str, name: &str) {
        self.is_possible = true;
        self.set(node.mark, text, name);
    }

    /// A password that cc_set_passwords takes for a hash or for plain text by its looks.
    fn set(&mut self, mark: Mark, text: &str, name: &str) {
        let is_recognised = RECOGNISED.iter().any(|prefix| text.starts_with(prefix)) && !text.contains(':');
        match Secret::of(text) {
            _ if matches!(text, "R" | "RANDOM") => {}
            Secret::Plain => self.tell_plain(mark, name),
            Secret::Locked => {}
            _ if !is_recognised => {
                let message = format!(
                    "`{name}`: a hash of a scheme that cloud-init takes for plain text here; use $6$, or `type: hash` in `chpasswd.users`"
                );
                self.findings.warning("password-hash-unknown", &self.region, mark, &message);
            }
            Secret::Weak => self.tell_weak(mark, name),
            Secret::Hash => {}
        }
    }

    /// A value that is set as it is, so that only a hash makes sense.
    fn hash(&mut self, node: &Node, text: &str, name: &str) {
        match Secret::of(text) {
            Secret::Plain => {
                let message = format!("`{name}`: is no hash of a password; nobody can log in with it");
                self.findings.warning("password-not-hashed", &self.region, node.mark, &message);
            }
            Secret::Weak => self.tell_weak(node.mark, name),
            Secret::Hash | Secret::Locked => {}
        }
    }

    fn plain(&mut self, node: &Node, name: &str) {
        self.tell_plain(node.mark, name);
    }

    fn tell_plain(&mut self, mark: Mark, name: &str) {
        let message = format!("`{name}`: a password in plain text; give its hash (mkpasswd -m sha512crypt)");
        self.findings.warning("plain-password", &self.region, mark, &message);
    }

    fn tell_weak(&mut self, mark: Mark, name: &str) {
        let message = format!(
            "`{name}`: a password's hash of a weak or unknown scheme; use sha512crypt ($6$) or yescrypt ($y$)"
        );
        self.findings.warning("weak-password-hash", &self.region, mark, &message);
    }
}
