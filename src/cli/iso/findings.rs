//! What is wrong with an image, a line each.

use airshipctl::iso::{Finding, Severity};

use super::text::{plural, visible};

pub fn lines(findings: &[Finding], more: u64) -> Vec<String> {
    let mut lines: Vec<String> = findings.iter().map(line).collect();
    if more > 0 {
        lines.push(format!("and {}", plural(usize::try_from(more).unwrap_or(usize::MAX), "further finding")));
    }
    lines
}

fn line(finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let at = finding.offset.map_or_else(String::new, |offset| format!("at byte {offset}: "));
    format!("{severity}: {at}{} [{}]", visible(&finding.message), finding.code)
}
