//! `images`.

use regex::Regex;

use super::Layer;
use super::fieldspec::{Missing, visit};
use super::item::Item;
use super::resource::{ResMap, Resource};
use crate::site::yaml::{Node, Value};

const FIELDS: [&str; 5] = ["name", "newName", "newTag", "digest", "tagSuffix"];
/// Lists in which images are looked for, at any depth.
const CONTAINERS: [&str; 2] = ["containers", "initContainers"];
/// Where they are looked for once more, which shows with `tagSuffix` (`imagesFieldSpecs`).
const PATHS: [&str; 4] = [
    "spec/containers[]/image",
    "spec/initContainers[]/image",
    "spec/template/spec/containers[]/image",
    "spec/template/spec/initContainers[]/image",
];

/// One item of `images`.
struct Change<'k> {
    name: Regex,
    new_name: Option<&'k str>,
    new_tag: Option<&'k str>,
    digest: Option<&'k str>,
    tag_suffix: Option<&'k str>,
}

pub(super) fn transform(layer: &mut Layer<'_>, resources: &mut ResMap) {
    for node in layer.listed("images") {
        let Some(change) = Change::read(layer, node) else { continue };
        for resource in &mut resources.resources {
            if let Err(wrong) = change.apply(resource) {
                let message =
                    format!("`image` of a container in {} is {}", resource.shown(), wrong.kind_name());
                layer.error("image-not-text", &wrong, message);
            }
        }
    }
}

impl<'k> Change<'k> {
    fn read(layer: &mut Layer<'_>, node: &'k Node) -> Option<Self> {
        let item = Item::of(node, "images", &FIELDS, layer)?;
        // without a name it fits nothing
        let name = item.text("name", layer)?;
        // the name is a regular expression for kustomize, which never says so
        let pattern = format!("^{name}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$");
        let Ok(name) = Regex::new(&pattern) else {
            let message = format!("`images.name`: `{}` is not a name of images", name.escape_debug());
            layer.error("bad-image-name", node, message);
            return None;
        };
        Some(Self {
            name,
            new_name: item.text("newName", layer),
            new_tag: item.text("newTag", layer),
            digest: item.text("digest", layer),
            tag_suffix: item.text("tagSuffix", layer),
        })
    }

    /// Fails with the image that is no text.
    fn apply(&self, resource: &mut Resource) -> Result<(), Node> {
        if resource.node.get("kind").and_then(Node::text) == Some("CustomResourceDefinition") {
            return Ok(());
        }
        self.walk(&mut resource.node)?;
        let mut wrong = None;
        for path in PATHS {
            let mut change = |node: &mut Node| {
                if let Err(node) = self.change(node) {
                    wrong.get_or_insert(node);
                }
            };
            // a scalar on the way has been left alone before
            let _ = visit(&mut resource.node, path, Missing::Skip, &mut change);
        }
        wrong.map_or(Ok(()), Err)
    }

    /// Looks for containers at any depth.
    fn walk(&self, node: &mut Node) -> Result<(), Node> {
        match &mut node.value {
            Value::Scalar(_) => Ok(()),
            Value::Sequence(items) => items.iter_mut().try_for_each(|item| self.walk(item)),
            Value::Mapping(entries) => entries.iter_mut().try_for_each(|entry| {
                self.walk(&mut entry.value)?;
                match (CONTAINERS.contains(&entry.key.as_str()), entry.value.items_mut()) {
                    (true, Some(items)) => items.iter_mut().try_for_each(|item| self.container(item)),
                    _ => Ok(()),
                }
            }),
        }
    }

    fn container(&self, container: &mut Node) -> Result<(), Node> {
        container.get_mut("image").map_or(Ok(()), |image| self.change(image))
    }

    fn change(&self, image: &mut Node) -> Result<(), Node> {
        let Value::Scalar(scalar) = &mut image.value else { return Err(image.clone()) };
        if self.name.is_match(&scalar.text) {
            scalar.text = self.changed(&scalar.text);
        }
        Ok(())
    }

    /// A new tag or digest replaces both.
    fn changed(&self, image: &str) -> String {
        let (name, tag, digest) = split(image);
        let suffixed = format!("{tag}{}", self.tag_suffix.unwrap_or_default());
        let (tag, digest) = match (self.new_tag, self.digest, self.tag_suffix) {
            (None, None, Some(_)) => (suffixed.as_str(), ""),
            (None, None, None) => (tag, digest),
            (tag, digest, _) => (tag.unwrap_or_default(), digest.unwrap_or_default()),
        };
        let mut text = self.new_name.unwrap_or(name).to_owned();
        for (separator, part) in [(':', tag), ('@', digest)] {
            if !part.is_empty() {
                text.push(separator);
                text.push_str(part);
            }
        }
        text
    }
}

/// Name, tag and digest; a colon before the first slash is a port's.
fn split(image: &str) -> (&str, &str, &str) {
    let (rest, digest) = image.split_once('@').unwrap_or((image, ""));
    let slash = rest.find('/').unwrap_or(0);
    match rest[slash..].find(':') {
        Some(colon) => (&rest[..slash + colon], &rest[slash + colon + 1..], digest),
        None => (rest, "", digest),
    }
}
