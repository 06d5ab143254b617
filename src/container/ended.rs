//! How a builder ended, and what is said of it.

use nix::libc;
use serde::{Deserialize, Serialize};

use super::limits::in_words;
use crate::error::{Error, ErrorKind, Result};

/// Whether the kernel killed a process of a container because memory ran out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutOfMemory {
    No,
    Yes,
    /// The container has no cgroup that would tell.
    #[default]
    Unknown,
}

/// The builder's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Its exit code, or 128 + the number of the signal.
    pub code: i32,
    pub out_of_memory: OutOfMemory,
}

impl Exit {
    /// Fails with `Builder` unless the code is 0. `memory` is the limit in bytes.
    pub fn judge(self, memory: Option<u64>) -> Result<()> {
        if self.code != 0 {
            return Err(ended_with(self, memory));
        }
        if self.out_of_memory == OutOfMemory::Yes {
            tracing::warn!("the kernel killed a process of the builder for want of memory");
        }
        Ok(())
    }
}

fn ended_with(exit: Exit, memory: Option<u64>) -> Error {
    let code = exit.code;
    let how = match code {
        129..=192 => format!("was killed by signal {} (exit code {code})", code - 128),
        _ => format!("ended with exit code {code}"),
    };
    let error = |text: String| Error::new(ErrorKind::Builder, text);
    match (exit.out_of_memory, memory) {
        (OutOfMemory::Yes, Some(limit)) => {
            error(format!("the builder ran out of memory (limit {}) and {how}", in_words(limit)))
                .hint("give it more with --memory")
        }
        (OutOfMemory::Yes, None) => error(format!("the builder ran out of memory and {how}"))
            .hint("this host was short of memory; free some, or build elsewhere"),
        // nobody here sent it: a timeout and an interrupt are told before
        (OutOfMemory::Unknown, _) if code == 128 + libc::SIGKILL => error(format!("the builder {how}"))
            .hint("if it did not kill itself, the kernel may have been short of memory; dmesg(1) tells"),
        _ => error(format!("the builder {how}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: i32, out_of_memory: OutOfMemory, memory: Option<u64>) -> Error {
        let error = ended_with(Exit { code, out_of_memory }, memory);
        assert_eq!(error.kind(), ErrorKind::Builder);
        error
    }

    #[test]
    fn want_of_memory_is_named_with_its_limit() {
        let error = of(137, OutOfMemory::Yes, Some(64 << 20));
        let says = "the builder ran out of memory (limit 64 MiB) and was killed by signal 9 (exit code 137)";
        assert_eq!(error.to_string(), says);
        assert_eq!(error.hint_text(), Some("give it more with --memory"));
        assert!(
            of(1, OutOfMemory::Yes, None)
                .to_string()
                .contains("ran out of memory and ended with exit code 1")
        );
    }

    #[test]
    fn a_kill_that_nobody_explains_gets_a_hint() {
        assert!(of(137, OutOfMemory::Unknown, None).hint_text().is_some_and(|hint| hint.contains("memory")));
        assert_eq!(of(137, OutOfMemory::No, None).hint_text(), None);
        assert_eq!(of(139, OutOfMemory::Unknown, None).hint_text(), None);
    }
}
