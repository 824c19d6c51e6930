"""The measurements of scripts/bench.

    bench.py pick DIRECTORY MIB TREE            copies MIB MiB of DIRECTORY's files to TREE
    bench.py run BALER IMAGE WORK [OPTION...]   measures, and prints the tables
        --standin FILE, --aws FILE: the stand-in for AWS and AWS's command line, for the measurement `s3`

Contenders that are compared run in turn within each round, so that a change of the machine's speed slows all of them.
Wall time is that of the whole command; CPU time is user and system time of all its processes; peak memory is the
resident set of the largest of them (never less than that of this Python, some 20 MiB). The input of a command is in the page
cache; the output of the one before it is on the disk. Only ratios mean anything on another machine.
"""

import argparse
import contextlib
import hashlib
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

KEY = "000102030405060708090a0b0c0d0e0f"  # of the pipelines' bundles
IV = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"


def pick(directory, mib, tree):
    """Copies files in the order of the digests of their paths. The last one is cut, so that the sum is always the same."""
    left = mib << 20
    found = []
    for folder, _, names in os.walk(directory):
        for path in (os.path.join(folder, name) for name in names):
            if os.path.isfile(path) and not os.path.islink(path) and 0 < os.path.getsize(path) <= 64 << 20:
                found.append(path)
    found.sort(key=lambda path: hashlib.sha1(os.fsencode(path)).digest())
    turn = 0
    while left and found:  # a small /usr is copied more than once
        turn += 1
        for path in found:
            to = tree / str(turn) / os.path.relpath(path, directory)
            to.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "rb") as source, open(to, "wb") as copy:
                left -= copy.write(source.read(left))
            os.utime(to, (1_700_000_000, 1_700_000_000))
            if not left:
                break


@dataclass
class Sample:
    wall: float
    cpu: float
    peak: int


@dataclass
class Contender:
    """A command: a bash script or an argument list. `out` is emptied before each run and holds the result."""

    name: str
    command: str | list
    out: Path | None = None
    before: list | None = None  # run before it; its exit code is ignored

    def __post_init__(self):
        self.samples = []

    def run(self):
        if self.out:
            shutil.rmtree(self.out, ignore_errors=True)
            self.out.mkdir(parents=True)
        if self.before:
            subprocess.run(self.before, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.sync()
        argv = ["bash", "-euo", "pipefail", "-c", self.command] if isinstance(self.command, str) else self.command
        begun = time.monotonic()
        child = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - begun
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            sys.exit(f"bench: {self.name} ended with {child.returncode}: {argv}")
        return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10)

    def median(self, what):
        return statistics.median(getattr(sample, what) for sample in self.samples)

    @property
    def wall(self):
        return self.median("wall")

    @property
    def peak(self):
        return max(sample.peak for sample in self.samples)

    @property
    def size(self):
        """The sum of the lengths of its parts."""
        return sum(path.stat().st_size for path in self.out.glob("*.part.*")) if self.out else 0


def measure(title, contenders, rounds, base=None):
    """Runs them in turn and prints their table, with ratios to the first of them, or to the one in `base`."""
    for number in range(rounds):
        for contender in contenders:
            note(f"{title}: round {number + 1} of {rounds}: {contender.name}")
            contender.samples.append(contender.run())
    note("")
    print(f"\n{title} (medians of {rounds})")
    print(f"  {'':38}{'wall':>9}{'ratio':>7}{'spread':>8}{'cpu':>9}{'ratio':>7}{'cores':>7}{'peak':>9}{'parts':>11}{'ratio':>8}")
    for it in contenders:
        to = (base or {}).get(it.name, contenders[0])
        walls = [sample.wall for sample in it.samples]
        line = f"  {it.name:38}{it.wall:7.2f} s{it.wall / to.wall:7.2f}{(max(walls) - min(walls)) / it.wall:7.0%} "
        line += f"{it.median('cpu'):7.2f} s{it.median('cpu') / to.median('cpu'):7.2f}{it.median('cpu') / it.wall:7.2f}"
        line += f"{it.peak / 2**20:5.0f} MiB"
        if it.size and to.size:
            line += f"{it.size / 2**20:7.1f} MiB{it.size / to.size:8.4f}"
        print(line, flush=True)


def note(text):
    """Prints what is being done, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def openssl(*argv, data=b""):
    ran = subprocess.run(["openssl", *map(str, argv)], input=data, capture_output=True)
    if ran.returncode:
        sys.exit(f"bench: openssl {argv[0]}: {ran.stderr.decode()}")
    return ran.stdout


class Bench:
    def __init__(self, baler, image, work, options):
        self.baler, self.image, self.work, self.options = baler, image, work, options
        self.key, self.cert = work / "key.pem", work / "cert.pem"
        self.targets = []  # (name, limit, measured)
        self.slow = []  # contenders that missed their target
        if not self.cert.exists():
            openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 3650, "-subj", "/CN=bench", "-keyout", self.key, "-out", self.cert)
        os.chmod(self.key, 0o600)
        self.pigz = self.pipeline("pigz", "pigz -6")
        self.gzip = self.pipeline("gzip", "gzip -9")
        self.default = Contender("baler bundle", self.bundle(self.image, "default"), work / "default")
        self.fast = Contender("baler bundle --level fast", self.bundle(self.image, "fast") + ["--level", "fast"], work / "fast")

    # The commands.

    def pipeline(self, name, compress):
        """tar -S | tee >(sha1sum) | pigz | openssl | split, then the digests of the parts. A fifo instead of >(...): so its end is awaited and its CPU time counted."""
        out = self.work / name
        return Contender(
            f"pipeline {compress}",
            f"""cd {out}; mkfifo stream; sha1sum <stream >image.sha1 &
            tar -C {self.image.parent} -S -c {self.image.name} | tee stream | {compress} |
                openssl enc -aes-128-cbc -K {KEY} -iv {IV} | split -b 10M -d -a 3 - {name}.part.
            wait; sha1sum {name}.part.* >parts.sha1""",
            out,
        )

    def bundle(self, image, name):
        return [self.baler, "bundle", image, self.work / name, "--quiet", "--allow-large", "--name", name, "--arch", "x86_64"] + [
            "--account", "123456789012", "--region", "us-east-1", "--key", self.key, "--cert", self.cert]  # fmt: skip

    def manifest(self, made):
        """The manifest of the bundle of `made`: its own, or for a pipeline, one that is made here."""
        path = made.out / f"{made.out.name}.manifest.xml"
        if not list(made.out.glob("*.part.*")):
            note(f"making the bundle of {made.name}")
            made.run()
        if not path.exists():
            path.write_text(self.pipelines_manifest(made.out, made.out.name))
        return path

    def pipelines_manifest(self, out, name):
        parts = sorted(out.glob("*.part.*"))
        digests = dict(reversed(line.split()) for line in (out / "parts.sha1").read_text().splitlines())
        listed = "".join(
            f'<part index="{i}"><filename>{part.name}</filename><digest algorithm="SHA1">{digests[part.name]}</digest></part>' for i, part in enumerate(parts)
        )
        wrap = lambda text: openssl("pkeyutl", "-encrypt", "-inkey", self.key, data=text.encode()).hex()
        machine = "<machine_configuration><architecture>x86_64</architecture></machine_configuration>"
        image = (
            f"<image><name>{name}</name><user>123456789012</user><type>machine</type>"
            f'<digest algorithm="SHA1">{(out / "image.sha1").read_text().split()[0]}</digest>'
            f"<size>{self.image.stat().st_size}</size><bundled_size>{sum(part.stat().st_size for part in parts)}</bundled_size>"
            f'<ec2_encrypted_key algorithm="AES-128-CBC">{wrap(KEY)}</ec2_encrypted_key>'
            f'<user_encrypted_key algorithm="AES-128-CBC">{wrap(KEY)}</user_encrypted_key>'
            f"<ec2_encrypted_iv>{wrap(IV)}</ec2_encrypted_iv><user_encrypted_iv>{wrap(IV)}</user_encrypted_iv>"
            f'<parts count="{len(parts)}">{listed}</parts></image>'
        )
        signature = openssl("dgst", "-sha1", "-sign", self.key, data=(machine + image).encode()).hex()
        return (
            '<?xml version="1.0"?><manifest><version>2007-10-10</version>'
            "<bundler><name>pipeline</name><version>1</version><release>1</release></bundler>"
            f"{machine}{image}<signature>{signature}</signature></manifest>"
        )

    def unbundlers(self, made):
        """The pipeline that opens the bundle of `made`, and baler."""
        manifest = self.manifest(made)
        text = manifest.read_text()
        unwrap = lambda what: openssl(
            "pkeyutl", "-decrypt", "-inkey", self.key, data=bytes.fromhex(re.search(f"<user_encrypted_{what}[^>]*>([0-9a-f]+)<", text)[1])
        ).decode()
        what = made.name.removeprefix("pipeline ").replace("baler bundle", "baler")
        theirs = Contender(
            f"pipeline, of {what}'s bundle",
            f"""cd {self.work}/theirs; mkfifo stream; sha1sum <stream >image.sha1 &
            cat {made.out}/*.part.* | openssl enc -d -aes-128-cbc -K {unwrap("key")} -iv {unwrap("iv")} | pigz -d | tee stream | tar -x -S -f -
            wait""",
            self.work / "theirs",
        )
        argv = [self.baler, "unbundle", manifest, self.work / "ours/disk.img", "--quiet", "--key", self.key, "--cert", self.cert]
        return [theirs, Contender(f"baler unbundle, of {what}'s bundle", argv, self.work / "ours")]

    # The measurements.

    def target(self, name, limit, measured, contender=None):
        self.targets.append((name, limit, measured))
        if measured > limit and contender and contender not in self.slow:
            self.slow.append(contender)

    def measure_bundle(self):
        pigz, gzip, default, fast = self.pigz, self.gzip, self.default, self.fast
        measure("bundle", [pigz, gzip, default, fast], self.options.rounds)
        self.target("bundle: wall, of pigz -6", 0.40, default.wall / pigz.wall, default)
        self.target("bundle: wall, of gzip -9", 0.10, default.wall / gzip.wall, default)
        self.target("bundle: size, of pigz -6", 1.005, default.size / pigz.size)
        self.target("bundle --level fast: wall, of pigz -6", 0.22, fast.wall / pigz.wall, fast)
        self.target("bundle --level fast: size, of pigz -6", 1.10, fast.size / pigz.size)
        self.target("bundle: peak memory, MiB", 256, max(default.peak, fast.peak) / 2**20)

    def measure_tree(self):
        """A root tree, against the old way: copy it into a file system on a loop device, and read that again."""
        tree, size = self.image.with_suffix(".tree"), self.image.stat().st_size
        ours = Contender("baler bundle, of the tree", self.bundle(tree, "tree") + ["--filter", "none", "--size", f"{size}B"], self.work / "tree")
        contenders = [ours, self.default]
        if os.geteuid() == 0 and Path("/dev/loop-control").exists():
            contenders.insert(0, self.old_way(tree, size))
        else:
            print("SKIPPED: the old way needs root and loop devices")
        measure("tree", contenders, self.options.rounds)
        if len(contenders) == 3:
            self.target("tree: wall, of mkfs, mount, rsync and pigz -6", 0.45, ours.wall / contenders[0].wall, ours)
        self.target("tree: wall, of bundling an image with the same files", 1.15, ours.wall / self.default.wall, ours)
        self.target("tree: peak memory, MiB", 256, ours.peak / 2**20)

    def old_way(self, tree, size):
        out = self.work / "old"
        return Contender(
            "mkfs, mount, rsync, pipeline pigz -6",
            f"""cd {out}; truncate -s {size} disk.img; mkfs.ext4 -q -F disk.img; mkdir mnt; mount -o loop disk.img mnt
            trap 'umount {out}/mnt 2>/dev/null || true' EXIT
            rsync -aHAXS {tree}/ mnt/; umount mnt; mkfifo stream; sha1sum <stream >image.sha1 &
            tar -S -c disk.img | tee stream | pigz -6 | openssl enc -aes-128-cbc -K {KEY} -iv {IV} | split -b 10M -d -a 3 - old.part.
            wait; sha1sum old.part.* >parts.sha1""",
            out,
        )

    def measure_unbundle(self):
        pairs = [self.unbundlers(made) for made in (self.default, self.pigz, self.gzip)]
        measure("unbundle", sum(pairs, []), self.options.rounds, {ours.name: theirs for theirs, ours in pairs} | {theirs.name: theirs for theirs, _ in pairs})
        for theirs, ours in pairs:
            self.target(f"{ours.name}: wall, of the pipeline", 0.40, ours.wall / theirs.wall, ours)
            self.target(f"{ours.name}: peak memory, MiB", 256, ours.peak / 2**20)
        if subprocess.run(["cmp", self.image, self.work / "ours/disk.img"]).returncode:
            sys.exit("bench: unbundle gave another image")

    def measure_verify(self):
        manifest = self.manifest(self.default)
        theirs = Contender("sha1sum of the parts", f"sha1sum {self.default.out}/*.part.*")
        fastest = Contender("openssl sha1 of the parts", f"openssl sha1 {self.default.out}/*.part.*")
        ours = Contender("baler verify --no-key", [self.baler, "verify", manifest, "--quiet", "--no-key"])
        measure("verify", [theirs, fastest, ours], self.options.rounds)
        self.target("verify --no-key: wall, of sha1sum", 1.0, ours.wall / theirs.wall, ours)

    def measure_growth(self):
        steps = []
        for times in (1, 2, 4):
            image = self.work / f"growth-{times}.img"
            repeat(self.image, times, image)
            steps.append(Contender(f"baler bundle, {times} times the data", self.bundle(image, f"growth-{times}"), self.work / f"growth-{times}"))
        measure("growth", steps, 1 if self.options.quick else min(2, self.options.rounds))
        self.target("growth: wall for 4 times the data, of 4 times the wall", 1.10, steps[2].wall / steps[0].wall / 4, steps[2])
        self.target("growth: peak memory at 4 times the data, MiB", 256, steps[2].peak / 2**20)
        for times, step in zip((1, 2, 4), steps):
            (self.work / f"growth-{times}.img").unlink()
            shutil.rmtree(step.out)

    def measure_hole(self):
        image = self.work / "hole.img"
        with open(image, "wb") as file:
            file.truncate(100 << 30)
        hole = Contender("baler bundle, a hole of 100 GiB", self.bundle(image, "hole"), self.work / "hole")
        measure("hole", [hole], self.options.rounds)
        self.target("hole: wall for 100 GiB, seconds", 1.0, hole.wall)

    def measure_s3(self):
        """Against AWS's command line and against a directory. The stand-in is the server, on the same cores."""
        noise, aws = self.noise(), self.options.aws
        files = noise.parent
        place = "s3://bench/{}".format
        put = [self.baler, "copy", "--quiet"]
        empty = lambda name, bundle="noise": [self.baler, "remove", place(name), "--prefix", bundle, "--yes"]
        with self.standin():
            up = [
                Contender("aws s3 cp, up", [aws, "s3", "cp", "--recursive", "--only-show-errors", files, place("aws")], before=empty("aws")),
                Contender("baler copy, up", [*put, noise, place("baler"), "--create-bucket"], before=empty("baler")),
            ]
            subprocess.run([*put, noise, place("first"), "--create-bucket"], check=True, stdout=subprocess.DEVNULL)
            down = [
                Contender("aws s3 cp, down", [aws, "s3", "cp", "--recursive", "--only-show-errors", place("first"), self.work / "down-aws"], self.work / "down-aws"),
                Contender("baler copy, down", [*put, place("first/noise.manifest.xml"), self.work / "down-baler"], self.work / "down-baler"),
            ]
            pairs = [up, down]
            measure("s3", sum(pairs, []), self.options.rounds, {it.name: pair[0] for pair in pairs for it in pair})
            for theirs, ours in pairs:
                # At least 0.9 times the throughput.
                self.target(f"{ours.name}: wall, of aws s3 cp", 1 / 0.9, ours.wall / theirs.wall)
                self.target(f"{ours.name}: peak memory, MiB", 300, ours.peak / 2**20)
            local = Contender("baler bundle, to a directory", self.bundle(self.image, "local"), self.work / "local")
            command = self.bundle(self.image, "local")
            command[command.index(self.work / "local")] = place("bundle")
            remote = Contender("baler bundle, to S3", command, before=empty("bundle", "local"))
            measure("bundle to S3", [local, remote], self.options.rounds)
            self.target("bundle to S3: wall, of bundling to a directory", 1.10, remote.wall / local.wall)
            self.target("bundle to S3: peak memory, MiB", 300, remote.peak / 2**20)
        for path in (down[0].out, down[1].out, local.out):
            shutil.rmtree(path)

    def noise(self):
        """The manifest of a bundle that is as long as its image."""
        name = "noise-quick" if self.options.quick else "noise-full"
        manifest = self.work / name / "noise.manifest.xml"
        if not manifest.exists():
            note("making a bundle that does not compress")
            image = self.work / f"{name}.img"
            with open(image, "wb") as file:
                for _ in range(256 if self.options.quick else 1024):
                    file.write(os.urandom(1 << 20))
            manifest.parent.mkdir(exist_ok=True)
            command = self.bundle(image, name)
            command[command.index("--name") + 1] = "noise"
            subprocess.run([*command, "--level", "fast"], check=True, stdout=subprocess.DEVNULL)
            image.unlink()
        return manifest

    @contextlib.contextmanager
    def standin(self):
        """Runs the stand-in, and sets the variables that lead to it."""
        state = self.work / "standin"
        shutil.rmtree(state, ignore_errors=True)
        server = subprocess.Popen([self.options.standin, "serve", "--directory", state, "--print-env"], stdout=subprocess.PIPE, text=True)
        try:
            for line in server.stdout:
                name, value = line.removeprefix("export ").strip().split("=", 1)
                os.environ[name] = value.strip("'")
                if name == "BALER_STANDIN_EC2_CERT":  # the last one
                    break
            yield
        finally:
            server.terminate()
            server.wait()
            shutil.rmtree(state, ignore_errors=True)

    def run(self):
        describe(self.baler, self.image)
        subprocess.run(["cat", self.image], stdout=subprocess.DEVNULL, check=True)  # into the page cache
        for name in ("bundle", "tree", "unbundle", "verify", "growth", "hole", "s3"):
            if not self.options.only or name in self.options.only:
                getattr(self, f"measure_{name}")()
        print("\ntargets" + " " * 56 + f"{'at most':>9}{'measured':>10}")
        for name, limit, measured in self.targets:
            print(f"  {name:60} {limit:9.3f}{measured:10.3f}  {'ok' if measured <= limit else 'MISSED'}")
        profiled = [self.default, self.unbundlers(self.default)[1], self.unbundlers(self.gzip)[1]] if self.options.profile else self.slow
        for contender in profiled:
            profile(contender, self.work / "perf.data")
        return any(measured > limit for _, limit, measured in self.targets)


def repeat(image, times, to):
    """Writes the data of the image `times` times; holes stay holes."""
    length = image.stat().st_size
    with open(image, "rb") as source, open(to, "wb") as copy:
        copy.truncate(length * times)
        for turn in range(times):
            end = 0
            while end < length:
                try:
                    start = os.lseek(source.fileno(), end, os.SEEK_DATA)
                except OSError:
                    break
                end = os.lseek(source.fileno(), start, os.SEEK_HOLE)
                source.seek(start)
                copy.seek(turn * length + start)
                while start < end:
                    start += copy.write(source.read(min(1 << 20, end - start)))


def describe(baler, image):
    cpu = Path("/proc/cpuinfo").read_text()
    model = re.search(r"(?:model name|CPU part)\s*: (.*)", cpu)
    flags = re.search(r"(?:flags|Features)\s*: (.*)", cpu)
    wanted = "aes vaes pclmulqdq sha_ni avx2 avx512f bmi2 pmull sha1 sve".split()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    said = lambda *argv: subprocess.run(argv, capture_output=True, text=True).stdout.splitlines()[:1] or ["?"]
    print(f"machine: {len(os.sched_getaffinity(0))} cores, {model[1] if model else '?'}, {memory >> 30} GiB, Linux {os.uname().release}")
    load = os.getloadavg()[0]
    print(f"cpu flags: {' '.join(flag for flag in wanted if flags and flag in flags[1].split())}")
    print(f"load before: {load:.1f}{', THE MACHINE IS NOT QUIET: wall times mean little' if load > 0.5 else ''}")
    print(f"baler: {said(baler, '--version')[0]}, {baler}, {os.path.getsize(baler) / 2**20:.1f} MiB")
    print(f"others: {said('tar', '--version')[0]}, {said('pigz', '--version')[0]}, {said('gzip', '--version')[0]}, {said('openssl', 'version')[0]}")
    print(f"image: {image}, {image.stat().st_size >> 20} MiB, of which {image.stat().st_blocks >> 11} MiB are data")


def profile(contender, data):
    """Prints the symbols that take the most CPU time of a contender."""
    print(f"\nprofile of {contender.name}: share of CPU time, symbol")
    if not shutil.which("perf"):
        print("  perf is not installed: run scripts/bench --profile")
        return
    command = contender.command
    contender.command = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "997", "-o", data, *command]
    contender.run()
    contender.command = command
    report = subprocess.run(["perf", "report", "-i", data, "--stdio", "--no-children", "-F", "overhead,symbol", "--percent-limit", "1"], capture_output=True, text=True)
    lines = [line.rstrip() for line in report.stdout.splitlines() if line.strip() and not line.startswith("#")]
    print("\n".join(lines[:25]) or "  " + report.stderr)


def main():
    if sys.argv[1:2] == ["pick"]:
        return pick(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
    parser = argparse.ArgumentParser()
    parser.add_argument("verb", choices=["run"])
    for name in ("baler", "image", "work"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--standin", type=Path)
    parser.add_argument("--aws", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    return Bench(options.baler, options.image, options.work, options).run()


if __name__ == "__main__":
    sys.exit(main())
