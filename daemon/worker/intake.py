"""How a worker hears the front: several threads wait at the channel, and whoever gets a picture decodes it.

Started by pipeline.py. A picture so passes through one thread fewer on its way to the engine than with a reader that
hands everything on, and somebody always reads: pings are answered however long a decoder is busy.
"""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Callable

from depthwire.daemon.seam import jobs


class Intake:
    def __init__(
        self,
        channel: socket.socket,
        decoders: int,
        hear: Callable[[jobs.Message], bool],
        decode: Callable[[jobs.Stage], None],
    ) -> None:
        """`hear` is told every message in the order in which they were sent, by one thread at a time; it returns False
        to end all. Each Stage is then given to `decode`, by up to `decoders` threads at once; that must not raise.
        """
        self._channel = channel
        self._decoders = decoders
        self._hear = hear
        self._decode = decode
        self._order = threading.Condition()
        self._next = 0
        """The number of the message that is to be heard next."""
        self._counting = threading.Lock()
        self._decoding = 0
        self._backlog: deque[jobs.Stage] = deque()
        """Read while every decoder was busy."""
        self._over = threading.Event()
        self._failure: BaseException | None = None

    def run(self) -> None:
        """Serve until `hear` returns False or the front hangs up. Raises what `hear` raised."""
        for number in range(self._decoders + 1):  # so that one of them can always read
            threading.Thread(target=self._serve, name=f"intake-{number}", daemon=True).start()
        self._over.wait()
        if self._failure is not None:
            raise self._failure

    def _serve(self) -> None:
        try:
            while (job := self._read()) is not None:
                while job is not None:
                    self._decode(job)
                    job = self._next_of_backlog()
        except BaseException as error:
            self._failure = error
            self._over.set()

    def _read(self) -> jobs.Stage | None:
        """The next picture that this thread is to decode; None if all is over."""
        while not self._over.is_set():
            datagram = self._channel.recv(jobs.MAX_MESSAGE_BYTES)  # the kernel wakes one thread for each message
            message = self._hear_in_order(datagram) if datagram else None
            if message is None:
                self._over.set()
            elif isinstance(message, jobs.Stage) and self._may_decode(message):
                return message
        return None

    def _hear_in_order(self, datagram: bytes) -> jobs.Message | None:
        """The message, after all that were sent before it have been heard; None if it ends all."""
        number, message = jobs.unpack_numbered(datagram)
        with self._order:
            while number != self._next:  # another thread has read the one before, and is about to be here
                self._order.wait()
            goes_on = self._hear(message)
            self._next += 1
            self._order.notify_all()
        return message if goes_on else None

    def _may_decode(self, job: jobs.Stage) -> bool:
        """Whether this thread may leave the channel to another; if not, the job waits for a decoder."""
        with self._counting:
            if self._decoding < self._decoders:
                self._decoding += 1
                return True
            self._backlog.append(job)
            return False

    def withdraw(self, ticket: int) -> jobs.Stage | None:
        """Take back a job that waits for a decoder; None if it does not."""
        with self._counting:
            found = next((job for job in self._backlog if job.ticket == ticket), None)
            if found is not None:
                self._backlog.remove(found)
            return found

    def _next_of_backlog(self) -> jobs.Stage | None:
        with self._counting:
            if self._backlog:
                return self._backlog.popleft()
            self._decoding -= 1
            return None
