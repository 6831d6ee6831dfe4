//! The part of the conformance suite about files between executions: put, get, list, remove.
//!
//! What a program does to the directory first is the hostile part: links that lead out, FIFOs, thousands of
//! entries.

use crate::{
    Control, EntryKind, ExecRequest, ExecResult, Executor, FileCause, FileError, FileListing, Freshness,
    Hints, InputFile, RunErrorKind, Sandbox,
};
use bytes::Bytes;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};

/// More than a sandbox with the default limits can hold.
const TOO_LARGE_BYTES: u64 = 100 << 20;
/// Of a file that is sent up and down.
const LARGE_BYTES: u64 = 20 << 20;

/// Names of the checks.
const NAMES: [&str; 9] = [
    "files before the first execution",
    "files after an execution",
    "a large file up and down",
    "links out of the directory",
    "input files below a link",
    "files that are not regular",
    "paths that are none",
    "a file that does not fit",
    "a directory with many entries",
];

/// Number of checks.
pub(crate) const COUNT: usize = NAMES.len();

/// Runs every check, each in a sandbox of its own.
pub(crate) async fn run(executor: &dyn Executor) -> Vec<(&'static str, Result<(), String>)> {
    let mut results = Vec::new();
    for (number, name) in NAMES.into_iter().enumerate() {
        let result = match executor.create(&Hints::default(), Freshness::Any).await {
            Ok(mut sandbox) => check(number, &mut sandbox).await,
            Err(error) => Err(error.chain()),
        };
        results.push((name, result));
    }
    results
}

async fn check(number: usize, sandbox: &mut Sandbox) -> Result<(), String> {
    match number {
        0 => before_the_first(sandbox).await,
        1 => after_an_execution(sandbox).await,
        2 => large(sandbox).await,
        3 => links(sandbox).await,
        4 => inputs_below_a_link(sandbox).await,
        5 => not_regular(sandbox).await,
        6 => invalid_paths(sandbox).await,
        7 => no_room(sandbox).await,
        _ => many_entries(sandbox).await,
    }
}

async fn answer(sandbox: &mut Sandbox, code: &str) -> Result<ExecResult, String> {
    let mut request = ExecRequest { code: code.into(), ..ExecRequest::default() };
    // gVisor on a busy host takes half a minute to create ten thousand files.
    request.limits.wall_time = Duration::from_secs(120);
    sandbox.answer(&request, &Control::default()).await.map_err(|error| error.chain())
}

/// Runs a program that must succeed.
async fn program(sandbox: &mut Sandbox, code: &str) -> Result<ExecResult, String> {
    let result = answer(sandbox, code).await?;
    if result.success() { Ok(result) } else { Err(format!("{result:?}")) }
}

fn text(error: FileError) -> String {
    support::error_chain(&error)
}

async fn put(sandbox: &mut Sandbox, path: &str, content: &[u8]) -> Result<(), FileError> {
    let mut source = content;
    sandbox.put_file(path, content.len() as u64, &mut source).await
}

async fn get(sandbox: &mut Sandbox, path: &str) -> Result<Vec<u8>, FileError> {
    let mut reader = sandbox.get_file(path, TOO_LARGE_BYTES).await?;
    let mut content = Vec::new();
    while let Some(piece) = reader.next().await? {
        content.extend_from_slice(&piece);
    }
    Ok(content)
}

fn expect(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// The operation failed for this cause.
fn failed<T: std::fmt::Debug>(result: Result<T, FileError>, wanted: FileCause) -> Result<(), String> {
    match result {
        Err(FileError::Failed { cause, .. }) if cause == wanted => Ok(()),
        other => Err(format!("expected {wanted:?}, got {other:?}")),
    }
}

fn names(listing: &FileListing) -> Vec<(&str, EntryKind, u64)> {
    listing.entries.iter().map(|entry| (entry.name.as_str(), entry.kind, entry.size_bytes)).collect()
}

/// They are the program's to use and to change, and not its output until it does.
async fn before_the_first(sandbox: &mut Sandbox) -> Result<(), String> {
    for path in ["in/a", "in/b", "c"] {
        put(sandbox, path, path.as_bytes()).await.map_err(text)?;
    }
    put(sandbox, "c", b"again").await.map_err(text)?;
    let result = program(
        sandbox,
        "import os\nassert open('in/a').read() == 'in/a' and open('c').read() == 'again'\n\
         assert sorted(os.listdir('.')) == ['c', 'in'] and sorted(os.listdir('in')) == ['a', 'b']\n\
         with open('in/b', 'r+') as f: f.write('IN/B')\nopen('in/new', 'w').close()\nos.remove('c')",
    )
    .await?;
    let files: Vec<_> = result.files.iter().map(|file| (file.path.as_str(), &file.content[..])).collect();
    expect(files == [("in/b", &b"IN/B"[..]), ("in/new", &b""[..])], || format!("{files:?}"))?;
    // What an earlier program has left can be replaced, and is then not output either.
    put(sandbox, "in/b", b"back").await.map_err(text)?;
    let result = program(sandbox, "print(open('in/b').read())").await?;
    expect(result.stdout.text == "back\n" && result.files.is_empty(), || format!("{result:?}"))
}

async fn after_an_execution(sandbox: &mut Sandbox) -> Result<(), String> {
    program(
        sandbox,
        "import os\nos.makedirs('d/e')\nopen('d/a', 'w').write('abc')\nopen('d/z', 'w').close()\n\
         os.utime('d/a', (-1e9, 86400))\nos.mkdir('shut')\nos.chmod('d/z', 0o444)",
    )
    .await?;
    expect(get(sandbox, "d/a").await.map_err(text)? == b"abc", || "content of d/a".into())?;
    let listing = sandbox.list_files("d", "", 10).await.map_err(text)?;
    let wanted = [("a", EntryKind::File, 3), ("e", EntryKind::Directory, 0), ("z", EntryKind::File, 0)];
    let modified = listing
        .entries
        .first()
        .and_then(|entry| entry.modified.duration_since(std::time::SystemTime::UNIX_EPOCH).ok());
    expect(names(&listing) == wanted && modified == Some(Duration::from_secs(86400)), || {
        format!("{listing:?}")
    })?;
    let top = sandbox.list_files("", "", 10).await.map_err(text)?;
    expect(names(&top) == [("d", EntryKind::Directory, 0), ("shut", EntryKind::Directory, 0)], || {
        format!("{top:?}")
    })?;
    failed(get(sandbox, "missing").await, FileCause::NotFound)?;
    failed(get(sandbox, "d/missing/a").await, FileCause::NotFound)?;
    failed(get(sandbox, "d").await, FileCause::IsDirectory)?;
    failed(get(sandbox, "d/a/b").await, FileCause::NotDirectory)?;
    failed(sandbox.get_file("d/a", 2).await.map(|_| ()), FileCause::TooLarge)?;
    failed(put(sandbox, "d", b"x").await, FileCause::IsDirectory)?;
    failed(put(sandbox, "d/a/b", b"x").await, FileCause::NotDirectory)?;
    failed(sandbox.list_files("d/a", "", 10).await, FileCause::NotDirectory)?;
    failed(sandbox.remove_file("d").await, FileCause::NotEmpty)?;
    // A source that ends early leaves the old file.
    let short = sandbox.put_file("d/a", 10, &mut &b"short"[..]).await;
    expect(
        matches!(&short, Err(FileError::Source(error)) if error.kind() == io::ErrorKind::UnexpectedEof),
        || format!("{short:?}"),
    )?;
    for path in ["d/z", "d/e", "shut"] {
        sandbox.remove_file(path).await.map_err(text)?;
    }
    failed(sandbox.remove_file("d/z").await, FileCause::NotFound)?;
    // A reader that is dropped in the middle costs nothing.
    drop(sandbox.get_file("d/a", 3).await.map_err(text)?);
    program(sandbox, "import os\nassert os.listdir('.') == ['d'] and os.listdir('d') == ['a'] and open('d/a').read() == 'abc'")
        .await
        .map(|_| ())
}

/// The numbers 0, 1, ... as 64-bit little-endian integers.
struct Numbers {
    position: u64,
}

impl Numbers {
    fn byte(position: u64) -> u8 {
        (position / 8).to_le_bytes()[usize::try_from(position % 8).unwrap_or(0)]
    }
}

impl AsyncRead for Numbers {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        for byte in buffer.initialize_unfilled() {
            *byte = Self::byte(self.position);
            self.position += 1;
        }
        let length = buffer.remaining();
        buffer.advance(length);
        std::task::Poll::Ready(Ok(()))
    }
}

async fn large(sandbox: &mut Sandbox) -> Result<(), String> {
    sandbox.put_file("up", LARGE_BYTES, &mut Numbers { position: 0 }).await.map_err(text)?;
    let count = LARGE_BYTES / 8;
    // The digest is made from numbers of its own, then the file is moved: what comes down is what went up.
    program(
        sandbox,
        &format!(
            "import array, hashlib, os\nwanted, found, file = hashlib.sha256(), hashlib.sha256(), open('up', 'rb')\n\
             for start in range(0, {count}, 8192): wanted.update(array.array('Q', range(start, start + 8192)).tobytes())\n\
             while piece := file.read(65536): found.update(piece)\n\
             assert wanted.digest() == found.digest()\nos.rename('up', 'down')"
        ),
    )
    .await?;
    let mut reader = sandbox.get_file("down", LARGE_BYTES).await.map_err(text)?;
    let (mut position, announced) = (0, reader.size_bytes());
    while let Some(piece) = reader.next().await.map_err(text)? {
        for byte in piece {
            expect(byte == Numbers::byte(position), || format!("byte {position} differs"))?;
            position += 1;
        }
    }
    expect((position, announced) == (LARGE_BYTES, LARGE_BYTES), || format!("{position} of {announced} bytes"))
}

async fn links(sandbox: &mut Sandbox) -> Result<(), String> {
    program(
        sandbox,
        "import os\nos.symlink('/etc/passwd', 'passwd')\nos.symlink('/etc', 'etc')\nos.symlink('..', 'up')\n\
         os.mkdir('real')\nos.symlink('real', 'inside')\nos.symlink('nowhere', 'loose')",
    )
    .await?;
    failed(get(sandbox, "passwd").await, FileCause::NotRegular)?;
    failed(get(sandbox, "etc/passwd").await, FileCause::NotDirectory)?;
    failed(get(sandbox, "up/.sandbox/sandbox/passwd").await, FileCause::NotDirectory)?;
    for path in ["passwd", "etc", "up", "inside"] {
        failed(sandbox.list_files(path, "", 10).await, FileCause::NotDirectory)?;
    }
    for path in ["etc/new", "up/new", "inside/new", "loose/new", "etc/deep/new"] {
        failed(put(sandbox, path, b"x").await, FileCause::NotDirectory)?;
    }
    failed(sandbox.remove_file("etc/passwd").await, FileCause::NotDirectory)?;
    failed(sandbox.remove_file("up/output").await, FileCause::NotDirectory)?;
    let listing = sandbox.list_files("", "", 10).await.map_err(text)?;
    let links = listing.entries.iter().filter(|entry| entry.kind == EntryKind::Symlink).count();
    expect(links == 5, || format!("{listing:?}"))?;
    // Of a link itself, and never of its target.
    put(sandbox, "passwd", b"x").await.map_err(text)?;
    put(sandbox, "loose", b"x").await.map_err(text)?;
    sandbox.remove_file("etc").await.map_err(text)?;
    program(
        sandbox,
        "import os\nassert open('/etc/passwd').read() != 'x' and os.path.isdir('/etc') and not os.path.exists('nowhere')\n\
         assert os.listdir('real') == [] and not os.path.exists('/tmp/new') and not os.path.exists('/etc/new')\n\
         assert not os.path.islink('passwd') and open('passwd').read() == open('loose').read() == 'x'\n\
         assert sorted(os.listdir('.')) == ['inside', 'loose', 'passwd', 'real', 'up']",
    )
    .await?;
    // The directory itself as a link: the agent removes it, and makes the directory again.
    let replaced = answer(
        sandbox,
        "import os\ntry:\n    os.rename('/tmp/output', '/tmp/other')\n    os.symlink('/etc', '/tmp/output')\n\
         except OSError: print('kept')",
    )
    .await?;
    if replaced.stdout.text.is_empty() {
        failed(get(sandbox, "passwd").await, FileCause::NotFound)?;
        put(sandbox, "passwd", b"x").await.map_err(text)?;
        program(
            sandbox,
            "import os\nassert open('/etc/passwd').read() != 'x' and not os.path.islink('/tmp/output')\n\
             assert os.getcwd() == '/tmp/output' and os.listdir('.') == ['passwd']",
        )
        .await?;
    }
    Ok(())
}

/// Input files of a later execution go through no link of an earlier one either.
async fn inputs_below_a_link(sandbox: &mut Sandbox) -> Result<(), String> {
    program(sandbox, "import os\nos.mkdir('/tmp/elsewhere')\nos.symlink('/tmp/elsewhere', 'link')").await?;
    let files = vec![InputFile { path: "link/x".into(), content: Bytes::from_static(b"x") }];
    let request = ExecRequest { code: "print('ran')".into(), files, ..ExecRequest::default() };
    match sandbox.answer(&request, &Control::default()).await {
        Err(error) if error.kind == RunErrorKind::Request && !error.program_may_have_run => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

/// Nothing here blocks: a FIFO has no writer, and a file of a terabyte no content.
async fn not_regular(sandbox: &mut Sandbox) -> Result<(), String> {
    program(
        sandbox,
        "import os, socket\nos.mkfifo('fifo')\nsocket.socket(socket.AF_UNIX).bind('socket')\n\
         open(b'\\xff', 'w').close()\ntry:\n    os.truncate(os.open('sparse', os.O_CREAT | os.O_WRONLY), 1 << 40)\nexcept OSError: pass",
    )
    .await?;
    failed(get(sandbox, "fifo").await, FileCause::NotRegular)?;
    failed(get(sandbox, "socket").await, FileCause::NotRegular)?;
    failed(sandbox.list_files("fifo", "", 10).await, FileCause::NotDirectory)?;
    let listing = sandbox.list_files("", "", 10).await.map_err(text)?;
    let kinds: Vec<_> = listing.entries.iter().map(|entry| (entry.name.as_str(), entry.kind)).collect();
    let wanted = [("fifo", EntryKind::Fifo), ("socket", EntryKind::Socket), ("sparse", EntryKind::File)];
    expect(kinds == wanted && listing.names_not_utf8 == 1, || format!("{listing:?}"))?;
    if listing.entries.last().is_some_and(|entry| entry.size_bytes > TOO_LARGE_BYTES) {
        failed(get(sandbox, "sparse").await, FileCause::TooLarge)?;
    }
    put(sandbox, "fifo", b"x").await.map_err(text)?;
    sandbox.remove_file("socket").await.map_err(text)?;
    expect(get(sandbox, "fifo").await.map_err(text)? == b"x", || "content in place of the FIFO".into())
}

async fn invalid_paths(sandbox: &mut Sandbox) -> Result<(), String> {
    let (long, deep) = ("x".repeat(256), vec!["d"; 40].join("/"));
    for path in ["", ".", "..", "../x", "a/../../x", "/etc/passwd", "/", "a//b", "a/", "a\0b", &long] {
        failed(put(sandbox, path, b"x").await, FileCause::PathInvalid)?;
        failed(get(sandbox, path).await, FileCause::PathInvalid)?;
        failed(sandbox.remove_file(path).await, FileCause::PathInvalid)?;
        if !path.is_empty() {
            failed(sandbox.list_files(path, "", 10).await, FileCause::PathInvalid)?;
        }
    }
    failed(put(sandbox, &deep, b"x").await, FileCause::PathInvalid)?;
    let listing = sandbox.list_files("", "", 10).await.map_err(text)?;
    expect(listing == FileListing::default(), || format!("{listing:?}"))
}

/// An executor without such a limit takes it.
async fn no_room(sandbox: &mut Sandbox) -> Result<(), String> {
    put(sandbox, "a", b"old").await.map_err(text)?;
    let mut zeros = tokio::io::repeat(0).take(TOO_LARGE_BYTES);
    for path in ["large/file", "a"] {
        match sandbox.put_file(path, TOO_LARGE_BYTES, &mut zeros).await {
            Ok(()) => return Ok(()),
            refused => failed(refused, FileCause::NoRoom)?,
        }
    }
    program(sandbox, "import os\nassert os.listdir('.') == ['a'] and open('a').read() == 'old'\nprint('ran')")
        .await
        .map(|_| ())
}

async fn many_entries(sandbox: &mut Sandbox) -> Result<(), String> {
    // As many as the file system takes.
    let result = program(
        sandbox,
        "import os\nos.mkdir('many')\ncount = 0\ntry:\n    for n in range(10_000):\n        open(f'many/{n:05}', 'w').close()\n        count += 1\n\
         except OSError: pass\nprint(count)",
    )
    .await?;
    let count: u64 = result.stdout.text.trim().parse().map_err(|_| format!("{result:?}"))?;
    let first = sandbox.list_files("many", "", 1000).await.map_err(text)?;
    let (begin, end) = (first.entries.first(), first.entries.last());
    let right = count > 2000
        && first.entries.len() == 1000
        && first.more == count - 1000
        && begin.is_some_and(|entry| entry.name == "00000")
        && end.is_some_and(|entry| entry.name == "00999");
    expect(right, || format!("{count} files, {begin:?} to {end:?}, {} more", first.more))?;
    let rest = sandbox.list_files("many", "00999", u32::MAX).await.map_err(text)?;
    let found = (rest.entries.len() as u64, rest.more, rest.entries.first().map(|entry| entry.name.as_str()));
    expect(found == (count - 1000, 0, Some("01000")), || format!("{found:?} of {count}"))
}
