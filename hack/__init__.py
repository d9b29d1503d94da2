"""What a maintainer runs: scripts that get or build the parts of tests and demos, and packages behind such scripts."""
