//! The result of `iso diff` for people: `+` only the second has it, `-` only the first, `~` both, differently.

use std::path::Path;

use airshipctl::iso::diff::{Area, Diff, Difference};
use serde_json::Value;

use super::text::visible;

pub fn text(a: &Path, b: &Path, diff: &Diff) -> String {
    if diff.same {
        return "the same\n".to_owned();
    }
    let head = format!("- {}\n+ {}\n", a.display(), b.display());
    diff.differences.iter().fold(head, |text, difference| text + &line(difference) + "\n")
}

fn line(difference: &Difference) -> String {
    let area = match difference.area {
        Area::Image => "image",
        Area::Volume => "volume",
        Area::Boot => "boot",
        Area::Partition => "partition",
        Area::Menu => "menu",
        Area::CloudInit => "cloud-init",
        Area::File => "file",
    };
    let sign = match (&difference.what, &difference.a, &difference.b) {
        (None, None, _) => '+',
        (None, _, None) => '-',
        _ => '~',
    };
    let name = difference.name.iter().map(|name| format!(" {}", visible(name)));
    let mut text = format!("{sign} {area}{}", name.collect::<String>());
    if let Some(what) = &difference.what {
        text += &format!(": {what}");
        if let (Some(a), Some(b)) = (&difference.a, &difference.b) {
            text += &format!(" {}", change(a, b));
        }
    }
    text
}

/// The same value on both sides is said once.
fn change(a: &Value, b: &Value) -> String {
    if a == b { value(a) } else { format!("{} -> {}", value(a), value(b)) }
}

fn value(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => format!("{:?}", text),
        other => visible(&other.to_string()),
    }
}
