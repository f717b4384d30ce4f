#!/bin/sh
# Prints the first interpreter on PATH that set-up can use. Where there is none it prints python3 all the same, so that
# the set-up's own checks can say what is missing. Being on PATH is not enough: a version manager's shim may stand there.
for name in python3 python3.13 python3.12 python3.11; do
    if "$name" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
        command -v "$name"
        exit 0
    fi
done
command -v python3 >/dev/null || echo "no python3 on PATH; Debian and Ubuntu: apt-get install python3 python3-venv" >&2
echo python3
