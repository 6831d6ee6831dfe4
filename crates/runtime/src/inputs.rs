//! What a runtime is made from beside the interpreter: texts of ours, the lock of its packages, the environment of programs.

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

/// The digest of what every tree with this list is made from beside the interpreter: the lock, our own texts, the
/// environment.
pub(crate) fn inputs_sha256(list: PackageList) -> String {
    let mut texts = vec![list.lock().to_owned(), FONTS.to_owned()];
    texts.extend(FONT_HOOKS.map(|(_, text)| text.to_owned()));
    texts.extend(stdlib::TEXTS.map(str::to_owned));
    texts.extend(system_files::TEXTS.map(|(_, text)| text.to_owned()));
    texts.extend(program_env().iter().map(|(name, value)| format!("{name}={value}")));
    sha256_hex(texts.join("\0").as_bytes())
}

/// The environment that programs get in every sandbox, before what the request adds.
pub(crate) fn program_env() -> BTreeMap<String, String> {
    let pairs = [
        ("PATH", "/usr/bin"),
        ("HOME", "/tmp"),
        ("TMPDIR", "/tmp"),
        ("LANG", "C.UTF-8"),
        // There is no display; the others would be tried first.
        ("MPLBACKEND", "Agg"),
        // The agent puts the prepared font cache there.
        ("MPLCONFIGDIR", "/tmp/.matplotlib"),
        ("XDG_CACHE_HOME", "/tmp/.cache"),
        // pandas imports pyarrow where it is, whose allocator would start a thread at once: a template must have one
        // thread alone, and a program of one needs no other to give memory back.
        ("JE_ARROW_MALLOC_CONF", "background_thread:false"),
        // Modules beside the program are used once, and their caches would be taken for output files.
        ("PYTHONDONTWRITEBYTECODE", "1"),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
