"""The installed script in a process of its own: pipes, signals, a full disk, odd locales, memory, closed streams."""

import json
import os
import random
import signal
import subprocess
import sys
from threading import Timer

import pytest

from cli_runner import SCRIPT
from detector_oracle import matches, oracle

USE = ["detect", "happy", "--model", "happy.model"]
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}  # flushing is tested


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Work in a directory with an oracle's model and a text in it."""
    monkeypatch.chdir(tmp_path)
    oracle("happy").save("happy.model")
    (tmp_path / "t.txt").write_text("so happy\nunhappy é😀\n", encoding="utf-8")
    return tmp_path


def call(*args, stdin=b"", command=(SCRIPT,), **environment):
    """Run the script and return its exit status, standard output and standard error."""
    done = subprocess.run(
        [*command, *args], input=stdin, env={**ENVIRONMENT, **environment}, capture_output=True, check=False
    )
    return done.returncode, done.stdout, done.stderr.decode()


def shell(line):
    """Run a line of the shell, in which $0 is the script and $@ are the options that use the model."""
    return call("-c", line, SCRIPT, *USE, command=("sh",))


def one_line(err):
    """Return the error from what else is on standard error: the score, and blank lines that end a progress bar."""
    assert "Traceback" not in err
    assert "Exception" not in err
    lines = [line for line in err.splitlines() if line.startswith("fastrnn: ")]
    assert len(lines) == 1, err
    return lines[0].removeprefix("fastrnn: ")


@pytest.mark.usefixtures("here")
def test_the_script_reads_a_pipe():
    status, out, err = call(*USE, "--json", "-", stdin="é happy\r\nHAPPYhappy".encode())
    found = [json.loads(line) for line in out.decode().splitlines()]
    assert [(hit["file"], hit["line"], hit["column"]) for hit in found] == [
        ("<stdin>", 1, 3),
        ("<stdin>", 2, 1),
        ("<stdin>", 2, 6),
    ]
    assert (status, err.count("\n")) == (0, 1)


@pytest.mark.usefixtures("here")
def test_a_named_pipe_is_read_once():
    """As ``<(…)`` of the shell is: a look ahead would take the text away."""
    status, out, _ = call(*USE, "/dev/stdin", stdin=b"so happy\n")
    assert (status, out) == (0, b"/dev/stdin:1:4: so happy\n")


def test_the_module_is_the_script():
    as_module = call("--version", command=(sys.executable, "-m", "fastrnn"))
    assert as_module == call("--version")
    assert as_module[0] == 0


@pytest.mark.usefixtures("here")
def test_a_line_typed_is_answered_at_once():
    """Into a pipe that stays open; were anything held back, this would wait until the watchdog ends it."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([SCRIPT, *USE, "-"], **pipes, bufsize=0, env=ENVIRONMENT) as process:
        watchdog = Timer(60, process.kill)
        watchdog.daemon = True
        watchdog.start()
        for number in (1, 2):
            process.stdin.write(b"so happy\n")
            assert process.stdout.readline() == f"<stdin>:{number}:4: so happy\n".encode()
        process.stdin.close()
        assert process.wait() == 0
        watchdog.cancel()


# ---- signals and closed streams ----


@pytest.mark.parametrize("files", [[], ["t.txt"]], ids=["bar on stdout", "bar on stderr"])
def test_an_interrupt_during_training_leaves_nothing_behind(here, files):
    before = set(here.iterdir())
    command = [SCRIPT, "detect", "internationalization", "--save", "new.model", *files]  # takes about a minute
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT) as process:
        bar = process.stderr if files else process.stdout
        bar.read(1)  # it has begun
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 130
    assert one_line(err.decode()) == "interrupted"
    assert set(here.iterdir()) == before


def test_a_reader_that_has_seen_enough_ends_it_quietly(here):
    """As in ``fastrnn … | head -1``: no complaint, and the status of a process that SIGPIPE has ended."""
    (here / "many.txt").write_text("happy\n" * 20_000)
    status, out, err = shell('("$0" "$@" many.txt; echo "$?" >&2) | head -1')
    assert (status, out) == (0, b"many.txt:1:1: happy\n")
    score, ended = err.splitlines()
    assert score.startswith("happy: precision")
    assert ended == "141"


@pytest.mark.usefixtures("here")
def test_a_closed_standard_input():
    status, out, err = shell('exec "$0" "$@" - <&-')
    assert (status, out) == (2, b"")
    assert "<stdin>" in one_line(err)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("stream", ["1", "2"])
def test_a_closed_output_is_no_crash(stream):
    _, out, err = shell(f'exec "$0" "$@" t.txt {stream}>&-')
    assert "Traceback" not in err
    assert out.decode() in ("", "t.txt:1:4: so happy\nt.txt:2:3: unhappy é😀\n")  # detections or nothing


# ---- a full disk ----


LIMITED = (
    "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300)); from fastrnn.cli.main import run; run()"
)


@pytest.mark.parametrize("old", [None, b"an older model"])
def test_a_disk_that_is_full_on_save(here, old):
    """No file may grow beyond 300 bytes; the model needs a thousand."""
    if old is not None:
        (here / "new.model").write_bytes(old)
    before = {path.name: path.read_bytes() for path in here.iterdir()}
    status, out, err = call(*USE, "--save", "new.model", "t.txt", command=(sys.executable, "-c", LIMITED))
    assert (status, out) == (2, b"")
    assert "new.model" in one_line(err)
    assert {path.name: path.read_bytes() for path in here.iterdir()} == before


def test_a_disk_that_is_full_on_output(here):
    (here / "many.txt").write_text("happy\n" * 100)
    command = [sys.executable, "-c", LIMITED, *USE, "many.txt"]
    with (here / "out").open("wb") as out:
        done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, text=True, check=False, env=ENVIRONMENT)
    assert done.returncode == 2
    line = one_line(done.stderr)
    assert "File too large" in line  # as "No space left on device" would be
    assert "many.txt" not in line  # that is not what is full
    assert (here / "out").read_text().startswith("many.txt:1:1: happy\nmany.txt:2:1: happy\n")


# ---- locales and names ----


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_that_lacks_a_character_is_no_crash(encoding):
    status, out, _ = call(*USE, "t.txt", PYTHONIOENCODING=encoding)
    assert status == 0
    shown = "unhappy é😀".encode(encoding, "backslashreplace")
    assert out.splitlines() == [b"t.txt:1:4: so happy", b"t.txt:2:3: " + shown]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_is_json_on_any_terminal(encoding):
    status, out, _ = call(*USE, "--json", "t.txt", PYTHONIOENCODING=encoding)
    assert status == 0
    contexts = [json.loads(line)["context"] for line in out.decode(encoding).splitlines()]
    assert contexts == ["so happy", "unhappy é😀"]


def test_a_name_that_is_not_utf_8(here):
    name = b"caf\xe9.txt"
    (here / os.fsdecode(name)).write_bytes(b"happy")
    status, out, _ = call(*USE, name)
    assert (status, out) == (0, rb"caf\udce9.txt:1:1: happy" + b"\n")
    status, out, err = call(*USE, b"none" + name)
    assert (status, out) == (2, b"")
    assert one_line(err) == r"nonecaf\udce9.txt: No such file or directory"


# ---- forecast and generate ----


@pytest.mark.usefixtures("here")
def test_messages_do_not_go_to_standard_output_where_standard_error_is_closed(here):
    (here / "t.csv").write_text("v\n" + "".join(f"{i % 5}\n" for i in range(40)), encoding="utf-8")
    line = 'exec "$0" forecast t.csv --horizon 1 --networks 1 --save m 2>&-'
    status, out, _ = call("-c", line, SCRIPT, command=("sh",))
    assert (status, out.count(b"\n"), (here / "m").exists()) == (0, 2, True)
    for words in ("forecast none.csv --horizon 1", "generate --train none.txt"):
        assert call("-c", f'exec "$0" {words} 2>&-', SCRIPT, command=("sh",))[:2] == (2, b"")
    status, _, err = call("-c", line.replace("2>&-", ">&-"), SCRIPT, command=("sh",))
    assert (status, "Traceback" in err) == (0, False)


# ---- memory ----

MEASURED = """
import sys, tracemalloc
from fastrnn.cli import detect, main
from fastrnn.detector import Score, scanning

def score(*_, **__):  # what comes before takes more memory than reading does
    tracemalloc.start()
    return Score(1, 1, 1, 1)

detect.score = score
scanning.BLOCK = 1 << 13
try:
    main.run()
finally:
    print("peak", tracemalloc.get_traced_memory()[1], file=sys.stderr)
"""


def test_a_large_stream_is_read_in_constant_memory(here):
    """2 MB in a single line, made on the fly; tracemalloc is slow, so the blocks are small and the text is not huge."""
    part = "".join(random.Random(0).choices("hapy .", k=(1 << 20) - 6)) + " happy"
    command = [sys.executable, "-c", MEASURED, *USE, "-"]
    with (
        (here / "out").open("wb") as out,
        (here / "err").open("wb") as err,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=err, env=ENVIRONMENT) as process,
    ):
        for _ in range(2):
            process.stdin.write(part.encode())
    assert process.returncode == 0, (here / "err").read_text()
    assert (here / "out").read_bytes().count(b"\n") == 2 * len(matches("happy", part))
    peak = int((here / "err").read_text().split()[-1])
    assert peak < 1 << 20  # a block of 8 kB as vectors and states takes half of that, the whole text four times as much
