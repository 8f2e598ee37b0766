#!/bin/sh
# Makes configure and Makefile.in from their sources (autoconf, automake, autoconf-archive, pkg-config).
set -e
cd "$(dirname "$0")"
exec autoreconf --install --force
