//! What a failed request means: whether it is worth repeating, and what the registry said.

use std::time::Duration;

use oci_distribution::errors::OciEnvelope;
use reqwest::StatusCode;

use super::fetch::body_at;
use super::retry::{Pace, retry_after};
use crate::error::{Error, ErrorKind};

/// Bodies of errors may be whole web pages.
const SAID_LIMIT: usize = 300;
const ERROR_BODY_LIMIT: u64 = 64 << 10;
/// What else is said with a status is not worth more patience.
const ERROR_PACE: Pace = Pace { bytes: ERROR_BODY_LIMIT, within: Duration::from_secs(5) };

pub(super) enum Failure {
    /// It would fail again.
    Final(Error),
    /// The fault is on this side; another registry would not help.
    Ours(Error),
    /// The network or the registry may be well again in a moment.
    Transient(Error),
    /// The registry has said when to come back.
    Busy(Error, Duration),
    /// The registry wants to know who asks.
    Unauthorized(Error),
    /// It knows, and does not give it.
    Denied(Error),
    /// It cannot prove who it is.
    Untrusted(Error),
    /// It does not speak TLS.
    NoTls(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        Self::of_library(error)
    }
}

impl Failure {
    pub(super) fn context(self, doing: &str) -> Self {
        match self {
            Self::Final(error) => Self::Final(error.context(doing)),
            Self::Ours(error) => Self::Ours(error.context(doing)),
            Self::Transient(error) => Self::Transient(error.context(doing)),
            Self::Busy(error, wait) => Self::Busy(error.context(doing), wait),
            Self::Unauthorized(error) => Self::Unauthorized(error.context(doing)),
            Self::Denied(error) => Self::Denied(error.context(doing)),
            Self::Untrusted(error) => Self::Untrusted(error.context(doing)),
            Self::NoTls(error) => Self::NoTls(error.context(doing)),
        }
    }

    /// An answer that is not the wanted one.
    pub(super) async fn of_response(response: reqwest::Response) -> Self {
        let status = response.status();
        let wait = retry_after(status, response.headers());
        let body = body_at(ERROR_PACE, response, ERROR_BODY_LIMIT).await.unwrap_or_default();
        match (Self::of_status(status, &body), wait) {
            (Self::Transient(error), Some(wait)) => Self::Busy(error, wait),
            (failure, _) => failure,
        }
    }

    /// The same by its parts.
    pub(super) fn of_status(status: StatusCode, body: &[u8]) -> Self {
        let said = match serde_json::from_slice::<OciEnvelope>(body) {
            Ok(envelope) => said_in(&envelope),
            Err(_) => printable(&String::from_utf8_lossy(body)),
        };
        let message = match said.is_empty() {
            true => status.to_string(),
            false => format!("{status}: {said}"),
        };
        let error = Error::new(ErrorKind::Image, message);
        match status {
            StatusCode::UNAUTHORIZED => Self::Unauthorized(error),
            // RFC 9110, 15.5.9, and RFC 6585, 4: the client may repeat the request
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Self::Transient(error),
            status if status.is_server_error() => Self::Transient(error),
            StatusCode::NOT_FOUND => Self::Final(not_found(error)),
            StatusCode::FORBIDDEN => Self::Denied(error),
            _ => Self::Final(error),
        }
    }

    /// An error of the HTTP library. Its URL goes: redirects carry signatures in theirs.
    pub(super) fn of_http(error: impl Into<Self>) -> Self {
        error.into()
    }

    fn of_library(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if error.is_builder() {
            return Self::Final(Error::caused(ErrorKind::Image, "making the request", &error));
        }
        let what = match (error.is_timeout(), error.is_connect()) {
            (true, true) => "connecting: timed out",
            (true, false) => "the registry has gone silent",
            (false, true) => "connecting",
            (false, false) => "transferring",
        };
        let ours = Error::caused(ErrorKind::Image, what, &error);
        let text = ours.to_string();
        // neither a wrong certificate nor a wrong name is put right by asking again
        if text.contains("InvalidContentType") {
            return Self::NoTls(ours);
        }
        // the answer of TLS where a client certificate is missing or not liked is an alert
        if text.contains("certificate") || text.contains("Certificate") {
            return Self::Untrusted(ours);
        }
        // a refused connection or an unknown name may be a registry or a network that just starts
        match error.is_connect() {
            true => Self::Transient(ours.hint(
                "check the registry's name and the network; an image that is cached already is used with --pull missing or never",
            )),
            false => Self::Transient(ours),
        }
    }

    /// An error in the middle of a body.
    pub(super) fn of_stream(error: std::io::Error) -> Self {
        match error.downcast::<reqwest::Error>() {
            Ok(error) => Self::of_http(error),
            Err(error) => Self::Transient(Error::caused(ErrorKind::Image, "transferring", &error)),
        }
    }
}

fn not_found(error: Error) -> Error {
    error.hint("check the reference; the registry has no such image")
}

fn said_in(envelope: &OciEnvelope) -> String {
    let each = envelope.errors.iter().map(|error| match error.message.is_empty() {
        true => format!("{:?}", error.code),
        false => error.message.clone(),
    });
    printable(&each.collect::<Vec<_>>().join("; "))
}

/// What a stranger said, fit for a terminal.
pub(super) fn printable(text: &str) -> String {
    let line = text.split(|c: char| c.is_control() || c == ' ').filter(|word| !word.is_empty());
    let line = line.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SAID_LIMIT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_registry_said_is_repeated_without_control_characters() {
        let body = br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest \u001b[31munknown"}]}"#;
        let Failure::Final(error) = Failure::of_status(StatusCode::NOT_FOUND, body) else { panic!() };
        assert_eq!(error.to_string(), "404 Not Found: manifest [31munknown");
        assert!(printable(&"x".repeat(1000)).chars().count() <= SAID_LIMIT + 1);
    }

    #[test]
    fn server_errors_are_worth_repeating_and_client_errors_are_not() {
        for (status, transient) in [(500, true), (503, true), (429, true), (400, false), (404, false)] {
            let failure = Failure::of_status(StatusCode::from_u16(status).unwrap(), b"");
            assert_eq!(matches!(failure, Failure::Transient(_)), transient, "{status}");
        }
        assert!(matches!(Failure::of_status(StatusCode::FORBIDDEN, b""), Failure::Denied(_)));
    }
}
