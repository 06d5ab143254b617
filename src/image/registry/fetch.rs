//! One request for a manifest, one for the rest of a blob.

use std::str::FromStr;

use futures_util::{StreamExt, TryStreamExt};
use oci_distribution::client::{BlobResponse, SizedStream};
use reqwest::header::{ACCEPT, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, RANGE};
use reqwest::{Response, StatusCode};

use super::failure::Failure;
use super::place::Visit;
use super::retry::{Pace, Watch};
use super::{Fetched, Sink};
use crate::error::{Error, ErrorKind, Result};
use crate::image::digest::{Digest, Hasher, sha256_hex};
use crate::image::manifest::ACCEPTED;

/// distribution-spec: may be sent, and must then be right.
const DIGEST_HEADER: &str = "docker-content-digest";

/// Fetches the manifest of `name`, a tag or a digest, and computes its digest.
pub(super) async fn manifest(visit: &mut Visit<'_, '_>, name: &str, limit: u64) -> Result<Fetched, Failure> {
    let request = visit.ask(|clients| clients.get("manifests", name)).await?;
    let response = request.header(ACCEPT, ACCEPTED.join(", ")).send().await.map_err(Failure::of_http)?;
    let headers = response.headers().clone();
    if !response.status().is_success() {
        return Err(Failure::of_response(response).await);
    }
    let bytes = body_at(visit.place.options.slowest, response, limit).await?;
    let digest = check_digest(name, &headers, &bytes)?;
    Ok(Fetched { bytes, media_type: media_type(&headers), digest })
}

/// The whole body, if it has at most `limit` bytes and comes at this pace at least.
pub(super) async fn body_at(pace: Pace, mut response: Response, limit: u64) -> Result<Vec<u8>, Failure> {
    let (mut bytes, mut watch) = (Vec::new(), Watch::new(pace));
    let too_long = || {
        let why = format!("the answer is longer than the {limit} bytes that are taken");
        Error::new(ErrorKind::Image, why)
    };
    // what says that it is too long need not be read to be believed
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(too_long().into());
    }
    while let Some(chunk) = response.chunk().await.map_err(Failure::of_http)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > limit {
            return Err(too_long().into());
        }
        watch.took(chunk.len())?;
    }
    Ok(bytes)
}

fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next()?.trim().to_owned())
}

/// The digest of the bytes, in the algorithm of the digest asked for. What the header claims of
/// them must agree: one of both would be a lie to somebody.
fn check_digest(name: &str, headers: &HeaderMap, bytes: &[u8]) -> Result<Digest> {
    let asked = Digest::from_str(name).ok();
    let claimed = headers.get(DIGEST_HEADER).and_then(|value| Digest::from_str(value.to_str().ok()?).ok());
    for digest in asked.iter().chain(&claimed) {
        let computed = compute(digest, bytes);
        if computed.as_deref().is_some_and(|hex| hex != digest.digest()) {
            let whose =
                if asked.as_ref() == Some(digest) { "the one asked for" } else { "the registry's header" };
            let got = format!("{}:{}", digest.algorithm(), computed.unwrap_or_default());
            let why = format!("the digest of what the registry sent is {got}, {whose} is {digest}");
            return Err(Error::new(ErrorKind::Image, why));
        }
    }
    match asked {
        Some(digest) => Ok(digest),
        None => sha256(bytes),
    }
}

fn compute(like: &Digest, bytes: &[u8]) -> Option<String> {
    let mut hasher = Hasher::new(like.algorithm())?;
    hasher.update(bytes);
    Some(hasher.hex())
}

fn sha256(bytes: &[u8]) -> Result<Digest> {
    Digest::from_str(&format!("sha256:{}", sha256_hex(bytes)))
        .map_err(|error| Error::caused(ErrorKind::Internal, "making a digest", &error))
}

/// Fetches what `sink` lacks, and has it compared with the digest.
pub(super) async fn blob(
    visit: &mut Visit<'_, '_>,
    digest: &Digest,
    sink: &mut dyn Sink,
) -> Result<(), Failure> {
    loop {
        let resumed = sink.offset() > 0;
        rest(visit, digest, sink).await?;
        let Some(got) = sink.differs().map_err(Failure::Ours)? else { return Ok(()) };
        if !resumed {
            let why = format!("the registry sent other bytes, of digest {got}");
            return Err(Error::new(ErrorKind::Image, why).into());
        }
        // an earlier run may be at fault, since a loss of power leaves zeros, or another place
        tracing::warn!("fetching blob {digest}: what had come before is damaged; starting over");
    }
}

async fn rest(visit: &mut Visit<'_, '_>, digest: &Digest, sink: &mut dyn Sink) -> Result<(), Failure> {
    // a range of nothing cannot be asked for
    if sink.offset() == sink.size() {
        return Ok(());
    }
    let stream = match open_blob(visit, digest, sink).await? {
        BlobResponse::Partial(stream) => stream,
        // registries need not heed ranges
        BlobResponse::Full(stream) => {
            sink.restart().map_err(Failure::Ours)?;
            stream
        }
    };
    let outcome = pump(visit.place.options.slowest, stream, sink).await;
    visit.reached = sink.offset();
    outcome?;
    match sink.size() - sink.offset() {
        0 => Ok(()),
        missing => {
            let why = format!("the registry's answer ended {missing} bytes too early");
            Err(Failure::Transient(Error::new(ErrorKind::Image, why)))
        }
    }
}

/// Reads to the end of the answer, past the last byte that is wanted: one that goes on is a fault,
/// and only a connection that was read to its end can be used again.
async fn pump(pace: Pace, mut stream: SizedStream, sink: &mut dyn Sink) -> Result<(), Failure> {
    let mut watch = Watch::new(pace);
    let size = sink.size();
    let too_long = || {
        let why = format!("the registry's answer is longer than the {size} bytes of the descriptor");
        Error::new(ErrorKind::Image, why)
    };
    if stream.content_length.is_some_and(|length| length > size - sink.offset()) {
        return Err(too_long().into());
    }
    while let Some(chunk) = stream.next().await {
        match chunk {
            Ok(chunk) if chunk.len() as u64 > size - sink.offset() => return Err(too_long().into()),
            Ok(chunk) => {
                sink.append(&chunk).map_err(Failure::Ours)?;
                watch.took(chunk.len())?;
            }
            // all that was wanted is there; what it is worth is for the sink to say
            Err(_) if sink.offset() == size => return Ok(()),
            Err(error) => return Err(Failure::of_stream(error)),
        }
    }
    Ok(())
}

/// Asks for what is lacking.
async fn open_blob(
    visit: &mut Visit<'_, '_>,
    digest: &Digest,
    sink: &mut dyn Sink,
) -> Result<BlobResponse, Failure> {
    let request = visit.ask(|clients| clients.get("blobs", digest.as_ref())).await?;
    let request = match sink.offset() {
        0 => request,
        offset => request.header(RANGE, format!("bytes={offset}-")),
    };
    let response = request.send().await.map_err(Failure::of_http)?;
    let (status, content_length) = (response.status(), response.content_length());
    if !status.is_success() {
        return Err(Failure::of_response(response).await);
    }
    if status == StatusCode::PARTIAL_CONTENT {
        check_range(response.headers(), sink)?;
    }
    let stream = response.bytes_stream().map_err(std::io::Error::other).boxed();
    let stream = SizedStream { content_length, digest_header_value: None, stream };
    Ok(match status {
        StatusCode::PARTIAL_CONTENT => BlobResponse::Partial(stream),
        _ => BlobResponse::Full(stream),
    })
}

/// Whether the range is the one that was asked for (RFC 9110, 14.4). Where it is not, nothing can
/// be asked of this registry but the whole: the next attempt does so.
fn check_range(headers: &HeaderMap, sink: &mut dyn Sink) -> Result<(), Failure> {
    let value = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let parsed = value.strip_prefix("bytes ").and_then(|range| range.split_once('/'));
    let first = parsed.and_then(|(range, _)| range.split_once('-')?.0.parse::<u64>().ok());
    let total = parsed.and_then(|(_, total)| total.parse::<u64>().ok());
    if first == Some(sink.offset()) && total.is_none_or(|total| total == sink.size()) {
        return Ok(());
    }
    let (offset, size) = (sink.offset(), sink.size());
    let why = format!("the registry sent the range {value:?} where bytes {offset} to {size} were wanted");
    sink.restart().map_err(Failure::Ours)?;
    Err(Failure::Transient(Error::new(ErrorKind::Image, why)))
}
