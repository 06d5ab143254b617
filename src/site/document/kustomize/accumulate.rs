//! Putting layers together: what a kustomization lists, and the stages that change it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::load::{Kustomization, Role, find};
use super::metadata::Traces;
use super::objects::{self, Ids};
use super::read::{self, Refusal};
use super::resource::ResMap;
use super::{Layer, RENDER_OUTSIDE, TRANSFORMERS, generators, hash, metadata, nameref, numbers, order, vars};
use crate::error::Fault;
use crate::site::document::{Emptiness, Reading, files, manifest};
use crate::site::yaml::{MAX_DEPTH, Node, Origin};

/// One build: from the kustomization that the user named to documents.
pub(super) struct Build<'a> {
    pub reading: &'a mut Reading,
    /// Every document read so far, by its number.
    pub sources: Vec<Origin>,
    /// Real paths of the directories from the first kustomization to the current one.
    stack: Vec<PathBuf>,
    traces: Traces,
}

impl<'a> Build<'a> {
    pub fn new(reading: &'a mut Reading) -> Self {
        Self { reading, sources: Vec::new(), stack: Vec::new(), traces: Traces::Dropped }
    }

    pub fn note(&mut self, fault: Fault) {
        self.reading.faults.push(fault);
    }

    /// Gives faults noted since `before` a code, where they have none.
    pub fn code_faults(&mut self, before: usize, code: &'static str) {
        for fault in self.reading.faults[before..].iter_mut().filter(|fault| fault.code.is_none()) {
            fault.code = Some(code.into());
        }
    }

    /// Renders the kustomization `file` into the documents of the reading.
    pub fn run(mut self, file: &Path) {
        let before = self.reading.faults.len();
        let Some(top) = Kustomization::load(file, Role::Top, &mut self) else { return };
        self.traces = Traces::of(&top);
        let options = order::Order::read(&mut self.layer(&top));
        let resources = self.stages(&top, ResMap::default());
        if let (Some(options), false) = (options, self.failed(before)) {
            self.reading.emptiness = Emptiness::Accepted;
            self.finish(resources, &top, &options);
        }
    }

    /// What is done once, at the top.
    fn finish(self, mut resources: ResMap, top: &Kustomization, options: &order::Order) {
        let before = self.reading.faults.len();
        let table = Arc::new(self.sources);
        for resource in &mut resources.resources {
            resource.origin = resource.origin.among(&table);
        }
        let faults = &mut self.reading.faults;
        hash::add(&mut resources);
        nameref::fix(&mut resources, faults);
        if faults.len() == before {
            vars::resolve(&mut resources, faults);
        }
        numbers::refuse(&resources, faults);
        resources.resources.retain(|resource| !resource.is_local());
        options.sort(&mut resources);
        metadata::complete(&mut resources, top.list("buildMetadata"), &top.directory, &table);
        for resource in resources.resources {
            let first = faults.len();
            let document = manifest::object(resource.node, resource.origin, faults);
            self.reading.documents.extend(document);
            for fault in faults[first..].iter_mut().filter(|fault| fault.code.is_none()) {
                fault.code = Some("bad-object".into());
            }
        }
    }

    fn failed(&self, before: usize) -> bool {
        self.reading.faults.len() > before
    }

    fn layer<'l>(&'l mut self, kustomization: &'l Kustomization) -> Layer<'l> {
        Layer {
            kustomization: &kustomization.node,
            origin: &kustomization.origin,
            directory: &kustomization.directory,
            root: &kustomization.root,
            reading: self.reading,
            sources: &mut self.sources,
        }
    }

    /// Accumulates a kustomization onto what is there: nothing, or for a component what its user has.
    fn target(&mut self, file: &Path, role: Role, onto: ResMap) -> ResMap {
        match Kustomization::load(file, role, self) {
            Some(kustomization) => self.stages(&kustomization, onto),
            None => onto,
        }
    }

    /// Everything that a kustomization says, in kustomize's order. Faults of what is listed are told
    /// together; later stages are left out then, as they would only miss what could not be read.
    fn stages(&mut self, kustomization: &Kustomization, onto: ResMap) -> ResMap {
        let before = self.reading.faults.len();
        self.stack.push(kustomization.root.clone());
        let mut resources = self.resources(kustomization, onto);
        if !self.failed(before) {
            generators::generate(&mut self.layer(kustomization), &mut resources);
        }
        for node in kustomization.list("components") {
            resources = self.component(kustomization, node, resources);
        }
        for (index, stage) in TRANSFORMERS.iter().enumerate() {
            if !self.failed(before) {
                stage(&mut self.layer(kustomization), &mut resources);
                if self.traces == Traces::Kept {
                    metadata::note_stage(index, kustomization, &mut resources);
                }
            }
        }
        if !self.failed(before) {
            vars::collect(&mut self.layer(kustomization), &mut resources);
        }
        self.stack.pop();
        resources
    }

    /// Adds what `resources` lists.
    fn resources(&mut self, kustomization: &Kustomization, mut onto: ResMap) -> ResMap {
        let mut ids = Ids::of(&onto);
        for node in kustomization.list("resources") {
            let added = match self.listed(kustomization, node) {
                Ok(Listed::File(path)) => self.file(kustomization, &path),
                Ok(Listed::Kustomization(file)) => self.target(&file, Role::Resource, ResMap::default()),
                Err(refusal) => {
                    self.refuse(kustomization, node, refusal);
                    continue;
                }
            };
            let mut layer = self.layer(kustomization);
            added.resources.into_iter().for_each(|resource| ids.add(resource, &mut onto, &mut layer));
            onto.vars.extend(added.vars);
        }
        onto
    }

    /// Applies what a component says to what is there.
    fn component(&mut self, kustomization: &Kustomization, node: &Node, onto: ResMap) -> ResMap {
        match self.listed(kustomization, node) {
            Ok(Listed::Kustomization(file)) => self.target(&file, Role::Component, onto),
            Ok(Listed::File(_)) => {
                let message = "is a file; components are directories".to_owned();
                self.refuse(kustomization, node, ("not-a-directory", message));
                onto
            }
            Err(refusal) => {
                self.refuse(kustomization, node, refusal);
                onto
            }
        }
    }

    fn refuse(&mut self, kustomization: &Kustomization, node: &Node, (code, message): Refusal) {
        if code == "remote-resource" {
            self.reading.hint = Some(RENDER_OUTSIDE);
        }
        self.layer(kustomization).error(code, node, message);
    }

    /// The resources of a file.
    fn file(&mut self, kustomization: &Kustomization, path: &Path) -> ResMap {
        let before = self.reading.faults.len();
        let Some(bytes) = files::read(path, self.reading) else {
            self.code_faults(before, "unreadable-file");
            return ResMap::default();
        };
        let documents = self.layer(kustomization).parse(&files::name(path), &bytes);
        self.code_faults(before, "bad-yaml");
        let resources = objects::of_documents(documents.unwrap_or_default(), &mut self.reading.faults);
        ResMap { resources, vars: Vec::new() }
    }

    /// Tells files from directories, and both from what is refused.
    fn listed(&mut self, kustomization: &Kustomization, node: &Node) -> Result<Listed, Refusal> {
        let text = read::named_path(node)?;
        let path = kustomization.directory.join(text);
        let real = path.canonicalize().map_err(|error| read::unreadable(text, &path, &error))?;
        let kind = files::kind(&real);
        match kind.map_err(|message| ("unreadable-file", format!("`{text}` {message}")))? {
            files::Kind::File => self.layer(kustomization).permitted(text).map(Listed::File),
            files::Kind::Directory => self.directory(text, &path, &real).map(Listed::Kustomization),
        }
    }

    /// A directory may be beside its kustomization, but not around it.
    fn directory(&self, text: &str, path: &Path, real: &Path) -> Result<PathBuf, Refusal> {
        let refused = |code, message: &str| (code, format!("`{text}` {message}"));
        if Path::new(text).is_absolute() {
            return Err(read::absolute());
        }
        if self.stack.iter().any(|visited| visited.starts_with(real)) {
            return Err(refused("cycle", "leads back to a kustomization that is being read"));
        }
        if self.stack.len() >= MAX_DEPTH {
            return Err(refused("too-deep", &format!("is nested deeper than {MAX_DEPTH} kustomizations")));
        }
        let found = find(real).map_err(|message| refused("several-kustomizations", &message))?;
        let found =
            found.ok_or_else(|| refused("no-kustomization", "is a directory without a kustomization"))?;
        // the path as the user knows it, not the resolved one
        Ok(path.join(found.file_name().unwrap_or_default()))
    }
}

/// What an item of a list of paths is.
enum Listed {
    File(PathBuf),
    /// The file of a directory's kustomization.
    Kustomization(PathBuf),
}
