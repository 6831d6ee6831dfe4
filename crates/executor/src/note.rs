//! The interpreter's note about the exception that ended a program. A program can forge all of it: it is
//! bounded and cleaned here, it only words an answer, and it never decides an outcome alone.

use protocol::NOTE_BYTES_MAX;

/// Maximum number of records; the rest adds nothing.
const RECORDS_MAX: usize = 24;
/// Maximum length of a field other than the text, in characters.
const FIELD_CHARS_MAX: usize = 200;
/// Maximum length of a text, in characters.
const TEXT_CHARS_MAX: usize = 1200;

/// The role of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The uncaught exception.
    Raised,
    /// A note added to the exception before.
    Note,
    /// One of the exceptions in the group before.
    Member,
    /// The cause of the exception before (`raise ... from`).
    Cause,
    /// The exception that was being handled when the one before was raised.
    Context,
    /// The text of `sys.exit`.
    Exit,
    /// The installed packages.
    Installed,
}

/// One line of the note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its role.
    pub role: Role,
    /// Qualified name of the exception's type, such as `json.decoder.JSONDecodeError`; without the module for
    /// built-in types and the program's own.
    pub type_name: String,
    /// `errno` of an `OSError`; 0 if there is none.
    pub errno: i32,
    /// The line of the program that the exception passed through, if any.
    pub line: Option<u32>,
    /// The module of the innermost frame.
    pub module: String,
    /// `filename` of an `OSError`.
    pub file: String,
    /// First line of the exception's text, or of whatever the role holds.
    pub text: String,
}

/// The whole note.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Note {
    records: Vec<Record>,
}

impl Note {
    /// Parses the bytes of a report. Invalid records are skipped.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(NOTE_BYTES_MAX)]);
        Self { records: text.split('\n').take(RECORDS_MAX).filter_map(record).collect() }
    }

    /// The uncaught exception.
    #[must_use]
    pub fn raised(&self) -> Option<&Record> {
        self.first(Role::Raised)
    }

    /// The first record of a role.
    #[must_use]
    pub fn first(&self, role: Role) -> Option<&Record> {
        self.records.iter().find(|record| record.role == role)
    }

    /// The exception, the members of its group, and its causes.
    pub fn exceptions(&self) -> impl Iterator<Item = &Record> {
        let roles = [Role::Raised, Role::Member, Role::Cause, Role::Context];
        self.records.iter().filter(move |record| roles.contains(&record.role))
    }

    /// All records, in order.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }
}

impl Record {
    /// `Type: text` as a traceback ends, or the type alone.
    #[must_use]
    pub fn summary(&self) -> String {
        if self.text.is_empty() {
            self.type_name.clone()
        } else {
            format!("{}: {}", self.type_name, self.text)
        }
    }
}

fn record(line: &str) -> Option<Record> {
    let mut fields = line.splitn(7, '\t');
    let mut next = || fields.next();
    let role = match next()? {
        "raised" => Role::Raised,
        "note" => Role::Note,
        "member" => Role::Member,
        "cause" => Role::Cause,
        "context" => Role::Context,
        "exit" => Role::Exit,
        "installed" => Role::Installed,
        _ => return None,
    };
    let type_name = clean(next()?, FIELD_CHARS_MAX);
    let errno = next()?.parse().ok()?;
    let line = next()?.parse().ok().filter(|&line| line > 0);
    let (module, file) = (clean(next()?, FIELD_CHARS_MAX), clean(next()?, FIELD_CHARS_MAX));
    Some(Record { role, type_name, errno, line, module, file, text: clean(next()?, TEXT_CHARS_MAX) })
}

/// One line without control characters, bounded.
fn clean(text: &str, chars_max: usize) -> String {
    text.chars()
        .take(chars_max)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect::<String>()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_note_is_read_field_by_field() {
        let note = Note::parse(
            b"raised\tjson.decoder.JSONDecodeError\t0\t7\tjson.decoder\t\tExpecting value: line 1\n\
              note\t\t0\t0\t\t\tupload it first\ncause\tFileNotFoundError\t2\t3\t__main__\ta\tno\tsuch file",
        );
        let raised = note.raised().unwrap();
        assert_eq!(raised.summary(), "json.decoder.JSONDecodeError: Expecting value: line 1");
        assert_eq!((raised.line, raised.errno, raised.module.as_str()), (Some(7), 0, "json.decoder"));
        assert_eq!(note.first(Role::Note).unwrap().text, "upload it first");
        let cause = note.first(Role::Cause).unwrap();
        assert_eq!((cause.errno, cause.file.as_str(), cause.text.as_str()), (2, "a", "no such file"));
        assert_eq!(note.exceptions().count(), 2);
    }

    #[test]
    fn what_is_no_record_is_left_out() {
        for bytes in [
            &b""[..],
            b"\n\n",
            b"raised",
            b"raised\tX\tnot a number\t1\t\t\tx",
            b"other\tX\t0\t0\t\t\tx",
            &[0xff; 5000],
        ] {
            assert_eq!(Note::parse(bytes), Note::default(), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_get_past_the_bounds(bytes in proptest::collection::vec(any::<u8>(), 0..6000), tabs in 0usize..400) {
            let mut hostile = b"raised\tX\t1\t1\t\t\t".to_vec();
            hostile.extend(&bytes);
            hostile.extend(b"\nraised\tY\t1\t1".iter().chain(b"\t".repeat(tabs).iter()));
            for input in [&bytes, &hostile] {
                let note = Note::parse(input);
                prop_assert!(note.records().len() <= RECORDS_MAX);
                for record in note.records() {
                    for field in [&record.type_name, &record.module, &record.file, &record.text] {
                        prop_assert!(field.chars().count() <= TEXT_CHARS_MAX && !field.contains(char::is_control));
                    }
                }
            }
        }
    }
}
