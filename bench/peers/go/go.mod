module pidfd-bench

go 1.23
