#! class: network
#! attack: reach out with ftplib, smtplib, imaplib, poplib, xmlrpc, ssl and logging handlers
#! validator: accepts
#! timeout: 25
#! expect stdout: WALLED
import ftplib
import imaplib
import logging.handlers
import poplib
import smtplib
import ssl
import xmlrpc.client

fallen = False


class Loud(logging.handlers.DatagramHandler):
    def handleError(self, record):
        raise


def syslog(address):
    handler = logging.handlers.SysLogHandler(address)
    handler.handleError = lambda record: (_ for _ in ()).throw(OSError())
    handler.emit(logging.makeLogRecord({"msg": "probe"}))


for name, reach in {
    "ftp": lambda: ftplib.FTP("127.0.0.1", timeout=1),
    "smtp": lambda: smtplib.SMTP("127.0.0.1", timeout=1),
    "imap": lambda: imaplib.IMAP4("127.0.0.1", timeout=1),
    "pop": lambda: poplib.POP3("127.0.0.1", timeout=1),
    "xmlrpc": lambda: xmlrpc.client.ServerProxy("http://127.0.0.1:8000/").system.listMethods(),
    "ssl": lambda: ssl.get_server_certificate(("1.1.1.1", 443), timeout=1),
    "syslog by datagram": lambda: syslog(("127.0.0.1", 514)),
    "syslog by path": lambda: syslog("/dev/log"),
    "datagram log": lambda: Loud("127.0.0.1", 9999).emit(logging.makeLogRecord({"msg": "probe"})),
}.items():
    try:
        reach()
    except Exception:
        continue
    fallen = True
    print("BREACH", name)
print("FALLEN" if fallen else "WALLED")
