"""How a client ends: closed, forgotten, interrupted, forked, with the interpreter; and what importing it costs."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from depthwire.client import ClientClosedError, DepthClient
from tests.client.fake_daemon import PATIENCE_S, FakeDaemon

JPEG = b"\xff\xd8" + bytes(3000)


def run_script(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python text in a fresh interpreter; a hang fails the test."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_closing_fails_what_is_pending_and_takes_it_back(daemon: FakeDaemon) -> None:
    daemon.script = FakeDaemon.hold
    client = DepthClient(daemon.endpoint)
    futures = [client.submit("metric_depth", JPEG) for _ in range(5)]
    held = daemon.wait_for_requests(5)
    client.close()
    client.close()
    for future in futures:
        with pytest.raises(ClientClosedError, match="closed before metric_depth was answered"):
            future.result(0)
    daemon.wait_until(lambda: sorted(daemon.cancels) == [heard.request.id for heard in held])
    with pytest.raises(ClientClosedError):
        client.health()
    assert client.closed


def test_a_forgotten_client_closes_itself(daemon: FakeDaemon) -> None:
    client = DepthClient(daemon.endpoint)
    client.health()
    thread = client._connection._thread
    del client
    gc.collect()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of this kind are POSIX")
def test_ctrl_c_while_waiting_leaves_the_client_usable(daemon: FakeDaemon) -> None:
    daemon.script = FakeDaemon.hold

    def interrupt() -> None:
        daemon.wait_for_requests(1)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    with DepthClient(daemon.endpoint) as client:
        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            client.metric_depth(JPEG)
        thread.join()
        daemon.script = FakeDaemon.answer
        assert (client.metric_depth(JPEG, meta={"n": 2}).depth == 2).all()


def test_the_interpreter_exits_with_requests_in_flight(daemon: FakeDaemon) -> None:
    daemon.script = FakeDaemon.hold
    script = """
        import sys
        from depthwire.client import DepthClient
        client = DepthClient(sys.argv[1], timeout=None)
        future = client.submit("metric_depth", b"x" * 100_000)
        future.add_done_callback(lambda f: print(type(f.exception()).__name__, flush=True))
        print("bye", flush=True)
    """
    done = run_script(script, daemon.endpoint)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["bye", "ClientClosedError"], "")


def test_the_interpreter_exits_while_no_daemon_is_there(no_daemon: str) -> None:
    script = """
        import sys
        from depthwire.client import DepthClient
        clients = [DepthClient(sys.argv[1], timeout=None) for _ in range(3)]
        futures = [client.submit("metric_depth", b"x" * 100_000) for client in clients]
        sys.exit(3)
    """
    done = run_script(script, no_daemon)
    assert (done.returncode, done.stderr) == (3, "")


def test_at_exit_the_connection_ends_before_the_buffers_of_what_it_sends_are_freed(daemon: FakeDaemon) -> None:
    script = """
        import sys
        from depthwire.client import DepthClient
        from depthwire.client.connection import Connection

        def tell_before(owner, name, text):
            wrapped = getattr(owner, name)
            setattr(owner, name, lambda *arguments: (print(text, flush=True), wrapped(*arguments)))

        tell_before(Connection, "_shut", "connection ended")
        client = DepthClient(sys.argv[1], timeout=None)
        client.metric_depth(bytes(1_000_000))
        from zmq.utils.garbage import gc  # imported by now, with the first image that is not copied
        tell_before(gc, "stop", "buffers freed")
        futures = [client.submit("metric_depth", bytes(8_000_000)) for _ in range(20)]
    """
    done = run_script(script, daemon.endpoint)
    assert (done.returncode, done.stdout.splitlines()[:2], done.stderr) == (
        0,
        ["connection ended", "buffers freed"],
        "",
    )


def test_a_stream_left_by_break_ends_its_threads_before_the_interpreter(daemon: FakeDaemon) -> None:
    script = """
        import sys, time
        from depthwire.client import DepthClient
        def camera():
            try:
                while True:
                    time.sleep(0.3)
                    yield bytes(3000)
            finally:
                print("camera released")
        client = DepthClient(sys.argv[1])
        for item in client.stream(camera(), "metric_depth"):
            break
    """
    done = run_script(script, daemon.endpoint)
    assert (done.returncode, done.stdout, done.stderr) == (0, "camera released\n", "")


def test_a_camera_that_hangs_does_not_keep_the_interpreter(daemon: FakeDaemon) -> None:
    script = """
        import sys, time
        from depthwire.client import DepthClient
        def camera():
            yield bytes(3000)
            time.sleep(3600)
        client = DepthClient(sys.argv[1])
        for item in client.stream(camera(), "metric_depth"):
            break
    """
    done = run_script(script, daemon.endpoint)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_is_told_to_open_its_own_client(daemon: FakeDaemon) -> None:
    script = """
        import os, sys, warnings
        warnings.simplefilter("ignore")
        from depthwire.client import ClientClosedError, DepthClient
        client = DepthClient(sys.argv[1])
        client.health()
        pid = os.fork()
        if pid == 0:
            try:
                client.health()
            except ClientClosedError as error:
                print(error, flush=True)
            client.close()
            with DepthClient(sys.argv[1]) as own:
                own.health()
            sys.exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        print(client.health()["status"])
    """
    done = run_script(script, daemon.endpoint)
    assert done.returncode == 0, done.stderr
    assert "sockets do not survive a fork" in done.stdout
    assert done.stdout.rstrip().endswith("ok")


def test_importing_the_client_imports_neither_torch_nor_opencv_nor_pillow() -> None:
    script = """
        import sys
        import depthwire.client
        print(*{"torch", "cv2", "PIL", "yaml", "depthwire.daemon"} & set(sys.modules))
    """
    done = run_script(script)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
