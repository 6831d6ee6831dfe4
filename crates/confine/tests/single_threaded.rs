//! Tests that need a single-threaded process: the standard test harness has several threads.

#![allow(clippy::print_stderr, clippy::print_stdout, reason = "it is its own harness")]

use confine::{Cloned, Namespaces, ProgramSpec, SingleThreaded, exit_now, spawn};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::process::{WaitId, WaitIdOptions};
use rustix::thread::CapabilitySet;
use seccomp::{Arch, CompileOptions, Policy};
use std::ffi::CString;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

fn main() {
    let proof = SingleThreaded::prove().expect("one thread");
    a_child_is_born_into_its_group(&proof);
    tools_that_programs_start_work_behind_the_filter(&proof);
}

/// The host's v2 hierarchy, if there is one that we may write to.
fn v2_mount() -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("a mount table");
    let line = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
    line.split(' ').nth(4).map(PathBuf::from)
}

fn a_child_is_born_into_its_group(proof: &SingleThreaded) {
    let Some(mount) = v2_mount().filter(|_| rustix::process::geteuid().is_root()) else {
        return testkit::skip("no cgroup v2 to create a child in (run as root on a host that mounts one)");
    };
    let name = format!("confine-born-{}", std::process::id());
    let group = mount.join(&name);
    std::fs::create_dir(&group).expect("a cgroup");
    let directory = rustix::fs::openat(CWD, &group, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .expect("it opens");
    let cloned = proof.clone_into(Namespaces::Shared, directory.as_fd()).expect("Linux 5.7");
    let Cloned::Parent { pid, pidfd } = cloned else {
        // Runs until the parent has checked it.
        std::thread::sleep(std::time::Duration::from_secs(60));
        exit_now(0);
    };
    let inside = std::fs::read_to_string(group.join("cgroup.procs")).expect("its processes");
    assert_eq!(inside.trim(), pid.as_raw_nonzero().to_string(), "created inside");
    let pidfd = pidfd.expect("a descriptor of it");
    rustix::process::pidfd_send_signal(&pidfd, rustix::process::Signal::KILL).expect("it dies");
    rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED).expect("it is dead");
    std::fs::remove_dir(&group).expect("an empty group");
    println!("a child is created in its cgroup ... ok");
}

/// `sh sed awk find tar gzip` and the like: they need entries in the policy, although a runtime need not have
/// them.
const TOOLS: &str = r#"
set -eu
cd "$1"
printf 'b 2\na 1\nc 3\n' > data
test "$(sort data | head -n 1)" = 'a 1'
test "$(sed -n 's/^b //p' data)" = 2
test "$(awk '{ sum += $2 } END { print sum }' data)" = 6
test "$(grep -c . data)" = 3
test "$(wc -l < data)" -eq 3
test "$(tail -n 1 data | cut -d ' ' -f 2)" = 3
mkdir -p deep/er; cp data deep/er/; mv deep/er/data deep/er/moved; ln -s ../data deep/link; touch deep/er/empty
test "$(find deep -type f | wc -l)" -eq 2
chmod 600 data; ls -la deep > /dev/null; du -s deep > /dev/null; df . > /dev/null
tar cf all.tar deep data; mkdir out; tar xf all.tar -C out; cmp data out/data
gzip -k data; gunzip -c data.gz | cmp - data; tar czf all.tgz deep; tar tzf all.tgz > /dev/null
seq 3 | tee three | xargs -n 1 echo | tr -d '\n' > /dev/null
(sleep 0.01 & wait); uniq data > /dev/null; env > /dev/null; date > /dev/null; id > /dev/null; uname -a > /dev/null
rm -r out deep
"#;

fn tools_that_programs_start_work_behind_the_filter(proof: &SingleThreaded) {
    let place = std::env::temp_dir().join(format!("confine-tools-{}", std::process::id()));
    std::fs::create_dir(&place).expect("a directory");
    let filter =
        Policy::builtin().compile(Arch::native(), CompileOptions { notify: false }).expect("it compiles");
    let null = std::fs::File::options().read(true).write(true).open("/dev/null").expect("it opens");
    let words = std::fs::File::create(place.join("words")).expect("a file");
    let text = |text: &str| CString::new(text).expect("no NUL");
    let spec = ProgramSpec {
        executable: text("/bin/sh"),
        arguments: ["sh", "-c", TOOLS, "tools", &place.to_string_lossy()].map(text).to_vec(),
        environment: vec![text("PATH=/usr/bin:/bin"), text("LANG=C")],
        directory: text("/"),
        descriptors: vec![null.as_fd(), words.as_fd(), words.as_fd()],
        user: None,
        limits: Vec::new(),
        cpus: None,
        kept: CapabilitySet::empty(),
        landlock: None,
        seccomp: Some(filter.instructions()),
        notify: false,
        fail_at: None,
    };
    let spawned = spawn(proof, &spec).expect("it starts");
    let status = rustix::process::waitid(WaitId::Pid(spawned.pid), WaitIdOptions::EXITED).expect("it ends");
    let said = std::fs::read_to_string(place.join("words")).unwrap_or_default();
    remove(&place);
    assert_eq!(status.and_then(|status| status.exit_status()), Some(0), "{said}");
    println!("tools that programs start work behind the filter ... ok");
}

fn remove(place: &Path) {
    let _ = std::fs::remove_dir_all(place);
}
