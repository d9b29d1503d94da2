"""What a maintainer runs: the Makefile, and the scripts of hack/."""
