"""What the figures were measured on."""

import datetime
import os
import platform
import subprocess


def _first(path, key):
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line.startswith(key):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return ""


def _file_system(path):
    answer = subprocess.run(["df", "--output=fstype", path], capture_output=True, text=True, check=False)
    return answer.stdout.split()[-1] if answer.returncode == 0 and answer.stdout.split() else ""


def _system():
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return ""


def describe(directory):
    """A dictionary for the results."""
    return {
        "processor": _first("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory_kb": int((_first("/proc/meminfo", "MemTotal") or "0 kB").split()[0]),
        "kernel": platform.release(),
        "system": _system(),
        "file_system": _file_system(directory),
        "time": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def memory_free():
    """Bytes that nobody uses."""
    return int((_first("/proc/meminfo", "MemFree") or "0 kB").split()[0]) * 1024
