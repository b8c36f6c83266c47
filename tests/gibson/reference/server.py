"""A model behind a socket: one thread, one loop. Requests of a connection are answered in order, each reply written in
full before the next request is looked at."""

import os
import selectors
import socket
import struct
import time

FRAME_SIZE = 4  # of the length in front of a request
OPCODE_SIZE = 2
READ_SIZE = 1 << 16
BACKLOG = 511


class Connection:
    def __init__(self, connected):
        self.socket = connected
        self.inbox = bytearray()
        self.outbox = bytearray()
        self.is_ending = False  # once the outbox is written


class Server:
    def __init__(self, model, clock=time.time, log=lambda _level, _text: None):
        self.model = model
        self.clock = clock
        self.log = log
        self.selector = selectors.DefaultSelector()
        self.connections = set()
        self.is_stopping = False
        self.listener = self._listen()
        self.selector.register(self.listener, selectors.EVENT_READ, None)

    def _listen(self):
        settings = self.model.settings
        if settings.unix_socket:
            if os.path.exists(settings.unix_socket):
                os.unlink(settings.unix_socket)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(settings.unix_socket)
            os.chmod(settings.unix_socket, 0o777)
        else:
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((settings.address, settings.port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
        return listener

    def run(self):
        """Serves until is_stopping is set; that is seen at the next turn of the clockwork."""
        period = self.model.settings.cron_period / 1000
        next_tick = time.monotonic()
        try:
            while not self.is_stopping:
                if time.monotonic() >= next_tick:
                    self.model.tick(int(self.clock()))
                    next_tick = time.monotonic() + period
                for key, _events in self.selector.select(max(next_tick - time.monotonic(), 0)):
                    if key.data is None:
                        self._accept()
                    elif key.data in self.connections:
                        self._attend(key.data)
        finally:
            self.close()

    def close(self):
        for connection in list(self.connections):
            self._drop(connection)
        self.listener.close()
        self.selector.close()
        if self.model.settings.unix_socket:
            try:
                os.unlink(self.model.settings.unix_socket)
            except FileNotFoundError:
                pass

    def _accept(self):
        try:
            connected, _address = self.listener.accept()
        except OSError:
            return
        if len(self.connections) >= self.model.settings.max_clients:
            connected.close()
            return
        connected.setblocking(False)
        if connected.family == socket.AF_INET:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(connected)
        self.connections.add(connection)
        self.model.connected()
        self.selector.register(connected, selectors.EVENT_READ, connection)

    def _drop(self, connection):
        self.connections.remove(connection)
        self.model.disconnected()
        self.selector.unregister(connection.socket)
        connection.socket.close()

    def _attend(self, connection):
        try:
            if connection.outbox:
                self._write(connection)
            elif not self._read(connection):
                self._drop(connection)
                return
            while not connection.outbox and not connection.is_ending and self._answer(connection):
                self._write(connection)
        except OSError:
            self._drop(connection)
            return
        if connection.is_ending and not connection.outbox:
            self._drop(connection)
            return
        events = selectors.EVENT_WRITE if connection.outbox else selectors.EVENT_READ
        self.selector.modify(connection.socket, events, connection)

    def _read(self, connection):
        """False at the end of the stream."""
        data = connection.socket.recv(READ_SIZE)
        connection.inbox += data
        return bool(data)

    def _write(self, connection):
        try:
            sent = connection.socket.send(connection.outbox)
        except BlockingIOError:
            return
        del connection.outbox[:sent]

    def _answer(self, connection):
        """Runs the next request if all of it is there; false if not."""
        inbox = connection.inbox
        if len(inbox) <= FRAME_SIZE:
            return False
        (size,) = struct.unpack_from("<I", inbox)
        if not OPCODE_SIZE <= size <= self.model.settings.max_request_size:
            connection.is_ending = True
            return False
        if len(inbox) < FRAME_SIZE + size:
            return False
        (opcode,) = struct.unpack_from("<h", inbox, FRAME_SIZE)
        payload = bytes(inbox[FRAME_SIZE + OPCODE_SIZE : FRAME_SIZE + size])
        del inbox[: FRAME_SIZE + size]
        connection.outbox, connection.is_ending = self._execute(opcode, payload)
        return bool(connection.outbox)

    def _execute(self, opcode, payload):
        reply, is_ending = self.model.execute(opcode, payload)
        if not reply:
            self.log(2, f"request {opcode} not answered: {payload[:255].hex(' ')}")
        return bytearray(reply), is_ending
