import resource

# What programs do first that do not want to leave a core dump.
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 0)
