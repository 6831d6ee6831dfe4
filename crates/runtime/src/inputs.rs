//! The inputs of a runtime besides the interpreter: our own texts, the lock of its packages, the environment
//! of programs.

use std::collections::BTreeMap;

use crate::{PackageList, stdlib, system_files};
use support::sha256_hex;

/// Prepares matplotlib and the fonts; see the file.
pub(crate) const FONTS: &str = include_str!("../../../runtime/build/fonts.py");
/// What it appends to modules of matplotlib, by the names that it opens.
pub(crate) const FONT_HOOKS: [(&str, &str); 2] = [
    ("font_hook.py", include_str!("../../../runtime/build/font_hook.py")),
    ("mathtext_hook.py", include_str!("../../../runtime/build/mathtext_hook.py")),
];

/// The digest of all inputs of a tree with this list, except the interpreter: the lock, our own texts, the
/// environment.
pub(crate) fn inputs_sha256(list: PackageList) -> String {
    let mut texts = vec![list.lock().to_owned(), FONTS.to_owned()];
    texts.extend(FONT_HOOKS.map(|(_, text)| text.to_owned()));
    texts.extend(stdlib::TEXTS.map(str::to_owned));
    texts.extend(system_files::TEXTS.map(|(_, text)| text.to_owned()));
    texts.extend(program_env().iter().map(|(name, value)| format!("{name}={value}")));
    sha256_hex(texts.join("\0").as_bytes())
}

/// The environment of programs in every sandbox, before that of the request.
pub(crate) fn program_env() -> BTreeMap<String, String> {
    let pairs = [
        ("PATH", "/usr/bin"),
        ("HOME", "/tmp"),
        ("TMPDIR", "/tmp"),
        ("LANG", "C.UTF-8"),
        // There is no display; the other back ends would be tried first.
        ("MPLBACKEND", "Agg"),
        // The agent puts the prepared font cache there.
        ("MPLCONFIGDIR", "/tmp/.matplotlib"),
        ("XDG_CACHE_HOME", "/tmp/.cache"),
        // pandas imports pyarrow if it is installed, whose allocator would start a thread at once: a template
        // must be single-threaded, and a single-threaded program needs no other thread to free memory.
        ("JE_ARROW_MALLOC_CONF", "background_thread:false"),
        // Modules beside the program are used once, and their caches would be returned as output files.
        ("PYTHONDONTWRITEBYTECODE", "1"),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
