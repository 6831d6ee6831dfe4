# Prefix of every probe: how a probe reports its verdict, and how it makes raw system calls.
import ctypes, errno, os, sys

def held(detail=""):
    """The protection held."""
    print("\nVERDICT held " + detail, flush=True)
    os._exit(0)

def broken(detail):
    """The attack worked."""
    print("\nVERDICT broken " + detail, flush=True)
    os._exit(0)

def parameter(name):
    return os.environ["DOCTOR_" + name]

NUMBERS = {
    # asm/unistd_64.h for x86_64, asm-generic/unistd.h for the rest.
    "x86_64": dict(mount=165, umount2=166, pivot_root=155, chroot=161, unshare=272, setns=308, clone3=435, ptrace=101,
                   process_vm_readv=310, bpf=321, add_key=248, request_key=249, keyctl=250, io_uring_setup=425,
                   perf_event_open=298, userfaultfd=323, init_module=175, kexec_load=246, reboot=169, personality=135,
                   open_tree=428, fsopen=430, move_mount=429, delete_module=176, swapon=167, settimeofday=164,
                   process_vm_writev=311, kcmp=312, name_to_handle_at=303, open_by_handle_at=304, socket=41),
    "generic": dict(mount=40, umount2=39, pivot_root=41, chroot=51, unshare=97, setns=268, clone3=435, ptrace=117,
                    process_vm_readv=270, bpf=280, add_key=217, request_key=218, keyctl=219, io_uring_setup=425,
                    perf_event_open=241, userfaultfd=282, init_module=105, kexec_load=104, reboot=142, personality=92,
                    open_tree=428, fsopen=430, move_mount=429, delete_module=106, swapon=224, settimeofday=170,
                    process_vm_writev=271, kcmp=272, name_to_handle_at=264, open_by_handle_at=265, socket=198),
}["x86_64" if os.uname().machine == "x86_64" else "generic"]

def call(name, *arguments):
    """A raw system call; returns the errno's name, or None if it succeeded."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    ctypes.set_errno(0)
    arguments = [a if isinstance(a, (bytes, ctypes.Array)) else ctypes.c_long(a) for a in arguments]
    result = libc.syscall(ctypes.c_long(NUMBERS[name]), *arguments)
    return None if result >= 0 else errno.errorcode.get(ctypes.get_errno(), "?")

def all_refused(calls):
    """Each call must be blocked as such; EFAULT or EINVAL would mean that the kernel processed it."""
    answers = {name: call(name, *arguments) for name, arguments in calls}
    let_in = [f"{name}: {answer or 'worked'}" for name, answer in answers.items()
              if answer not in ("EPERM", "ENOSYS", "EACCES")]
    if let_in:
        broken(", ".join(let_in))
    held(", ".join(f"{name} {answer}" for name, answer in answers.items()))

def must_fail(attempts):
    """Each attempt, a pair of name and function, must raise OSError."""
    for name, attempt in attempts:
        try:
            attempt()
        except OSError:
            continue
        broken(name)
    held(f"{len(attempts)} attempts refused")
