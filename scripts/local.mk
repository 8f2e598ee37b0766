# What the two commands and a source archive need beside the programs.
EXTRA_DIST += up check scripts nginx examples docs README.md
