# A grandchild that outlives its parents, and output that looks like the service's answer: only the exit status counts.
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        import time
        time.sleep(30)
    os._exit(0)
print('{"success": true, "exit_code": 0}')
sys.stdout.flush()
os._exit(7)
