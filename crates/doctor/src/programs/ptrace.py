all_refused([("ptrace", (16, os.getppid(), 0, 0)), ("process_vm_readv", (os.getppid(), 0, 0, 0, 0, 0)),
             ("process_vm_writev", (os.getppid(), 0, 0, 0, 0, 0)), ("kcmp", (os.getpid(), os.getppid(), 0, 0, 0))])
