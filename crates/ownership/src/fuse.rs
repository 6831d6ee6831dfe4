//! File systems that a process of some user serves: they say of their files what they like, the owner too.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// `FUSE_SUPER_MAGIC` of statfs(2).
const FUSE_MAGIC: u64 = 0x6573_5546;

/// The user who mounted the file system that `at` is on, where that is one of FUSE; root where it does not say.
pub(crate) fn served_by(at: &Path) -> Option<u32> {
    let is_fuse = rustix::fs::statfs(at).is_ok_and(|stat| u64::try_from(stat.f_type) == Ok(FUSE_MAGIC));
    if !is_fuse {
        return None;
    }
    let device = std::fs::symlink_metadata(at).ok()?.dev();
    let device = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    mounted_by(&std::fs::read_to_string("/proc/self/mountinfo").ok()?, &device)
}

/// The `user_id=` of the mount of this device, in proc_pid_mountinfo(5).
fn mounted_by(mountinfo: &str, device: &str) -> Option<u32> {
    let line = mountinfo.lines().find(|line| line.split(' ').nth(2) == Some(device))?;
    let options = line.rsplit(' ').next()?;
    options.split(',').find_map(|option| option.strip_prefix("user_id="))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_of_a_mount_is_found_by_its_device() {
        let text = "26 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
            99 26 0:45 / /home/mallory/m rw,nosuid - fuse.sshfs host: rw,user_id=1001,group_id=1001,allow_other\n";
        assert_eq!(mounted_by(text, "0:45"), Some(1001));
        assert_eq!(mounted_by(text, "254:0"), None);
        assert_eq!(served_by(Path::new("/")), None, "the root of a test machine is on a disk");
    }
}
