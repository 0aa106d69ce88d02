# SPDX-License-Identifier: Apache-2.0
"""What goes wrong is one sentence for the user; programs are run in one way, with nothing of this machine in it."""
import os
import shutil
import signal
import subprocess
import sys
import time

# program: the distribution's package that has it
PACKAGES = {
    "apt-get": "apt", "apt-cache": "apt", "arch-test": "arch-test", "debugfs": "e2fsprogs", "dpkg-deb": "dpkg", "fakeroot": "fakeroot", "fsck.erofs": "erofs-utils",
    "gzip": "gzip", "mke2fs": "e2fsprogs", "mkfs.erofs": "erofs-utils", "mmdebstrap": "mmdebstrap", "newuidmap": "uidmap", "sfdisk": "fdisk",
    "sqfstar": "squashfs-tools", "unsquashfs": "squashfs-tools", "veritysetup": "cryptsetup-bin", "zstd": "zstd",
}
# What would change the bits that the programs write.
UNSET = ("SOURCE_DATE_EPOCH", "LANG", "LANGUAGE", "MKE2FS_CONFIG", "MKE2FS_SYNC", "E2FSPROGS_FAKE_TIME", "TAR_OPTIONS", "GZIP",
         "ZSTD_CLEVEL", "ZSTD_NBTHREADS", "POSIXLY_CORRECT")
PATIENCE = 20  # seconds for a program to clear away after a signal
began = time.monotonic()
begun = []  # (a stage's first word, when it began)


class Failure(Exception):
    """The whole message for the user: what, why, and what to do."""


def say(text):
    """One line a stage."""
    print("rootfs: %s" % text, file=sys.stderr, flush=True)


def stage(text):
    """A line for the beginning of something that may take long."""
    say(text)
    begun.append((text.split()[0], time.monotonic()))


def done():
    """How long all took, and what took most of it."""
    now = time.monotonic()
    ends = [t for _, t in begun[1:]] + [now]
    slow = ["%s %.0f s" % (word, end - t) for (word, t), end in zip(begun, ends) if end - t >= 1]
    say("done in %.1f s%s" % (now - began, " (%s)" % ", ".join(slow) if len(begun) > 1 and slow else ""))


def program(name):
    """The path of a program of the distribution."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        raise Failure("%s is not here: install the package %s (tools/setup installs all that is needed)"
                      % (name, PACKAGES.get(name, "that has it")))
    return path


def environment(**more):
    env = {k: v for k, v in os.environ.items() if k not in UNSET and not k.startswith("LC_")}
    env["PATH"] = env.get("PATH", "") + ":/usr/sbin:/sbin"
    env.update(LC_ALL="C.UTF-8", TZ="UTC", **more)
    return env


def run(argv, what, env=None, stdin=None, stdout=subprocess.PIPE, cwd=None, text=True, status=(0,)):
    """Runs a program to its end: (its output, its messages). Another exit status is a Failure with its last words."""
    argv = [program(argv[0]) if "/" not in argv[0] else argv[0], *argv[1:]]
    p = subprocess.Popen(argv, stdin=stdin if stdin is not None else subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, cwd=cwd,
                         env=environment(**(env or {})), process_group=0)
    try:
        out, err = p.communicate()
    finally:
        end_group(p)
    err = err.decode(errors="replace")
    out = (out or b"").decode(errors="replace") if text else out
    if p.returncode not in status:
        words = (err + (out if text else "")).strip().splitlines()[-12:]
        how = "exit status %d" % p.returncode if p.returncode > 0 else "signal %d" % -p.returncode
        raise Failure(full_disk(err) or "%s: %s failed (%s)%s" % (what, os.path.basename(argv[0]), how,
                                                                 "".join("\n  " + w for w in words)))
    return out, err


def child(argv):
    """Runs one of our own builders, whose stages the user sees: (exit status, its output)."""
    p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, process_group=0)
    try:
        out, _ = p.communicate()
    finally:
        end_group(p)
    return p.returncode, out


def end_group(p):
    """Ends a process that leads a group, and what it has started, when it has not ended; it may clear away first."""
    if p.poll() is not None:
        return
    try:
        os.killpg(p.pid, signal.SIGTERM)
        p.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(p.pid, signal.SIGKILL)
        p.wait()


def full_disk(words):
    """The Failure's text when these are the words of a full disk."""
    if "No space left on device" in words or "Disk quota exceeded" in words:
        return "the disk is full: free some space, or let the output (-o) and the cache (MOTE_CACHE) lie elsewhere"
    return None


def end_on_signals():
    """A signal to end is an exception, so that everything is cleared away on the way out."""
    def end(signo, _frame):
        signal.signal(signo, signal.SIG_IGN)
        # not by say(): the signal may have come inside of it, and a stream is not to be entered twice
        os.write(2, b"rootfs: interrupted: clearing away what was begun\n")
        raise SystemExit(128 + signo)
    for signo in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(signo, end)


def main(fn):
    """Runs fn(); its Failure is told, and the exit status is 1."""
    os.umask(0o022)
    end_on_signals()
    try:
        return fn() or 0
    except Failure as e:
        say(e)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except OSError as e:
        say(full_disk(str(e)) or "%s%s" % (e.filename + ": " if isinstance(e.filename, str) else "", e.strerror or e))
    return 1
