//! GRUB's `grub.cfg`.
//!
//! Nothing is executed: of `if` both branches are read, the first kernel and the last value of a variable
//! count, and functions are not called. That is what the scripts of distributions mean.

use std::io;

use super::syntax::{Command, Variables, parse};
use super::{Files, Item, MOST_ENTRIES, Menu, Place, directory};
use crate::iso::finding::Findings;

/// Where images have it; the EFI programs of distributions look in a directory of their own.
const PLACES: &[&str] =
    &["/boot/grub/grub.cfg", "/boot/grub2/grub.cfg", "/EFI/BOOT/grub.cfg", "/grub/grub.cfg", "/grub.cfg"];

/// Of a command, in bytes; Linux takes 4 KiB at most from any boot loader.
const MOST_LENGTH: usize = 16 << 10;
/// Scripts of distributions have some fifty.
const MOST_VARIABLES: usize = 1000;

/// What is in the menu.
#[derive(Debug)]
struct Node {
    title: String,
    id: String,
    what: What,
}

#[derive(Debug)]
enum What {
    Linux(Item),
    Menu(Vec<Node>),
    /// It starts another loader, or the machine anew.
    Other,
}

/// What the commands of a menu, or of an entry, come to.
#[derive(Default)]
struct Scope {
    file: String,
    variables: Variables,
    nodes: Vec<Node>,
    item: Item,
}

struct Script<'a, 'f> {
    place: &'a Place<'a>,
    files: &'a mut Files<'f>,
    findings: &'a mut Findings,
    /// Entries that may still be added.
    left: usize,
}

/// Each menu with the name of its file.
pub(super) fn read(
    place: &Place<'_>,
    files: &mut Files<'_>,
    findings: &mut Findings,
) -> io::Result<Vec<(String, Menu)>> {
    let own = place.tree.entries.keys().filter(|path| {
        let path = path.to_ascii_lowercase();
        path.starts_with("/efi/") && path.ends_with("/grub.cfg") && path.matches('/').count() == 3
    });
    let candidates: Vec<String> = PLACES.iter().map(|path| (*path).into()).chain(own.cloned()).collect();
    let mut menus = Vec::new();
    let mut script = Script { place, files, findings, left: MOST_ENTRIES };
    for path in candidates {
        let mut scope = Scope::new(&path);
        if let Some(name) = script.file(&path, &mut scope)? {
            menus.push((name, script.menu(scope)));
        }
    }
    Ok(menus)
}

impl Scope {
    fn new(path: &str) -> Self {
        // both are set by GRUB itself
        let set = [("prefix", directory(path)), ("menuentry_id_option", "--id")];
        let variables = set.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { variables: variables.into(), ..Self::default() }
    }

    /// With the values of variables, which may be put together to any length.
    fn words(&self, command: &Command) -> Vec<String> {
        let mut left = MOST_LENGTH;
        let words = command.words.iter().map(|word| word.expand(&self.variables, MOST_LENGTH));
        let fits = |word: &String| {
            left = left.saturating_sub(word.len() + 1);
            left > 0
        };
        words.take_while(fits).collect()
    }

    fn set(&mut self, assignment: &str) {
        if let Some((name, value)) = assignment.split_once('=')
            && self.variables.len() < MOST_VARIABLES
        {
            self.variables.insert(name.into(), value.into());
        }
    }

    /// On another disk it keeps the name of that.
    fn path(&self, path: &str) -> String {
        match self.variables.get("root").filter(|root| is_elsewhere(root) && path.starts_with('/')) {
            Some(root) => format!("({}){path}", root.trim_matches(['(', ')'])),
            None => without_device(path).into(),
        }
    }

    /// The first one counts: what follows it is mostly the `else` of a condition.
    fn linux(&mut self, words: &[String]) {
        if let ([kernel, rest @ ..], true) = (words, self.item.kernel.is_empty()) {
            self.item.kernel = self.path(kernel);
            self.item.command_line = rest.join(" ");
        }
    }
}

impl Script<'_, '_> {
    /// Reads a file into the scope; its name if it is there and was not read before.
    fn file(&mut self, path: &str, scope: &mut Scope) -> io::Result<Option<String>> {
        let Some((name, text)) = self.files.text(self.place, path, self.findings)? else { return Ok(None) };
        let Some(commands) = parse(&text) else {
            let message =
                format!("{}: a quote or a block has no end, GRUB does not read it", name.escape_debug());
            self.findings.error("menu-syntax", None, message);
            return Ok(Some(name));
        };
        let outer = std::mem::replace(&mut scope.file, name.clone());
        self.run(&commands, scope)?;
        scope.file = outer;
        Ok(Some(name))
    }

    /// Words that only steer (`if`, `fi`, `while`) are commands without effect here.
    fn run(&mut self, commands: &[Command], scope: &mut Scope) -> io::Result<()> {
        for command in commands {
            let words = scope.words(command);
            let plain = words.iter().skip_while(|word| matches!(word.as_str(), "then" | "else" | "do"));
            let words: Vec<String> = plain.cloned().collect();
            let Some((name, rest)) = words.split_first() else { continue };
            match (name.as_str(), &command.block) {
                ("menuentry" | "submenu", Some(block)) => self.entry(rest, block, scope)?,
                // whatever disk it was before, it is one with certain contents then
                (search, _) if search.starts_with("search") => drop(scope.variables.remove("root")),
                ("set", _) => rest.iter().for_each(|assignment| scope.set(assignment)),
                ("linux" | "linuxefi" | "linux16", _) => scope.linux(rest),
                ("initrd" | "initrdefi" | "initrd16", _) if scope.item.initrd.is_empty() => {
                    scope.item.initrd = rest.iter().map(|path| scope.path(path)).collect();
                }
                ("source" | "." | "configfile", _) => {
                    if let Some(path) = rest.first() {
                        self.file(without_device(path), scope)?;
                    }
                }
                _ => {}
            }
            if name.contains('=') && words.len() == 1 {
                scope.set(name);
            }
        }
        Ok(())
    }

    /// What an entry does is known by running its block with the variables so far.
    fn entry(&mut self, words: &[String], block: &[Command], scope: &mut Scope) -> io::Result<()> {
        if self.left == 0 {
            return Ok(());
        }
        self.left -= 1;
        let (title, id) = title(words);
        let (file, variables) = (scope.file.clone(), scope.variables.clone());
        let mut inner = Scope { file, variables, ..Scope::default() };
        self.run(block, &mut inner)?;
        let what = match (inner.item.kernel.is_empty(), inner.nodes.is_empty()) {
            (false, _) => What::Linux(Item { file: inner.file, title: title.clone(), ..inner.item }),
            (true, false) => What::Menu(inner.nodes),
            (true, true) => What::Other,
        };
        scope.nodes.push(Node { title, id, what });
        Ok(())
    }

    /// The nodes in the order of the file, and which of them starts by itself.
    fn menu(&mut self, scope: Scope) -> Menu {
        let Scope { mut nodes, item, variables, .. } = scope;
        if nodes.is_empty() && !item.kernel.is_empty() {
            // a script which starts something itself
            return Menu { entries: vec![Item { default: true, ..item }], waits: false };
        }
        if nodes.is_empty() {
            // it only finds another one
            return Menu::default();
        }
        let default = variables.get("default").map_or("0", String::as_str);
        if !choose(&mut nodes, default) && !default.contains('$') {
            let message = format!("grub.cfg: the default entry {default:?} is not there");
            self.findings.warning("menu-default-missing", None, message);
            choose(&mut nodes, "0");
        }
        let mut entries = Vec::new();
        flatten(nodes, "", &mut entries);
        let waits = variables.get("timeout").is_none_or(|timeout| timeout == "-1");
        Menu { entries, waits }
    }
}

/// Title and `--id` of an entry.
fn title(words: &[String]) -> (String, String) {
    let (mut title, mut id) = (None, String::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--id" => id = words.next().cloned().unwrap_or_default(),
            "--class" | "--users" | "--hotkey" => drop(words.next()),
            option if option.starts_with("--") => {
                id = option.strip_prefix("--id=").map_or(id, str::to_owned);
            }
            _ if title.is_none() => title = Some(word.clone()),
            _ => {}
        }
    }
    (title.unwrap_or_default(), id)
}

/// GRUB manual, `default`: number, title or id, those of submenus before it with `>`. Whether it is there.
fn choose(nodes: &mut [Node], path: &str) -> bool {
    let (first, rest) = path.split_once('>').unwrap_or((path, "0"));
    let first = if first.contains('$') { "0" } else { first };
    let named = |node: &Node| node.title == first || (!node.id.is_empty() && node.id == first);
    let index = first.parse().ok().or_else(|| nodes.iter().position(named));
    match index.and_then(|index: usize| nodes.get_mut(index)) {
        Some(Node { what: What::Linux(item), .. }) => item.default = true,
        Some(Node { what: What::Menu(nodes), .. }) => return choose(nodes, rest),
        Some(_) => {}
        None => return false,
    }
    true
}

/// Entries of submenus get the submenu's title before theirs, as GRUB writes them in `default`.
fn flatten(nodes: Vec<Node>, before: &str, entries: &mut Vec<Item>) {
    for node in nodes {
        let title = format!("{before}{}", node.title);
        match node.what {
            What::Linux(item) => entries.push(Item { title, ..item }),
            What::Menu(nodes) => flatten(nodes, &format!("{title}>"), entries),
            What::Other => {}
        }
    }
}

/// Without the device that is the medium: `($root)/x` and `(cd0)/x` are `/x` of it.
fn without_device(path: &str) -> &str {
    let device = path.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    match device {
        Some((device, _)) if is_elsewhere(device) => path,
        Some((_, rest)) => rest,
        None => path.strip_prefix("$root").unwrap_or(path),
    }
}

/// A disk that is called by its number, or an image on the medium.
fn is_elsewhere(device: &str) -> bool {
    let device = device.trim_start_matches('(');
    ["hd", "loop", "lvm", "md/", "ahci", "ata", "fd"].iter().any(|kind| device.starts_with(kind))
}
