"""A worker that does what Coalition's worker.py does, call by call, with nothing but Python's own library.

    coalition_worker.py HOST:PORT NAME SECONDS

It evaluates what pickjob answers, looks at no status, opens a connection for each call, and kills what runs when a heartbeat says "false".
That one is Python 2, where the literals of the answer are bytes; here they are read as Latin-1 to be the same bytes.
"""

import base64
import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.parse

server, name, pause = sys.argv[1], sys.argv[2], float(sys.argv[3])


def call(path, retry, **params):
    params["hostname"] = name
    while True:
        try:
            c = http.client.HTTPConnection(server, timeout=10)
            c.request("POST", path, urllib.parse.urlencode(params), {"Content-type": "application/x-www-form-urlencoded", "Accept": "text/plain"})
            body = c.getresponse().read().decode("ascii")
            c.close()
            return body
        except OSError:
            if not retry:
                return "true"
            time.sleep(pause)


def load():
    return {"load": "[12]", "free_memory": 1000, "total_memory": 2000}


def expand(text):
    return re.sub(rb"\$\(([^)]*)\)", lambda m: os.environb.get(m.group(1), b""), text)


def kill_tree(pid):
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open("/proc/" + entry + "/stat") as f:
                    if int(f.read().rsplit(")", 1)[1].split()[1]) == pid:
                        kill_tree(int(entry))
            except OSError:
                pass
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass


class Job:
    def __init__(self, command, folder, environment):
        self.lock, self.log, self.code, self.process = threading.Lock(), b"", None, None
        self.done = threading.Event()
        self.add(b"* START *\n* WORKER : " + name.encode() + b"\n* CMD : " + command + b"\n")
        env = None
        if environment:
            env = dict(os.environb)
            env.update(item.split(b"=", 1) for item in environment.split(b"\\n") if b"=" in item)
        self.thread = threading.Thread(target=self.run, args=(expand(command), expand(folder), env), daemon=True)
        self.thread.start()

    def add(self, text):
        with self.lock:
            self.log += text

    def take(self):
        with self.lock:
            text, self.log = self.log, b""
        return base64.b64encode(text).decode("ascii")

    def run(self, command, folder, env):
        self.process = subprocess.Popen(["sh", "-c", command], cwd=folder or None, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for line in self.process.stdout:
            self.add(line)
        self.code = self.process.wait()
        self.add(b"* EXIT : %d\n" % self.code)
        self.done.set()


def work():
    while True:
        answer = eval(call("/workers/pickjob", True, **load()))
        number, command, folder, user, environment = answer
        if number == -1:
            time.sleep(pause)
            continue
        job = Job(*(text.encode("latin-1") for text in (command, folder, environment)))
        while not job.done.wait(pause):
            if call("/workers/heartbeat", False, jobId=number, log=job.take(), **load()) == "false":
                kill_tree(job.process.pid)
        call("/workers/heartbeat", True, jobId=number, log=job.take(), **load())
        call("/workers/endjob", True, jobId=number, errorCode=job.code)


work()
