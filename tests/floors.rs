//! The floors and fences of the design, held by reading the source. A rule that catches nothing
//! proves nothing: each has made-up sources that it must catch and others that it must let pass.

#[path = "floors/made_up.rs"]
mod made_up;
#[path = "floors/source.rs"]
mod source;

use std::fs;
use std::path::Path;

use source::{Finding, Source, Token, is_word};

/// Who may import whom: only modules of a lower floor. `lib.rs`, the map, is on none.
const FLOORS: &[&[&str]] = &[
    &["error"],
    &["interrupt"],
    &["site", "image", "iso"],
    &["container"],
    &["isogen", "doctor"],
    &["cli"],
    &["main"],
];

/// Crates, and the path prefixes of the files that alone may name them.
const FENCES: &[(&[&str], &[&str])] = &[
    (
        &["oci_distribution", "rustls", "rustls_platform_verifier", "reqwest", "http_auth", "toml"],
        &["image/registry"],
    ),
    (&["tokio", "futures", "futures_util"], &["image/registry", "container/docker"]),
    (&["bollard"], &["container/docker"]),
    (&["tar", "flate2", "zstd"], &["image/rootfs", "image/store"]),
    (&["libcontainer"], &["container/oci"]),
    (&["serde_yaml"], &["site"]),
];

/// The same for modules: what a file of the first prefix may not name.
const STRANGERS: &[(&str, &[&[&str]])] =
    &[("container/docker", &[&["image"]]), ("isogen", &[&["container", "oci"], &["container", "docker"]])];

const PRINTING: &[&str] = &["print", "println", "eprint", "eprintln"];
const UNFINISHED: &[&str] = &["todo", "unimplemented", "dbg"];
const LONGEST_FILE: usize = 400;
const LONGEST_FUNCTION: usize = 60;

type Rule = fn(&Source) -> Vec<Finding>;

const RULES: &[Rule] = &[floors, strangers, fences, terminal, unsafety, unfinished, globs, lengths];

fn floor(name: &str) -> Option<usize> {
    FLOORS.iter().position(|modules| modules.contains(&name))
}

/// Imports point down only, and the wings never name each other.
fn floors(source: &Source) -> Vec<Finding> {
    let own = match source.path.as_str() {
        "lib.rs" => return Vec::new(),
        path => path.split(['/', '.']).next().unwrap_or_default(),
    };
    let Some(ours) = floor(own) else {
        return vec![source.finding(1, format!("{own} has no floor in tests/floors.rs"))];
    };
    let refused = |path: &[String]| match path {
        [root, ..] if root != "crate" => None,
        [_, name, ..] if name == own => None,
        [_, name, ..] => match floor(name) {
            Some(theirs) if theirs < ours => None,
            Some(_) => Some(format!("{own} names {name}")),
            // the binary's own root, and what is not the library's
            None if own == "main" => None,
            None => Some(format!("{own} names {name} at the root, not by its module")),
        },
        _ => Some(format!("{own} names the root as a whole")),
    };
    let paths = source.paths();
    paths.iter().filter_map(|(line, path)| Some(source.finding(*line, refused(path)?))).collect()
}

fn strangers(source: &Source) -> Vec<Finding> {
    let rules = STRANGERS.iter().filter(|(prefix, _)| source.is_in(&[prefix]));
    let refused: Vec<_> = rules.flat_map(|(_, modules)| modules.iter()).collect();
    let names = |path: &[String], module: &[&str]| {
        path.iter().skip(1).zip(module).filter(|(a, b)| a == b).count() == module.len()
    };
    let paths = source.paths().into_iter().filter(|(_, path)| path[0] == "crate");
    let paths = paths.filter(|(_, path)| refused.iter().any(|module| names(path, module)));
    paths.map(|(line, path)| source.finding(line, format!("it must not know {}", path.join("::")))).collect()
}

fn fences(source: &Source) -> Vec<Finding> {
    let outside = |path: &[String]| {
        let fence = FENCES.iter().find(|(crates, _)| crates.contains(&path[0].as_str()));
        // a variable may have the name of a crate; a path has two parts, an import at least one
        path.len() > 1 && fence.is_some_and(|(_, files)| !source.is_in(files))
    };
    let mut found: Vec<_> = source.paths().into_iter().filter(|(_, path)| outside(path)).collect();
    for pair in source.tokens.windows(2).filter(|pair| pair[0].text == "use" || pair[0].text == "crate") {
        found.extend(
            [(pair[1].line, vec![pair[1].text.clone(), String::new()])]
                .into_iter()
                .filter(|(_, p)| outside(p)),
        );
    }
    found.dedup_by_key(|(line, _)| *line);
    found
        .into_iter()
        .map(|(line, path)| source.finding(line, format!("{} is behind a fence", path[0])))
        .collect()
}

/// Only the edge talks to the terminal; everything else returns or logs.
fn terminal(source: &Source) -> Vec<Finding> {
    if source.is_in(&["cli", "main"]) {
        return Vec::new();
    }
    let code = source.code();
    let macros =
        code.windows(2).filter(|pair| pair[1].text == "!" && PRINTING.contains(&pair[0].text.as_str()));
    let macros = macros.map(|pair| source.finding(pair[0].line, format!("{}! outside cli", pair[0].text)));
    let last = code.last().map_or(0, |token| token.line);
    let stream = |path: &[String]| {
        path.windows(2).any(|two| two[0] == "io" && matches!(two[1].as_str(), "stdout" | "stderr"))
    };
    let streams = source.paths().into_iter().filter(|(line, path)| *line <= last && stream(path));
    macros
        .chain(streams.map(|(line, path)| source.finding(line, format!("{} outside cli", path.join("::")))))
        .collect()
}

fn unsafety(source: &Source) -> Vec<Finding> {
    let found =
        source.tokens.iter().filter(|token| token.text == "unsafe" && !source.is_in(&["container/oci"]));
    found.map(|token| source.finding(token.line, "unsafe outside container/oci")).collect()
}

fn unfinished(source: &Source) -> Vec<Finding> {
    let found = source
        .tokens
        .windows(2)
        .filter(|pair| pair[1].text == "!" && UNFINISHED.contains(&pair[0].text.as_str()));
    found.map(|pair| source.finding(pair[0].line, format!("{}! is unfinished work", pair[0].text))).collect()
}

fn globs(source: &Source) -> Vec<Finding> {
    let found = source.code().windows(2).filter(|pair| pair[0].text == "::" && pair[1].text == "*");
    found.map(|pair| source.finding(pair[1].line, "glob import")).collect()
}

fn lengths(source: &Source) -> Vec<Finding> {
    let code = source.code();
    let lines = source.tests.saturating_sub(1);
    let mut found = Vec::new();
    if lines >= LONGEST_FILE {
        found.push(source.finding(lines, format!("{lines} lines before the tests")));
    }
    // no word follows in the type of a function pointer
    let named =
        code.windows(2).enumerate().filter(|(_, pair)| pair[0].text == "fn" && is_word(&pair[1].text));
    for (at, token) in named.map(|(at, pair)| (at, &pair[0])) {
        let length = function_end(&code[at..]).saturating_sub(token.line) + 1;
        if length >= LONGEST_FUNCTION {
            found.push(source.finding(token.line, format!("a function of {length} lines")));
        }
    }
    found
}

/// The line of the brace that closes the function, or of the end of its declaration.
fn function_end(tokens: &[Token]) -> usize {
    let (mut depth, mut inner) = (0, 0);
    for token in tokens {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" if depth == 1 => return token.line,
            "}" => depth -= 1,
            // an array's length in the signature has a semicolon too
            "(" | "[" => inner += 1,
            ")" | "]" => inner -= 1,
            ";" if depth == 0 && inner == 0 => return token.line,
            _ => {}
        }
    }
    tokens[0].line
}

/// Every dependency has its reason in a comment line above it.
fn reasons(manifest: &str) -> Vec<Finding> {
    let (mut section, mut above, mut found) = (String::new(), "", Vec::new());
    for (number, line) in manifest.lines().enumerate() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        }
        let table =
            section.split_once("dependencies.").map(|(_, name)| name).filter(|_| line.starts_with('['));
        let entry =
            line.split_once('=').map(|(name, _)| name.trim()).filter(|_| section.ends_with("dependencies"));
        // a continued list of features begins with no name
        let name =
            table.or(entry).filter(|name| name.chars().all(|c| c.is_alphanumeric() || "-_.\"".contains(c)));
        if let Some(name) = name.filter(|_| !above.starts_with('#')) {
            found.push(Finding {
                place: format!("Cargo.toml:{}", number + 1),
                what: format!("{name} has no reason"),
            });
        }
        above = line;
    }
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All sources below `src/`.
fn sources() -> Vec<Source> {
    let (src, mut sources) = (root().join("src"), Vec::new());
    let mut directories = vec![src.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
                sources.push(Source::new(&name, &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    sources
}

#[test]
fn the_sources_keep_every_rule() {
    let sources = sources();
    assert!(sources.len() > 5, "the sources were not found");
    let findings: Vec<_> =
        sources.iter().flat_map(|source| RULES.iter().flat_map(|rule| rule(source))).collect();
    let lines: Vec<_> = findings.iter().map(Finding::to_string).collect();
    assert!(lines.is_empty(), "{} findings:\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn every_dependency_has_its_reason() {
    let findings = reasons(&fs::read_to_string(root().join("Cargo.toml")).unwrap());
    let lines: Vec<_> = findings.iter().map(Finding::to_string).collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}
