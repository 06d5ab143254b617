use std::fs;
use std::path::{Path, PathBuf};

use super::*;

mod documents;
mod file;
mod isogen;
mod switch;
mod view;

const FILE: &str = "/h/.airship/config";

fn parse(text: &str) -> Result<AirshipConfig> {
    AirshipConfig::parse(Path::new(FILE), Some(Path::new("/h")), text.as_bytes())
}

fn config(text: &str) -> AirshipConfig {
    parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn shown<T>(result: Result<T>) -> String {
    let error = result.err().expect("an error");
    assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    assert!(error.fault_list().iter().all(|fault| fault.code.is_some()), "{error}");
    error.to_string()
}

const CAMEL: &str = "apiVersion: airshipit.org/v1alpha1
kind: Config
currentContext: ctx
contexts:
  ctx: {contextKubeconf: ctx_ephemeral, manifest: man}
manifests:
  man: {targetPath: site, subPath: a/b}
clusters:
  clu: {clusterType: {ephemeral: {bootstrapInfo: boot}}}
bootstrapInfo:
  boot: {isogenConfigPath: isogen.yaml}
";

const INLINE: &str = "container: {volume: /v:/c}, builder: {userDataFileName: u, networkConfigFileName: n}";

/// A directory as home, with files in it.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        home.directory(".airship");
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, text: &str) -> &Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn directory(&self, name: &str) -> &Self {
        fs::create_dir_all(self.path(name)).unwrap();
        self
    }

    fn parse(&self, text: &str) -> AirshipConfig {
        let path = self.path(".airship/config");
        AirshipConfig::parse(&path, Some(self.0.path()), text.as_bytes()).unwrap_or_else(|e| panic!("{e}"))
    }

    fn documents(&self, text: &str) -> Result<PathBuf> {
        self.parse(text).select(None)?.documents()
    }

    fn isogen(&self, text: &str) -> Result<IsoConfiguration> {
        self.parse(text).select(None)?.isogen()
    }

    /// A text without the directory, which is another one each time.
    fn plain(&self, text: &str) -> String {
        text.replace(self.0.path().to_str().unwrap(), "~")
    }

    fn shown<T>(&self, result: Result<T>) -> String {
        self.plain(&shown(result))
    }

    /// The volume tells from which of several configurations one is.
    fn volume(&self, text: &str) -> String {
        let configuration = self.isogen(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        configuration.container.volume.host.display().to_string()
    }
}

fn isogen_yaml(volume: &str) -> String {
    format!("container: {{volume: {volume}}}\nbuilder: {{userDataFileName: u, networkConfigFileName: n}}\n")
}

fn with_manifest(manifest: &str) -> String {
    format!("currentContext: c\ncontexts: {{c: {{manifest: m}}}}\nmanifests: {{m: {{{manifest}}}}}\n")
}

fn around(variable: Option<&Path>, home: Option<&Path>) -> locate::Surroundings {
    locate::Surroundings { variable: variable.map(Path::to_owned), home: home.map(Path::to_owned) }
}
