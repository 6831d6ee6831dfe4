//! Rewords an executor's reason for clients: `/health` is the operator's page and names paths, sockets and
//! fixes; an error goes to the client that sent a program. Pure.

/// Maximum length of a reason in characters.
const REASON_CHARS_MAX: usize = 200;

/// Replaces a word that is not for clients.
const HIDDEN: &str = "…";

/// The reason without its hint, and without words that may be a path, an address, a setting or a secret.
pub(crate) fn for_clients(reason: &str) -> String {
    let what = reason.split(" (hint:").next().unwrap_or_default();
    let words: Vec<_> = what.split_whitespace().map(harmless).collect();
    let text: String = words.join(" ").chars().filter(|&c| support::is_visible(c)).collect();
    if text.chars().count() <= REASON_CHARS_MAX {
        return text;
    }
    let mut cut: String = text.chars().take(REASON_CHARS_MAX).collect();
    cut.push_str(HIDDEN);
    cut
}

fn harmless(word: &str) -> String {
    let core = word.trim_end_matches([':', ',', ';', '.', ')', '`']);
    // A lone slash is only a separator.
    let is_private = core.len() > 1 && core.contains(['/', '\\', '@', '=', '$']);
    if is_private { format!("{HIDDEN}{}", &word[core.len()..]) } else { word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_addresses_and_remedies_stay_inside() {
        for (reason, words) in [
            (
                "there is no Docker engine at unix:///var/run/docker.sock (hint: install it with `apt-get install \
                 docker.io`)",
                "there is no Docker engine at …",
            ),
            (
                "failed to write its state to /srv/data/docker: denied (hint: set DATA_DIR)",
                "failed to write its state to …: denied",
            ),
            ("DOCKER_HOST = `tcp://user:secret@host:1` is invalid (hint: x)", "DOCKER_HOST = …` is invalid"),
            (
                "the engine has no image `python-sandbox:latest` (hint: x)",
                "the engine has no image `python-sandbox:latest`",
            ),
            ("TOKEN=secret", "…"),
            ("did not answer within 15 seconds", "did not answer within 15 seconds"),
        ] {
            assert_eq!(for_clients(reason), words);
        }
        let long = for_clients(&"word ".repeat(1000));
        assert_eq!(long.chars().count(), REASON_CHARS_MAX + 1);
        assert_eq!(for_clients("a\u{1b}[2J\nb"), "a[2J b");
    }
}
