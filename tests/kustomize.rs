//! Every case of tests/kustomize against what is committed for it, which is what kustomize makes of it
//! unless the case says why we differ. `scripts/test-kustomize.sh` asks kustomize itself.

#[path = "kustomize/again.rs"]
mod again;
#[path = "kustomize/cases.rs"]
mod cases;
#[path = "common/fuzz.rs"]
// the shared part has more than one test needs
#[allow(dead_code)]
mod fuzz;
#[path = "kustomize/mutants.rs"]
mod mutants;

use airshipctl::error::{Error, ErrorKind};
use airshipctl::site::document::{DocumentSet, Source};
use cases::{Case, Expected};

/// The rendered stream, as `airshipctl document render` prints it.
fn render(case: &Case) -> Result<String, Error> {
    let root = tempfile::tempdir().unwrap();
    let set = DocumentSet::read(&Source::Path(case.write(root.path())))?;
    Ok(again::stream(&set))
}

/// What is wrong with how a case came out.
fn disagreement(case: &Case) -> Option<String> {
    match (&case.expected, render(case)) {
        (Expected::Rendered(text), Ok(ours)) if *text == ours => None,
        (Expected::Rendered(text), Ok(ours)) => Some(first_difference(text, &ours)),
        (Expected::Rendered(_), Err(error)) => Some(format!("refused: {error}")),
        (Expected::Refused(code), Ok(_)) => Some(format!("rendered, and has to be refused with {code}")),
        (Expected::Refused(code), Err(error)) => unlike_a_refusal(code, &error),
    }
}

/// A refusal is about the documents, its first fault has the code, and each names a file and has one.
fn unlike_a_refusal(code: &str, error: &Error) -> Option<String> {
    let faults = error.fault_list();
    let has_code = faults.first().is_some_and(|fault| fault.code.as_deref() == Some(code));
    let bare = faults.iter().any(|fault| fault.at.is_none() || fault.code.is_none());
    let good = error.kind() == ErrorKind::Documents && has_code && !bare;
    (!good).then(|| format!("expected a refusal with {code}: {error}"))
}

fn first_difference(expected: &str, ours: &str) -> String {
    let (mut expected, mut ours) = (expected.lines(), ours.lines());
    for number in 1.. {
        match (expected.next(), ours.next()) {
            (None, None) => break,
            (a, b) if a == b => {}
            (a, b) => return format!("line {number}: expected {a:?}, ours {b:?}"),
        }
    }
    "line breaks at the end".into()
}

#[test]
fn every_case_is_rendered_as_kustomize_renders_it() {
    let cases = cases::all();
    assert!(cases.len() >= 300, "{} cases were found", cases.len());
    let told =
        |case: &Case| disagreement(case).map(|what| format!("{}: {}: {what}", case.feature, case.name));
    let wrong: Vec<_> = cases.iter().filter_map(told).collect();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn names_of_cases_are_unique_and_every_one_has_files_and_an_expectation() {
    let cases = cases::all();
    let mut names: Vec<_> = cases.iter().map(|case| (&case.feature, &case.name)).collect();
    names.sort();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(cases.iter().all(|case| !case.files.is_empty()));
}
