//! The configuration of ISOLINUX and SYSLINUX (their documentation, doc/syslinux.txt and doc/menu.txt).

use std::io;

use super::{Files, Item, MOST_ENTRIES, Menu, Place, directory, normal};
use crate::iso::finding::Findings;

/// In the order in which they look.
const PLACES: &[&str] = &[
    "/boot/isolinux/isolinux.cfg",
    "/isolinux/isolinux.cfg",
    "/isolinux.cfg",
    "/boot/syslinux/syslinux.cfg",
    "/syslinux/syslinux.cfg",
    "/syslinux.cfg",
    "/EFI/BOOT/syslinux.cfg",
];

#[derive(Default)]
struct Label {
    name: String,
    item: Item,
    append: Option<String>,
    /// `MENU DEFAULT`.
    chosen: bool,
}

#[derive(Default)]
struct Config {
    labels: Vec<Label>,
    /// For labels which have none of their own.
    append: String,
    default: String,
    ontimeout: String,
    /// Whether there is one; 0 waits for ever.
    timeout: bool,
    prompt: bool,
    /// Within TEXT and ENDTEXT, which is for people.
    text: bool,
}

struct Reader<'a, 'f> {
    place: &'a Place<'a>,
    files: &'a mut Files<'f>,
    findings: &'a mut Findings,
    directory: String,
}

/// Each menu with the name of its file.
pub(super) fn read(
    place: &Place<'_>,
    files: &mut Files<'_>,
    findings: &mut Findings,
) -> io::Result<Vec<(String, Menu)>> {
    let mut menus = Vec::new();
    for path in PLACES {
        let mut config = Config::default();
        let mut reader = Reader { place, files, findings, directory: directory(path).into() };
        if let Some(name) = reader.file(path, &mut config)? {
            menus.push((name, config.menu()));
        }
    }
    Ok(menus)
}

impl Reader<'_, '_> {
    /// Its files are in the directory of the first one, also for those which it includes.
    fn path(&self, path: &str) -> String {
        match path.starts_with('/') {
            true => normal(path),
            false => normal(&format!("{}/{path}", self.directory)),
        }
    }

    /// A file and all that it includes, into one configuration, as the loader does.
    fn file(&mut self, path: &str, config: &mut Config) -> io::Result<Option<String>> {
        let Some((name, text)) = self.files.text(self.place, path, self.findings)? else { return Ok(None) };
        for line in text.lines() {
            let (word, rest) = split(line);
            let (menu, after) = split(rest);
            let included = match (word.as_str(), menu.as_str()) {
                ("include", _) => rest,
                ("menu", "include") => after,
                _ => "",
            };
            match included.split_whitespace().next() {
                Some(included) => drop(self.file(&self.path(included), config)?),
                None => config.line(&word, rest, &name, |path| self.path(path)),
            }
        }
        Ok(Some(name))
    }
}

/// The keyword in lower case, and what is behind it.
fn split(line: &str) -> (String, &str) {
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    (word.to_ascii_lowercase(), rest.trim())
}

impl Config {
    /// Keywords before the first label are for all; those behind it are the label's.
    fn line(&mut self, word: &str, rest: &str, file: &str, path: impl Fn(&str) -> String) {
        if self.text {
            self.text = word != "endtext";
            return;
        }
        match word {
            "label" if self.labels.len() < MOST_ENTRIES => self.labels.push(Label {
                name: rest.into(),
                item: Item { file: file.into(), title: rest.into(), ..Item::default() },
                ..Label::default()
            }),
            "default" => self.default = rest.into(),
            "ontimeout" => self.ontimeout = rest.into(),
            "timeout" => self.timeout = rest != "0",
            "prompt" => self.prompt = rest != "0",
            "text" => self.text = true,
            "append" if self.labels.is_empty() => self.append = rest.into(),
            _ => {
                if let Some(label) = self.labels.last_mut() {
                    label.line(word, rest, path);
                }
            }
        }
    }

    /// Which label starts by itself: ONTIMEOUT, MENU DEFAULT, DEFAULT, in this order.
    fn menu(mut self) -> Menu {
        let first = |text: &str| text.split_whitespace().next().unwrap_or_default().to_owned();
        let named = |labels: &[Label], name: &str| labels.iter().position(|label| label.name == first(name));
        let chosen = self.labels.iter().rposition(|label| label.chosen);
        let default = named(&self.labels, &self.ontimeout)
            .or_else(|| named(&self.labels, &self.default))
            .filter(|_| chosen.is_none() || !self.ontimeout.is_empty())
            .or(chosen)
            // `default vesamenu.c32` shows a menu, which begins at its first entry
            .or((!self.labels.is_empty()).then_some(0));
        if let Some(label) = default.and_then(|default| self.labels.get_mut(default)) {
            label.item.default = true;
        }
        let menu = first(&self.default).ends_with(".c32");
        let append = self.append;
        let entries = self.labels.into_iter().filter_map(|label| label.finish(&append)).collect();
        Menu { entries, waits: (menu || self.prompt) && !self.timeout }
    }
}

impl Label {
    /// `LINUX` and `KERNEL` differ only in what else they may start.
    fn line(&mut self, word: &str, rest: &str, path: impl Fn(&str) -> String) {
        match word {
            "kernel" | "linux" if is_linux(rest) => {
                let (kernel, arguments) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                self.item.kernel = path(kernel);
                self.item.command_line = arguments.trim().into();
            }
            "initrd" => self.item.initrd = rest.split(',').map(|one| path(one.trim())).collect(),
            "append" => {
                self.append = Some(rest.into());
                let mut named = rest.split_whitespace().filter_map(|word| word.strip_prefix("initrd="));
                if let Some(initrd) = named.next_back() {
                    self.item.initrd = initrd.split(',').map(path).collect();
                }
            }
            "menu" => match split(rest) {
                (word, title) if word == "label" => self.item.title = title.replace('^', ""),
                (word, _) if word == "default" => self.chosen = true,
                _ => {}
            },
            _ => {}
        }
    }

    /// With the options that are for all, unless it has its own (`-` is none).
    fn finish(self, common: &str) -> Option<Item> {
        let append = self.append.as_deref().unwrap_or(common);
        let append = if append == "-" { "" } else { append };
        let command_line = format!("{} {append}", self.item.command_line).trim().to_owned();
        let linux = !self.item.kernel.is_empty();
        linux.then_some(Item { command_line, ..self.item })
    }
}

/// By their extensions SYSLINUX tells modules, boot sectors and disk images from kernels.
fn is_linux(kernel: &str) -> bool {
    let name = kernel.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    let others = [".c32", ".cbt", ".com", ".0", ".bin", ".bs", ".bss", ".img"];
    !others.iter().any(|extension| name.ends_with(extension))
}
