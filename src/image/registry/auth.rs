//! From a credential to what a request carries (distribution's token authentication, RFC 7235).
//!
//! Done here and not by `oci-client`, which knows no identity tokens and no client certificates,
//! and keeps the reasons of refusals to itself.

use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use serde_json::Value;

use super::credentials::Credential;
use super::failure::Failure;
use super::fetch::body_at;
use super::proxy::Route;
use super::retry::Pace;
use super::transport::{self, Transport};
use crate::error::{Error, ErrorKind, Result};

/// Tokens with many claims have some kilobytes.
const TOKEN_LIMIT: u64 = 1 << 20;
/// Token servers log it; it is no secret (distribution, "oauth.md").
const CLIENT_ID: &str = "airshipctl";

/// What a request carries. Never shown.
pub(super) enum Authorization {
    /// The registry said nothing of any.
    Unasked,
    /// We have none.
    None,
    Basic {
        user: String,
        password: String,
    },
    Bearer(String),
}

impl Authorization {
    pub(super) fn apply(&self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Self::Unasked | Self::None => request,
            Self::Basic { user, password } => request.basic_auth(user, Some(password)),
            Self::Bearer(token) => request.bearer_auth(token),
        }
    }
}

/// How a registry wants to be asked.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Bearer { realm: String, service: Option<String> },
    Basic,
}

/// How what the registry wants is got.
pub(super) struct Asking<'a> {
    pub(super) http: &'a reqwest::Client,
    pub(super) transport: &'a Transport,
    pub(super) route: Route,
    /// Any address of the registry.
    pub(super) registry: Url,
    /// The least of what has to come.
    pub(super) pace: Pace,
}

impl Asking<'_> {
    /// Gets what a registry wants, which `answer` to a request without credentials says.
    pub(super) async fn authorize(
        &self,
        answer: Response,
        repository: &str,
        credential: Option<&Credential>,
    ) -> Result<Authorization, Failure> {
        // what a host says to which the registry has sent us is not the registry's wish
        let asked = match answer.url().host_str() == self.registry.host_str() {
            true => challenge(answer.headers()),
            false => None,
        };
        match (asked, credential) {
            (Some(Challenge::Bearer { realm, service }), _) => {
                let scope = format!("repository:{repository}:pull");
                let make =
                    |http: &_, realm: Url| token_request(http, realm, service.as_deref(), &scope, credential);
                let token = self.token(&realm, make).await;
                token.map(Authorization::Bearer).map_err(|failure| failure.context("getting a token"))
            }
            (Some(Challenge::Basic), Some(Credential::Basic { user, password })) => {
                Ok(Authorization::Basic { user: user.clone(), password: password.clone() })
            }
            (Some(Challenge::Basic), Some(Credential::Identity(_))) => {
                let why =
                    "the registry wants a user name and a password, and there is only an identity token";
                Err(Error::new(ErrorKind::Image, why).into())
            }
            // the request itself will say whether that is enough
            (Some(Challenge::Basic), None) => Ok(Authorization::None),
            (None, _) => unasked(answer).await,
        }
    }
}

impl Asking<'_> {
    /// Asks for a token. The credentials go to the realm, wherever it is: that is the protocol. What
    /// proves who we are and whom we trust is each host's own, as with redirects.
    async fn token(
        &self,
        realm: &str,
        make: impl FnOnce(&reqwest::Client, Url) -> RequestBuilder,
    ) -> Result<String, Failure> {
        let refuse =
            |why: &str| Error::new(ErrorKind::Image, format!("following the realm that it names: {why}"));
        let realm = Url::parse(realm).map_err(|_| refuse("it leads to what is no address"))?;
        transport::leads(&self.registry, &realm).map_err(refuse)?;
        let answer = match transport::place(&realm) == transport::place(&self.registry) {
            true => self.transport.send(make(self.http, realm), self.route).await?,
            false => self.transport.send_to(&realm.clone(), |http| make(http, realm)).await?,
        };
        token(answer, self.pace).await
    }
}

/// A registry that does not ask who we are serves everybody, or is not well.
async fn unasked(answer: Response) -> Result<Authorization, Failure> {
    let status = answer.status();
    match status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        true => Err(Failure::of_response(answer).await),
        false => Ok(Authorization::Unasked),
    }
}

/// The first challenge that we can meet; tokens are preferred, since they can do less.
fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let texts = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let all: Vec<_> = texts.filter_map(|text| http_auth::parse_challenges(text).ok()).flatten().collect();
    let bearer = all.iter().filter(|it| it.scheme.eq_ignore_ascii_case("bearer")).find_map(|it| {
        let parameter = |name: &str| {
            let found = it.params.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.to_unescaped())
        };
        Some(Challenge::Bearer { realm: parameter("realm")?, service: parameter("service") })
    });
    let basic = || all.iter().any(|it| it.scheme.eq_ignore_ascii_case("basic")).then_some(Challenge::Basic);
    bearer.or_else(basic)
}

/// A password is shown by GET, an identity token is exchanged by POST: that is what token servers
/// know (distribution, "token.md" and "oauth.md").
fn token_request(
    http: &reqwest::Client,
    realm: Url,
    service: Option<&str>,
    scope: &str,
    credential: Option<&Credential>,
) -> RequestBuilder {
    let mut asked = vec![("scope", scope)];
    asked.extend(service.map(|service| ("service", service)));
    match credential {
        None => http.get(realm).query(&asked),
        Some(Credential::Basic { user, password }) => {
            asked.push(("account", user));
            http.get(realm).query(&asked).basic_auth(user, Some(password))
        }
        Some(Credential::Identity(token)) => {
            asked.extend([
                ("grant_type", "refresh_token"),
                ("refresh_token", token.as_str()),
                ("client_id", CLIENT_ID),
            ]);
            http.post(realm).form(&asked)
        }
    }
}

/// Nothing of a good answer is quoted: it is the secret.
async fn token(answer: Response, pace: Pace) -> Result<String, Failure> {
    if !answer.status().is_success() {
        return Err(Failure::of_response(answer).await);
    }
    let text = body_at(pace, answer, TOKEN_LIMIT).await?;
    let value = serde_json::from_slice::<Value>(&text).unwrap_or_default();
    let member = |name: &str| value.get(name).and_then(Value::as_str).filter(|token| !token.is_empty());
    match member("token").or_else(|| member("access_token")) {
        Some(token) if HeaderValue::from_str(token).is_ok() => Ok(token.to_owned()),
        _ => Err(Error::new(ErrorKind::Image, "there is none in the answer").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        challenge(&headers)
    }

    #[test]
    fn a_token_is_preferred_to_a_password() {
        let bearer = r#"Bearer realm="https://registry.example/token",service="a b""#;
        let expected =
            Challenge::Bearer { realm: "https://registry.example/token".into(), service: Some("a b".into()) };
        assert_eq!(of(&["Basic realm=\"x\"", bearer]), Some(expected));
        assert_eq!(of(&["basic realm=x"]), Some(Challenge::Basic));
        assert!(matches!(of(&[&format!("Basic realm=\"x\", {bearer}")]), Some(Challenge::Bearer { .. })));
    }

    #[test]
    fn challenges_that_make_no_sense_are_none() {
        for values in [&[][..], &["Negotiate"], &["Bearer service=\"x\""], &["\"\"\"="], &[""]] {
            assert_eq!(of(values), None, "{values:?}");
        }
    }
}
