module boot.ironcore.dev/tests/e2e/fedhcp

go 1.24
