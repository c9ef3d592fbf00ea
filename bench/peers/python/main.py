"""Python: os.pidfd_open with epoll, asyncio, subprocess, and socket.

A program `WAY MEASURE HELPERS NUMBER…` that prints a line of JSON, as peers/support.ts has it.
"""

import asyncio
import ctypes
import fcntl
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
PIDFD_GET_INFO = 0xC048FF0B
PIDFD_INFO_CGROUPID = 4
INFO = struct.Struct("=QQ12I8x")
PEEK = os.WEXITED | os.WNOHANG | os.WNOWAIT
SILENT = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
CHUNK = 64 * 1024


def microseconds(begin):
    return (time.perf_counter_ns() - begin) / 1e3


def own_status(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name + ":"))


class Pidfd:
    """What os, signal and select offer."""

    def start_herd(self, helpers, count):
        """Processes that become our children: see helpers/herd.c."""
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        command = [f"{helpers}/herd", str(count), f"{helpers}/hold"]
        output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
        group, *pids = map(int, output.split())
        return group, pids

    def end(self, herd):
        for pidfd in herd:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.waitid(os.P_PIDFD, pidfd, os.WEXITED)

    def call(self, helpers, calls, batches):
        _, [pid] = self.start_herd(helpers, 1)
        target = os.pidfd_open(pid)
        poller = select.poll()
        poller.register(target, select.POLLIN)

        def signal0():
            signal.pidfd_send_signal(target, 0)

        def get_info():
            info = bytearray(INFO.size)
            INFO.pack_into(info, 0, PIDFD_INFO_CGROUPID, *[0] * 13)
            fcntl.ioctl(target, PIDFD_GET_INFO, info)
            return INFO.unpack(info)

        def try_wait():
            return os.waitid(os.P_PIDFD, target, PEEK)

        def open_close():
            os.close(os.pidfd_open(pid))

        def is_alive():
            return not poller.poll(0)

        def per_call(call):
            begin = time.perf_counter_ns()
            for _ in range(calls):
                call()
            return (time.perf_counter_ns() - begin) / calls

        figures = {
            "signal0": signal0,
            "getInfo": get_info,
            "tryWait": try_wait,
            "openClose": open_close,
            "isAlive": is_alive,
        }
        samples = {}
        for name, call in figures.items():
            per_call(call)
            samples[name] = [per_call(call) for _ in range(batches)]
        self.end([target])
        return samples

    def latency(self, helpers, pending, kills):
        _, pids = self.start_herd(helpers, pending - 1 + kills)
        herd = [os.pidfd_open(pid) for pid in pids]
        epoll = select.epoll()
        for pidfd in herd[kills:]:
            epoll.register(pidfd, select.EPOLLIN)
        latency = []
        for pidfd in herd[:kills]:
            epoll.register(pidfd, select.EPOLLIN)
            time.sleep(0.002)
            begin = time.perf_counter_ns()
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            [(ready, _)] = epoll.poll(maxevents=1)
            os.waitid(os.P_PIDFD, ready, os.WEXITED)
            latency.append(microseconds(begin))
            epoll.unregister(pidfd)
        self.end(herd[kills:])
        return {"latency": latency}

    def scale(self, helpers, waits):
        threads = own_status("Threads")
        group, pids = self.start_herd(helpers, waits)
        herd = [os.pidfd_open(pid) for pid in pids]
        resident = own_status("VmRSS")
        begin = time.perf_counter_ns()
        epoll = select.epoll()
        for pidfd in herd:
            epoll.register(pidfd, select.EPOLLIN)
        register = microseconds(begin)
        time.sleep(0.1)
        threads = own_status("Threads") - threads
        resident = (own_status("VmRSS") - resident) * 1024 / waits
        begin = time.perf_counter_ns()
        os.killpg(group, signal.SIGKILL)
        left = waits
        while left > 0:
            for pidfd, _ in epoll.poll(maxevents=256):
                os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
                epoll.unregister(pidfd)
                left -= 1
        complete = microseconds(begin)
        return {
            "register": [register],
            "complete": [complete],
            "threads": [threads],
            "resident": [resident],
        }


class Subprocess:
    """subprocess.Popen, which blocks where it waits: one wait at a time."""

    def latency(self, helpers, pending, kills):
        if pending > 1:
            return None
        children = [subprocess.Popen([f"{helpers}/hold"], **SILENT) for _ in range(kills)]
        latency = []
        for child in children:
            time.sleep(0.002)
            begin = time.perf_counter_ns()
            child.kill()
            child.wait()
            latency.append(microseconds(begin))
        return {"latency": latency}

    def spawn(self, _, at_a_time, count):
        if at_a_time > 1:
            return None

        def run_all(count):
            for _ in range(count):
                subprocess.Popen(["/bin/true"]).wait()

        run_all(count // 10)
        begin = time.perf_counter_ns()
        run_all(count)
        return {"perSecond": [count / microseconds(begin) * 1e6]}

    def throughput(self, helpers, size, total):
        def receive(total):
            command = [f"{helpers}/writer", str(size), str(total)]
            received = 0
            with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0) as child:
                while chunk := child.stdout.read(CHUNK):
                    received += len(chunk)
            assert received == total

        receive(total // 8)
        begin = time.perf_counter_ns()
        receive(total)
        return {"MiBps": [total / 2**20 / microseconds(begin) * 1e6]}


class Asyncio:
    """asyncio.create_subprocess_exec, which waits on pidfds (by default from Python 3.12 on)."""

    def __getattribute__(self, name):
        measure = object.__getattribute__(self, name)
        return lambda *args: asyncio.run(measure(*args))

    async def latency(self, helpers, pending, kills):
        async def hold():
            return await asyncio.create_subprocess_exec(f"{helpers}/hold", **SILENT)

        others = [await hold() for _ in range(pending - 1)]
        background = [asyncio.ensure_future(child.wait()) for child in others]
        children = [await hold() for _ in range(kills)]
        latency = []
        for child in children:
            ended = asyncio.ensure_future(child.wait())
            await asyncio.sleep(0.002)
            begin = time.perf_counter_ns()
            child.kill()
            await ended
            latency.append(microseconds(begin))
        for child in others:
            child.kill()
        await asyncio.gather(*background)
        return {"latency": latency}

    async def spawn(self, _, at_a_time, count):
        async def run_all(count):
            left = iter(range(count))

            async def lane():
                for _ in left:
                    child = await asyncio.create_subprocess_exec("/bin/true")
                    await child.wait()

            await asyncio.gather(*[lane() for _ in range(at_a_time)])

        await run_all(count // 10)
        begin = time.perf_counter_ns()
        await run_all(count)
        return {"perSecond": [count / microseconds(begin) * 1e6]}

    async def throughput(self, helpers, size, total):
        async def receive(total):
            command = [f"{helpers}/writer", str(size), str(total)]
            child = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
            received = 0
            while chunk := await child.stdout.read(CHUNK):
                received += len(chunk)
            await child.wait()
            assert received == total

        await receive(total // 8)
        begin = time.perf_counter_ns()
        await receive(total)
        return {"MiBps": [total / 2**20 / microseconds(begin) * 1e6]}

    async def scale(self, helpers, waits):
        threads = own_status("Threads")
        resident = own_status("VmRSS")

        async def hold(group):
            return await asyncio.create_subprocess_exec(f"{helpers}/hold", str(group), **SILENT)

        leader = await hold(0)
        await asyncio.sleep(0.1)
        children = [leader] + [await hold(leader.pid) for _ in range(waits - 1)]
        ended = [asyncio.ensure_future(child.wait()) for child in children]
        await asyncio.sleep(0.3)
        threads = own_status("Threads") - threads
        resident = (own_status("VmRSS") - resident) * 1024 / waits
        begin = time.perf_counter_ns()
        os.killpg(leader.pid, signal.SIGKILL)
        await asyncio.gather(*ended)
        complete = microseconds(begin)
        return {"complete": [complete], "threads": [threads], "resident": [resident]}


class Socket:
    """socket, blocking: see helpers/partner.c."""

    def messages(self, helpers, trips, count):
        path = f"{helpers}/socket-{os.getpid()}"
        subprocess.run([f"{helpers}/partner", path], check=True)
        message = bytes(1024)

        def begin(what, length):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(path)
            connection.sendall(what + length.to_bytes(8, "little"))
            return connection

        def receive(connection, length):
            while length > 0:
                chunk = connection.recv(CHUNK)
                assert chunk
                length -= len(chunk)

        def round_trips(connection, times):
            for _ in range(times):
                connection.sendall(message)
                receive(connection, len(message))

        def send(connection, times):
            for _ in range(times):
                connection.sendall(message)
            receive(connection, 1)

        def receive_all(connection, times):
            receive(connection, times * len(message))

        def rate(what, run, times):
            with begin(what, times * len(message)) as connection:
                start = time.perf_counter_ns()
                run(connection, times)
                return times / microseconds(start) * 1e6

        samples = {}
        for name, what, run, times in (
            ("roundTrip", b"e", round_trips, trips),
            ("send", b"s", send, count),
            ("receive", b"r", receive_all, count),
        ):
            rate(what, run, times // 10)
            samples[name] = [rate(what, run, times)]
        begin(b"q", 0)
        return samples


WAYS = {"pidfd": Pidfd, "subprocess": Subprocess, "asyncio": Asyncio, "socket": Socket}


def main():
    way, measure, helpers, *numbers = sys.argv[1:]
    if way == "asyncio" and sys.version_info < (3, 12):
        asyncio.set_child_watcher(asyncio.PidfdChildWatcher())
    if not hasattr(WAYS[way], measure):
        return 64
    samples = getattr(WAYS[way](), measure)(helpers, *map(int, numbers))
    if samples is None:
        return 64
    print(json.dumps(samples))
    return 0


sys.exit(main())
