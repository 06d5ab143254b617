//! One request for a manifest, one for the rest of a blob.

use std::str::FromStr;

use futures_util::{StreamExt, TryStreamExt};
use oci_distribution::client::{BlobResponse, SizedStream};
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, RANGE};

use super::client::Clients;
use super::failure::Failure;
use super::{Fetched, Sink};
use crate::error::{Error, ErrorKind, Result};
use crate::image::digest::{Digest, Hasher, sha256_hex};
use crate::image::manifest::ACCEPTED;

/// distribution-spec: may be sent, and must then be right.
const DIGEST_HEADER: &str = "docker-content-digest";

/// Fetches the manifest of `name`, a tag or a digest, and computes its digest.
pub(super) async fn manifest(clients: &Clients, name: &str, limit: u64) -> Result<Fetched, Failure> {
    let response = clients.get("manifests", name).header(ACCEPT, ACCEPTED.join(", "));
    let response = response.send().await.map_err(Failure::of_http)?;
    let headers = response.headers().clone();
    if !response.status().is_success() {
        return Err(Failure::of_response(response).await);
    }
    let bytes = body(response, limit).await?;
    let digest = check_digest(name, &headers, &bytes)?;
    Ok(Fetched { bytes, media_type: media_type(&headers), digest })
}

/// The whole body, if it has at most `limit` bytes.
pub(super) async fn body(mut response: reqwest::Response, limit: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(Failure::of_http)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > limit {
            let why = format!("the answer is longer than the {limit} bytes that are taken");
            return Err(Error::new(ErrorKind::Image, why).into());
        }
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

/// Fetches what `sink` lacks; `progress` counts the bytes that arrived, also where it fails.
pub(super) async fn blob(
    clients: &mut Clients,
    digest: &Digest,
    sink: &mut dyn Sink,
    progress: &mut u64,
) -> Result<(), Failure> {
    // a range of nothing cannot be asked for
    if sink.offset() == sink.size() {
        return Ok(());
    }
    clients.authenticate().await?;
    let stream = match open_blob(clients, digest, sink.offset()).await? {
        BlobResponse::Partial(stream) => stream,
        // registries need not heed ranges
        BlobResponse::Full(stream) => {
            sink.restart()?;
            stream
        }
    };
    pump(stream, sink, progress).await?;
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
async fn pump(mut stream: SizedStream, sink: &mut dyn Sink, progress: &mut u64) -> Result<(), Failure> {
    while let Some(chunk) = stream.next().await {
        match chunk {
            Ok(chunk) => {
                *progress += chunk.len() as u64;
                sink.append(&chunk)?;
            }
            // all that was wanted is there; what it is worth is for the sink to say
            Err(_) if sink.offset() == sink.size() => return Ok(()),
            Err(error) => return Err(Failure::of_stream(error)),
        }
    }
    Ok(())
}

async fn open_blob(clients: &Clients, digest: &Digest, offset: u64) -> Result<BlobResponse, Failure> {
    let request = clients.get("blobs", digest.as_ref()).header(RANGE, format!("bytes={offset}-"));
    let response = request.send().await.map_err(Failure::of_http)?;
    let status = response.status();
    if !status.is_success() {
        return Err(Failure::of_response(response).await);
    }
    let stream = response.bytes_stream().map_err(std::io::Error::other).boxed();
    let stream = SizedStream { content_length: None, digest_header_value: None, stream };
    Ok(match status {
        StatusCode::PARTIAL_CONTENT => BlobResponse::Partial(stream),
        _ => BlobResponse::Full(stream),
    })
}
