//! What people see.

use super::*;

#[test]
fn the_view_has_todays_spelling() {
    let config = config(
        "current-context: a\ncontexts:\n  a-b: {context-kubeconf: x}\nmanifests: {m: {sub-path: 'no', x-y: no}}\n",
    );
    assert_eq!(
        config.view(),
        "currentContext: a\ncontexts:\n  a-b:\n    contextKubeconf: x\nmanifests:\n  m:\n    subPath: \"no\"\n    x-y: no\n"
    );
    assert_eq!(
        config.view_json().to_string(),
        "{\"currentContext\":\"a\",\"contexts\":{\"a-b\":{\"contextKubeconf\":\"x\"}},\"manifests\":{\"m\":{\"subPath\":\"no\",\"x-y\":false}}}"
    );
}

#[test]
fn the_view_hides_what_is_secret() {
    let text = "
users:
  admin: {token: S3C, username: op, client-key-data: S3C, client-key: /path, auth-provider: {config: {x: S3C}}, odd: [S3C], token:S3C}
  two: {'S3C 1': {'S3C 2': S3C}, 'S3C 3':}
  three: S3C
  four: [S3C]
auth-infos: [{name: op, user: {password: S3C}}]
bootstrapInfo:
  b:
    container:
      env: [{name: TOKEN, value: S3C}, 'API_TOKEN=S3C', HTTP=1]
      registryPassword: 's3c S3C'
      proxy: http://u:S3C@registry.example:3128/x?token=S3C&a=b
      secretName: shown
      keys: {sshPass: S3C, key-pass: 12345678, tokens: [S3C]}
      pem: |
        -----BEGIN RSA PRIVATE KEY-----
        S3C
manifests:
  m:
    repositories:
      r: {url: 'https://S3C@registry.example/r.git', auth: {type: http-basic, http-pass: S3C}}
      s: {url: 'ssh://git@registry.example/r.git', auth: {}}
      t: {url: 'https://u:S3,&?#C@registry.example/r.git'}
      u: {url: {Scheme: https, Path: /r, User: {password: S3C}}}
";
    let config = config(text);
    for view in [config.view(), config.view_json().to_string()] {
        for secret in ["S3", "12345678", "s3c"] {
            assert!(!view.contains(secret), "{view}");
        }
        for word in [
            "/path",
            "op",
            "shown",
            "HTTP=1",
            "a=b",
            "ssh://git@registry.example/r.git",
            "registry.example:3128",
        ] {
            assert!(view.contains(word), "{word}: {view}");
        }
    }
    assert!(!format!("{config:?}").contains("S3C"));
}
