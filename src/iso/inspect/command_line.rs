//! Kernel command lines, without the passwords that people put there.

/// What stands for a value that is not shown.
pub const HIDDEN: &str = "(hidden)";
/// A key with one of these in it holds a secret.
const PARTS: [&str; 9] =
    ["passw", "passphrase", "passcode", "secret", "token", "credential", "apikey", "api_key", "private"];
/// So does one whose last word is one of these: `rd.luks.key`, but not `keymap`.
const LAST_WORDS: [&str; 8] = ["key", "pw", "pwd", "pass", "psk", "pin", "auth", "rootpw"];
/// cloud-init takes cloud-config from between these (`cloudinit/util.py`, `read_cc_from_cmdline`).
const CLOUD_CONFIG: (&str, &str) = ("cc:", "end_cc");

/// The command line with `(hidden)` for values of keys that look like passwords or tokens, for credentials in
/// URLs, and for cloud-config; the rest as it is.
pub fn redacted(line: &str) -> String {
    let (begin, end) = CLOUD_CONFIG;
    let is_begin = |at: usize| line[..at].is_empty() || line[..at].ends_with(char::is_whitespace);
    let Some((at, _)) = line.match_indices(begin).find(|(at, _)| is_begin(*at)) else { return words(line) };
    let after = line[at..].split_once(end).map(|(_, after)| format!(" {end}{}", redacted(after)));
    format!("{}{begin} {HIDDEN}{}", words(&line[..at]), after.unwrap_or_default())
}

/// Each word by itself.
fn words(line: &str) -> String {
    split(line).iter().map(|(blank, word)| format!("{blank}{}", parameter(word))).collect()
}

/// Words with the blanks before them; within double quotes blanks are the word's (`lib/cmdline.c`, `next_arg`).
fn split(line: &str) -> Vec<(&str, &str)> {
    let (mut found, mut rest) = (Vec::new(), line);
    while !rest.is_empty() {
        let begin = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
        let (blank, from) = rest.split_at(begin);
        let mut is_quoted = false;
        let end = from.find(|c: char| {
            is_quoted ^= c == '"';
            c.is_whitespace() && !is_quoted
        });
        let (word, after) = from.split_at(end.unwrap_or(from.len()));
        found.push((blank, word));
        rest = after;
    }
    found
}

/// One parameter; its value may be a list of further ones, as in `ds=nocloud;h=a;s=http://...`.
fn parameter(word: &str) -> String {
    let parts = word.split_inclusive([';', '&', '?', ',']);
    parts.map(part).collect()
}

fn part(part: &str) -> String {
    let end = part.trim_end_matches([';', '&', '?', ',']).len();
    let (body, separator) = part.split_at(end);
    let Some((key, value)) = body.rsplit_once('=').filter(|(_, value)| !value.is_empty()) else {
        return without_credentials(body) + separator;
    };
    match is_secret(key) {
        true => {
            // the quote that was opened before the key is closed behind the value
            let quote = if value.ends_with('"') && key.starts_with('"') { "\"" } else { "" };
            format!("{key}={HIDDEN}{quote}{separator}")
        }
        false => format!("{key}={}{separator}", without_credentials(value)),
    }
}

fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let last = key.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    PARTS.iter().any(|part| key.contains(part)) || LAST_WORDS.contains(&last)
}

/// `scheme://user:password@host` (RFC 3986, 3.2.1) without what is before the `@`.
fn without_credentials(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else { return value.to_owned() };
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.rsplit_once('@') {
        Some((user, _)) => format!("{scheme}://{HIDDEN}{}", &rest[user.len()..]),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_look_like_secrets_are_hidden_and_no_others() {
        for (line, expected) in [
            ("", ""),
            ("boot=live  quiet console=ttyS0,115200n8", "boot=live  quiet console=ttyS0,115200n8"),
            ("password=x quiet", "password=(hidden) quiet"),
            ("inst.PassWd=a,b", "inst.PassWd=(hidden),b"),
            ("password=\"a b\" quiet", "password=(hidden) quiet"),
            ("\"password=a b\" quiet", "\"password=(hidden)\" quiet"),
            (
                "rd.luks.key=/k keymap=de keyboard-layouts=de",
                "rd.luks.key=(hidden) keymap=de keyboard-layouts=de",
            ),
            ("api_token=t TOKEN=t join-token=t", "api_token=(hidden) TOKEN=(hidden) join-token=(hidden)"),
            ("ds=nocloud;h=a;token=b;s=/x/", "ds=nocloud;h=a;token=(hidden);s=/x/"),
            ("ds=nocloud;s=http://me:pw@host/x/", "ds=nocloud;s=http://(hidden)@host/x/"),
            (
                "fetch=http://host/a@b?sig=1&access_key=2&x=3",
                "fetch=http://host/a@b?sig=1&access_key=(hidden)&x=3",
            ),
            ("passwd/root-password=x", "passwd/root-password=(hidden)"),
            ("systemd.set_credential=a:b", "systemd.set_credential=(hidden)"),
            ("quiet cc: {a: b c} end_cc splash", "quiet cc: (hidden) end_cc splash"),
            ("quiet cc: a", "quiet cc: (hidden)"),
            ("cc:aend_cc cc: b end_cc acc:1", "cc: (hidden) end_cc cc: (hidden) end_cc acc:1"),
            ("password= token", "password= token"),
            ("pass=é root=é", "pass=(hidden) root=é"),
        ] {
            assert_eq!(redacted(line), expected);
        }
    }
}
