//! What is known about modules by name.
//!
//! `pandas.io.common.os` is the module `os`; `df.os` is a column. Which one an attribute is cannot be told from the
//! text in general, so a program is refused for an attribute only when three things are known: the walk starts at an
//! imported module, that module belongs to a package listed here, and the name is one that nothing else bears there.
//! Everything else is a warning.

/// Packages whose modules were looked at: the standard library and what programs may import. Sorted.
const KNOWN_PACKAGES: &[&str] = &[
    "PIL", "abc", "aifc", "annotationlib", "argparse", "array", "ast", "asynchat", "asyncio",
    "asyncore", "atexit", "audioop", "base64", "bdb", "binascii", "bisect", "builtins", "bz2",
    "cProfile", "calendar", "certifi", "cgi", "cgitb", "charset_normalizer", "chunk", "cmath",
    "cmd", "code", "codecs", "codeop", "collections", "colorsys", "compileall", "compression",
    "concurrent", "configparser", "contextlib", "contextvars", "contourpy", "copy", "copyreg",
    "crypt", "csv", "ctypes", "curses", "cycler", "dataclasses", "datetime", "dateutil", "dbm",
    "decimal", "difflib", "dis", "distutils", "doctest", "email", "encodings", "ensurepip", "enum",
    "errno", "et_xmlfile", "faulthandler", "fcntl", "filecmp", "fileinput", "fnmatch", "fontTools",
    "fractions", "ftplib", "functools", "gc", "genericpath", "getopt", "getpass", "gettext", "glob",
    "graphlib", "grp", "gzip", "hashlib", "heapq", "hmac", "html", "http", "idlelib", "idna",
    "imaplib", "imghdr", "imp", "importlib", "inspect", "io", "ipaddress", "itertools", "json",
    "keyword", "kiwisolver", "lib2to3", "linecache", "locale", "logging", "lzma", "mailbox",
    "mailcap", "marshal", "math", "matplotlib", "mimetypes", "mmap", "modulefinder", "mpl_toolkits",
    "msilib", "msvcrt", "multiprocessing", "netrc", "nis", "nntplib", "nt", "ntpath", "nturl2path",
    "numbers", "numpy", "opcode", "openpyxl", "operator", "optparse", "os", "ossaudiodev",
    "packaging", "pandas", "pathlib", "pdb", "pickle", "pickletools", "pipes", "pkgutil",
    "platform", "plistlib", "poplib", "posix", "posixpath", "pprint", "profile", "pstats", "pty",
    "pwd", "py_compile", "pyclbr", "pydoc", "pydoc_data", "pyexpat", "pyparsing", "pytz", "queue",
    "quopri", "random", "re", "readline", "reprlib", "requests", "resource", "rlcompleter", "runpy",
    "sched", "scipy", "secrets", "select", "selectors", "shelve", "shlex", "shutil", "signal",
    "site", "six", "smtpd", "smtplib", "sndhdr", "socket", "socketserver", "spwd", "sqlite3",
    "sre_compile", "sre_constants", "sre_parse", "ssl", "stat", "statistics", "string",
    "stringprep", "struct", "subprocess", "sunau", "symtable", "sys", "sysconfig", "syslog",
    "tabnanny", "tarfile", "telnetlib", "tempfile", "termios", "textwrap", "threading", "time",
    "timeit", "tkinter", "token", "tokenize", "tomllib", "trace", "traceback", "tracemalloc", "tty",
    "turtle", "turtledemo", "types", "typing", "unicodedata", "unittest", "urllib", "urllib3", "uu",
    "uuid", "venv", "warnings", "wave", "weakref", "webbrowser", "winreg", "winsound", "wsgiref",
    "xdrlib", "xml", "xmlrpc", "zipapp", "zipfile", "zipimport", "zlib", "zoneinfo",
];

/// Names that in the known packages are that module and nothing else. Measured over the whole standard library: of
/// all its modules that have one of these attributes, only those of [`NAMESAKES`] have something else. Names such as
/// `signal`, `random`, `select`, `io` and `platform` are left out: functions and submodules bear them too. Sorted.
const UNMISTAKABLE: &[&str] = &[
    "builtins", "ctypes", "faulthandler", "ftplib", "grp", "importlib", "marshal", "msvcrt",
    "multiprocessing", "os", "pathlib", "pkgutil", "posix", "pty", "pwd", "runpy", "shutil",
    "smtplib", "socket", "socketserver", "sqlite3", "subprocess", "sys", "tempfile", "termios",
    "threading", "tracemalloc", "webbrowser",
];

/// Modules that only look like the forbidden ones.
const NAMESAKES: &[&str] = &["asyncio.subprocess"];

/// Whether the top-level package of the dotted `path` is a known one.
pub(crate) fn is_known(path: &str) -> bool {
    let top = path.split('.').next().unwrap_or_default();
    KNOWN_PACKAGES.binary_search(&top).is_ok()
}

/// The module that an attribute of this name is, when the name is unmistakable. A leading underscore is how modules
/// hide what they import: `random._os`.
pub(crate) fn unmistakable(attribute: &str) -> Option<&str> {
    let name = attribute.trim_start_matches('_');
    UNMISTAKABLE.binary_search(&name).is_ok().then_some(name)
}

/// Whether the dotted `path` is a module of its own that only bears the name of another.
pub(crate) fn is_namesake(path: &str) -> bool {
    NAMESAKES.contains(&path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted() {
        assert!(KNOWN_PACKAGES.is_sorted() && UNMISTAKABLE.is_sorted());
    }

    #[test]
    fn names_are_told_apart() {
        assert!(is_known("pandas.io.common") && is_known("os") && !is_known("df"));
        assert_eq!(unmistakable("_os"), Some("os"));
        assert_eq!(unmistakable("random"), None);
        assert!(is_namesake("asyncio.subprocess"));
    }
}
