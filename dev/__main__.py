"""Every task of the project: `python3 -m dev TASK [ARGUMENTS]`. The Makefile is a list of aliases of it."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable

from dev import environment, instance, processes
from dev.bootstrap import CHECKOUT, PYTHON, BootstrapError, bootstrap
from dev.services import Services, ServicesError

BIN = CHECKOUT / ".venv" / "bin"


def _call(*command: object, env: dict[str, str] | None = None) -> int:
    return subprocess.run([str(part) for part in command], cwd=CHECKOUT, env=env, check=False).returncode


def _python(*arguments: object) -> int:
    return _call(PYTHON, *arguments)


def run(_arguments: list[str]) -> int:
    """Start everything in the foreground; Ctrl-C stops it."""
    return instance.run()


def stop(_arguments: list[str]) -> int:
    """Stop the instance of this checkout."""
    return instance.stop()


def restart_workers(_arguments: list[str]) -> int:
    """Start the workers, the relay and the schedule of the running instance anew."""
    return instance.restart_workers()


def test(arguments: list[str]) -> int:
    """Run the tests; arguments go to pytest."""
    return _python("-m", "pytest", *(arguments or ["-n", "2", "--dist", "loadfile"]))


def story(arguments: list[str]) -> int:
    """Play the main job over HTTP against the running instance, or against one started for it."""
    return instance.around([str(PYTHON), "-m", "tests.story", *arguments])


def faults(arguments: list[str]) -> int:
    """Kill the workers and empty Redis in the middle of the story."""
    return instance.around([str(PYTHON), "-m", "tests.faults", *arguments])


def bench(arguments: list[str]) -> int:
    """Measure the hot paths; one `ratio NAME VALUE goal GOAL` a line."""
    return _python("-m", "bench", *arguments)


def bench_identity(arguments: list[str]) -> int:
    """Measure the member store: imports, the home call, the profile, merges; lines as those of bench."""
    return _python("-m", "bench", "--group", "identity", *arguments)


def bench_coupons(arguments: list[str]) -> int:
    """Measure coupons: redemptions, claims, pushes, redeem codes; lines as those of bench."""
    return _python("-m", "bench", "--group", "coupons", *arguments)


def live(_arguments: list[str]) -> int:
    """Story and faults, one after the other on one instance."""
    return instance.around([sys.executable, "-m", "dev.live"])


def flask(arguments: list[str]) -> int:
    """Run a `flask` command of the product against the running instance, for example `doctor invariants`."""
    return _call(PYTHON, "-m", "flask", "--app", "wsgi", *arguments, env=instance.running_environment())


def lint(arguments: list[str]) -> int:
    """Check style."""
    return _call(BIN / "ruff", "check", *(arguments or ["."]))


def types(arguments: list[str]) -> int:
    """Check types."""
    return _call(BIN / "mypy", *arguments)


def contracts(_arguments: list[str]) -> int:
    """Check the direction of imports."""
    return _call(BIN / "lint-imports")


def migrations_check(_arguments: list[str]) -> int:
    """Migrate an empty database and fail when the models say something else."""
    with processes.terminated_as_interrupt(), Services.throwaway() as services:
        env = environment.build(services.environment, {"web": 1, "simulator": 2})
        flask = [PYTHON, "-m", "flask", "--app", "wsgi", "db"]
        return _call(*flask, "upgrade", env=env) or _call(*flask, "check", env=env)


def lock(_arguments: list[str]) -> int:
    """Resolve pyproject.toml into requirements.lock, and dev/assets/package.json into its lock."""
    command = [BIN / "uv", "pip", "compile", "-q", "pyproject.toml", "--all-extras", "--universal"]
    options = ["--python-version", "3.11", "--generate-hashes", "--no-annotate", "--no-header", "--upgrade"]
    done = _call(*command, *options, "-o", "requirements.lock")
    npm = ["npm", "--prefix", "dev/assets", "install", "--package-lock-only", "--ignore-scripts"]
    return done or (_call(*npm, "--omit-lockfile-registry-resolved") if shutil.which("npm") else 0)


def clean(_arguments: list[str]) -> int:
    """Stop the instance and remove everything that was installed or made: .venv, var, browser files, caches."""
    if instance.stop() != 0:
        return 1
    instance.remove_data()
    for name in (".venv", "dev/assets/node_modules", "app/static/vendor", "bench/out", ".pytest_cache", ".mypy_cache",
                 ".ruff_cache", ".hypothesis", ".import_linter_cache"):  # fmt: skip
        shutil.rmtree(CHECKOUT / name, ignore_errors=True)
    return 0


_TASKS: dict[str, Callable[[list[str]], int]] = {
    task.__name__.replace("_", "-"): task
    for task in (run, stop, restart_workers, test, story, faults, bench, bench_identity, bench_coupons, live, flask,
                 lint, types, contracts, migrations_check, lock, clean)
}  # fmt: skip
_WITHOUT_SETUP = {"run", "stop", "restart-workers", "clean"}


def main() -> int:
    name, *arguments = sys.argv[1:] or ["help"]
    task = _TASKS.get(name)
    if task is None:
        print("python3 -m dev TASK, where TASK is")
        for known, function in _TASKS.items():
            print(f"  {known:<18} {function.__doc__}")
        return 0 if name in {"help", "-h", "--help"} else 2
    os.chdir(CHECKOUT)
    try:
        if name not in _WITHOUT_SETUP:
            bootstrap()
        return task(arguments)
    except KeyboardInterrupt:
        return 130
    except (BootstrapError, ServicesError, instance.InstanceError) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
