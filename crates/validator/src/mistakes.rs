//! Common causes of a syntax error, in one sentence with the fix: a Markdown fence around the code, a
//! notebook command, quotes from a word processor.
//!
//! Programs come from language models, and `invalid syntax` tells them little. None of this is a guess: it is
//! used only for a program that does not compile, and each row of [`TABLE`] checks the position of the error,
//! or repairs the text and verifies that it compiles then. CPython's own message and position stay as they
//! are, the hint is appended.

use ruff_python_ast::{Expr, PythonVersion, Stmt};
use ruff_python_parser::{Mode, ParseOptions};

use crate::cpython::Worded;
use crate::cpython::tokens::TABS_MIXED;

/// A syntax error and the text around it.
struct Failure<'s> {
    text: &'s str,
    /// Byte offset of the error.
    at: usize,
    message: &'s str,
    python: (u8, u8),
    /// Byte offset of its line.
    line_start: usize,
    /// Its line without the line end.
    line: &'s str,
}

/// Explains a failure, if it is of its kind.
type Check = fn(&Failure<'_>) -> Option<String>;

/// In this order; the first match wins.
const TABLE: &[Check] = &[
    fence,
    conflict_marker,
    prompt,
    quoted_program,
    escaped_text,
    entity,
    notebook_command,
    shell_command,
    markup,
    character,
    python_2,
    mixed_tabs,
];

/// Adds the hint to an error of `text`, if there is one.
pub(crate) fn add_hint(worded: &mut Worded, text: &str, python: (u8, u8)) {
    let at = text.floor_char_boundary(worded.at.to_usize());
    let line_start = text[..at].rfind(['\n', '\r']).map_or(0, |end| end + 1);
    let line = text[line_start..].split(['\n', '\r']).next().unwrap_or_default();
    let failure = Failure { text, at, message: &worded.message, python, line_start, line };
    if let Some(hint) = TABLE.iter().find_map(|check| check(&failure)) {
        worded.message.push_str(&format!(" (hint: {hint})"));
    }
}

/// Why a program that compiles does nothing at all: it is a text in quotes, or only comments.
pub(crate) fn nothing_to_run(body: &[Stmt], text: &str) -> Option<String> {
    let is_text = |statement: &Stmt| matches!(statement, Stmt::Expr(expression) if matches!(*expression.value, Expr::StringLiteral(_)));
    if !body.iter().all(is_text) {
        return None;
    }
    let message = if !body.is_empty() {
        "the program is only a string in quotes, which does nothing: send the code without the quotes"
    } else if text.contains("\\n") {
        "the program is a single comment, because its line breaks were sent as the two characters `\\n`: send it as plain text"
    } else {
        "the program contains only comments, so it does nothing"
    };
    Some(message.to_owned())
}

impl<'s> Failure<'s> {
    /// The text from the error on.
    fn rest(&self) -> &'s str {
        &self.text[self.at..]
    }

    /// The error's line up to the error.
    fn before(&self) -> &'s str {
        &self.text[self.line_start..self.at]
    }

    /// Whether the error is the first thing on its line.
    fn is_first(&self) -> bool {
        self.before().trim().is_empty()
    }

    fn compiles(&self, text: &str) -> bool {
        let (major, minor) = self.python;
        let options = ParseOptions::from(Mode::Module).with_target_version(PythonVersion { major, minor });
        let parsed = ruff_python_parser::parse_unchecked(text, options);
        !text.trim().is_empty() && parsed.errors().is_empty() && parsed.unsupported_syntax_errors().is_empty()
    }
}

/// "```python", and text around it.
fn fence(failure: &Failure<'_>) -> Option<String> {
    let is_fence = |line: &str| {
        let line = line.trim();
        line.starts_with("```") || (line.len() >= 3 && line.bytes().all(|byte| byte == b'~'))
    };
    if is_fence(failure.line) {
        return Some("remove the Markdown fence (```) and send only the code".to_owned());
    }
    // Text around the fence: then what is inside compiles, and the error is outside of it.
    let mut fences = lines(failure.text).filter(|(_, line)| is_fence(line));
    let (opening, opening_line) = fences.next()?;
    let (closing, _) = fences.next().unwrap_or((failure.text.len(), ""));
    let inside = failure.text.get(opening + opening_line.len()..closing)?;
    // In a string a fence is valid.
    if ["\"\"\"", "'''"].iter().any(|quotes| failure.text[..opening].contains(quotes)) {
        return None;
    }
    let is_outside = failure.at < opening || failure.at >= closing;
    (is_outside && failure.compiles(inside)).then(|| {
        "remove the text around the Markdown fence (```) and the fence, and send only the code".to_owned()
    })
}

/// Lines with their byte offsets.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_inclusive(['\n', '\r']).scan(0, |offset, line| {
        let start = *offset;
        *offset += line.len();
        Some((start, line.trim_end_matches(['\n', '\r'])))
    })
}

/// "<<<<<<< HEAD".
fn conflict_marker(failure: &Failure<'_>) -> Option<String> {
    let is_marker = ["<<<<<<<", "=======", ">>>>>>>"].iter().any(|marker| failure.line.starts_with(marker));
    is_marker.then(|| {
        "this line is a marker of a merge conflict: choose one version and remove the markers".to_owned()
    })
}

/// ">>> x".
fn prompt(failure: &Failure<'_>) -> Option<String> {
    let is_prompt = failure.line.trim_start().starts_with(">>>") && failure.before().trim().len() < 3;
    is_prompt.then(|| {
        "`>>>` is the prompt of an interactive session: remove the prompts (>>> and ...) and the lines of output".to_owned()
    })
}

/// A program in quotes, over several lines.
fn quoted_program(failure: &Failure<'_>) -> Option<String> {
    let text = failure.text.trim();
    let inside = ['"', '\'']
        .iter()
        .find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))
        .filter(|_| failure.message.starts_with("unterminated string literal"))?;
    (failure.compiles(inside) || failure.compiles(&inside.replace("\\\"", "\"")))
        .then(|| "the whole program is in quotes: send it without the quotes around it".to_owned())
}

/// `import math\nprint(math.pi)` and `print(\"hi\")`, with backslashes that were meant for JSON.
fn escaped_text(failure: &Failure<'_>) -> Option<String> {
    if failure.message != "unexpected character after line continuation character" {
        return None;
    }
    let what = match failure.rest().chars().next()? {
        'n' | 'r' => "line breaks were sent as the two characters `\\n`",
        't' => "tabs were sent as the two characters `\\t`",
        '"' | '\'' => "quotes were sent with a backslash before them",
        _ => return None,
    };
    Some(format!("{what}: the program was escaped once too often; send it as plain text"))
}

/// `if a &lt; b:`.
fn entity(failure: &Failure<'_>) -> Option<String> {
    let entities = entities(failure.text);
    let (first, _, _) = *entities.first()?;
    let around = entities.iter().find(|(start, end, _)| (*start..=*end).contains(&failure.at));
    let mut repaired = String::with_capacity(failure.text.len());
    let mut done = 0;
    for (start, end, character) in &entities {
        repaired.push_str(&failure.text[done..*start]);
        repaired.push(*character);
        done = *end;
    }
    repaired.push_str(&failure.text[done..]);
    let start = match around {
        Some((start, _, _)) => *start,
        None if failure.compiles(&repaired) => first,
        None => return None,
    };
    let found = failure.text[start..].split_inclusive(';').next().unwrap_or_default();
    Some(format!("`{found}` is an HTML entity: send the characters themselves"))
}

/// HTML entities of characters that programs use: start, end, character.
fn entities(text: &str) -> Vec<(usize, usize, char)> {
    const NAMES: [(&str, char); 12] = [
        ("&lt;", '<'),
        ("&gt;", '>'),
        ("&amp;", '&'),
        ("&quot;", '"'),
        ("&apos;", '\''),
        ("&nbsp;", ' '),
        ("&#34;", '"'),
        ("&#39;", '\''),
        ("&#039;", '\''),
        ("&#x27;", '\''),
        ("&#x22;", '"'),
        ("&#60;", '<'),
    ];
    let found = text.match_indices('&').filter_map(|(start, _)| {
        let (name, character) = NAMES.iter().find(|(name, _)| text[start..].starts_with(name))?;
        Some((start, start + name.len(), *character))
    });
    found.collect()
}

const NO_INSTALL: &str =
    "remove the line: packages cannot be installed in the sandbox; import the installed ones";

/// `!pip install x`, `files = !ls`, `%matplotlib inline`, `%%time`, `?x`, `x?`.
fn notebook_command(failure: &Failure<'_>) -> Option<String> {
    let rest = failure.rest().split(['\n', '\r']).next().unwrap_or_default();
    let is_start = failure.is_first() || failure.before().trim_end().ends_with('=');
    let word = |text: &str| -> String {
        text.chars().take_while(|c| c.is_alphanumeric() || "!%_".contains(*c)).take(40).collect()
    };
    let is_word = |text: &str| text.trim_start().starts_with(|c: char| c.is_alphabetic() || c == '_');
    let command = rest.trim_start_matches(['!', '%']);
    let (kind, instead) =
        if rest.starts_with('!') && is_start && !rest.starts_with("!=") && !command.is_empty() {
            ("a notebook shell command", "remove it, or do it in Python, such as with `pathlib` or `shutil`")
        } else if rest.starts_with('%') && is_start && is_word(command) {
            let instead = if command.starts_with("matplotlib") {
                "remove the line, and save figures with `plt.savefig('figure.png')`"
            } else {
                "remove the line"
            };
            ("a notebook magic command", instead)
        } else if rest.starts_with('?') {
            return Some("`?` is a notebook command, not Python: use `help(...)`".to_owned());
        } else {
            return None;
        };
    let instead = if installs(command) { NO_INSTALL } else { instead };
    Some(format!("`{}` is {kind}, not Python: {instead}", word(rest)))
}

/// `pip install x`, `python -m pip install x`, `conda install x`.
fn installs(command: &str) -> bool {
    let mut words = command.split_whitespace();
    let tools = ["pip", "pip3", "conda", "mamba", "uv", "apt", "apt-get", "python", "python3", "sudo", "npm"];
    words.next().is_some_and(|tool| tools.contains(&tool)) && words.any(|word| word == "install")
}

/// `pip install x` without a prefix, `$ ls`.
fn shell_command(failure: &Failure<'_>) -> Option<String> {
    let line = failure.line.trim();
    if failure.is_first() && failure.rest().starts_with('$') {
        let command = line.trim_start_matches('$').trim_start();
        let instead = if installs(command) { NO_INSTALL } else { "remove the line" };
        return Some(format!("`$` is the prompt of a shell, not Python: {instead}"));
    }
    let tools = [
        "pip", "pip3", "conda", "apt", "apt-get", "python", "python3", "npm", "sudo", "bash", "sh", "cd",
        "ls", "mkdir", "curl", "wget", "git", "export", "echo", "cat",
    ];
    // The error is the word after the tool's name.
    let tool = failure.before().trim();
    if !tools.contains(&tool) || failure.message != "invalid syntax" {
        return None;
    }
    let instead = if installs(line) { NO_INSTALL } else { "remove the line, or do it in Python" };
    Some(format!("`{tool}` is a shell command, not Python: {instead}"))
}

/// `<code>`.
fn markup(failure: &Failure<'_>) -> Option<String> {
    let tag = failure.line.trim().strip_prefix('<').filter(|_| failure.is_first())?;
    let name = tag.trim_start_matches(['/', '!', '?', '|']);
    let is_tag = name.starts_with(|c: char| c.is_ascii_alphabetic()) && tag.contains('>');
    is_tag.then(|| "this line is markup (<...>), not Python: send only the code".to_owned())
}

/// Characters that look like those of Python, and invisible ones.
fn character(failure: &Failure<'_>) -> Option<String> {
    let found = failure.rest().chars().next()?;
    if found == '`' {
        return Some("backticks are not Python: remove them".to_owned());
    }
    if !failure.message.starts_with("invalid character '")
        && !failure.message.starts_with("invalid non-printable character")
    {
        return None;
    }
    let written = match found {
        '\u{2018}'..='\u{201b}' | '\u{2032}' | '´' => "a typographic quote: write '",
        '\u{201c}'..='\u{201f}' | '\u{2033}' | '«' | '»' | '「' | '」' | '『' | '』' => {
            "a typographic quote: write \" or '"
        }
        '\u{2010}'..='\u{2015}' | '\u{2212}' => "a typographic dash: write -",
        '…' => "a typographic ellipsis: write ... or the code that was left out",
        '×' | '∗' | '·' => "not a Python operator: write *",
        '÷' | '∕' => "not a Python operator: write /",
        '≤' => "not a Python operator: write <=",
        '≥' => "not a Python operator: write >=",
        '≠' => "not a Python operator: write !=",
        '→' => "not a Python operator: write ->",
        '、' | '，' => "a full-width comma: write ,",
        '。' => "a full-width full stop: write .",
        '【' => "a full-width bracket: write [",
        '】' => "a full-width bracket: write ]",
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => {
            "a space that Python does not accept: write an ordinary space, here and elsewhere in the program"
        }
        '\u{2028}' | '\u{2029}' | '\u{85}' => {
            "a line break that Python does not accept: write an ordinary one"
        }
        '\u{ad}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2064}'
        | '\u{feff}' => "invisible: remove it, here and elsewhere in the program",
        '\u{ff01}'..='\u{ff5e}' => {
            let plain = char::from_u32(u32::from(found) - 0xfee0)?;
            return Some(format!("this character is full-width: write {plain}"));
        }
        _ => return None,
    };
    Some(format!("this character is {written}"))
}

/// `except A, e:`, `raise A, "text"`, `a <> b`, `print x`.
fn python_2(failure: &Failure<'_>) -> Option<String> {
    let line = failure.line.trim();
    let (major, minor) = failure.python;
    let instead = if failure.message.starts_with("Missing parentheses in call to") {
        format!("this is Python 2, the interpreter is Python {major}.{minor}")
    } else if failure.message == "multiple exception types must be parenthesized" && !line.contains(" as ") {
        "in Python 3 it is `except Name as error:`, or `except (One, Other):` for several".to_owned()
    } else if line.starts_with("raise ") && failure.rest().starts_with(',') {
        "in Python 3 it is `raise Name(\"text\")`".to_owned()
    } else if failure.rest().starts_with("<>")
        || (failure.before().ends_with('<') && failure.rest().starts_with('>'))
    {
        "in Python 3 it is `!=`".to_owned()
    } else {
        return None;
    };
    Some(instead)
}

fn mixed_tabs(failure: &Failure<'_>) -> Option<String> {
    (failure.message == TABS_MIXED).then(|| "indent with spaces only, four for each level".to_owned())
}
