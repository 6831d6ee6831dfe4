#! class: kernel
#! attack: out-of-band bytes on a pair of Unix sockets, the way in of CVE-2025-38236
#! executors: native
#! validator: rejects
#! expect stdout: WALLED
import socket

fallen = False


def attempt(what, action):
    global fallen
    try:
        action()
    except PermissionError:
        return
    except OSError as error:
        print("BREACH", what, "was looked at:", error)
    else:
        print("BREACH", what)
    fallen = True


# One byte, never read out of band: what a kernel without the flaw does all day.
one, other = socket.socketpair()
attempt("send", lambda: one.send(b"x", socket.MSG_OOB))
attempt("sendmsg", lambda: one.sendmsg([b"x"], [], socket.MSG_OOB))
attempt("sendmsg with more flags", lambda: one.sendmsg([b"x"], [], socket.MSG_OOB | socket.MSG_DONTWAIT))
# What honest programs do with a pair stays.
other.sendall(b"hello")
if one.recv(5) != b"hello":
    print("an ordinary message did not arrive")
print("FALLEN" if fallen else "WALLED")
