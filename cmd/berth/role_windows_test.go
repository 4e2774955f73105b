package main

// roleArg makes the test's program a command that berth runs, where that is tried.
const roleArg = "berth-test-role"

func role([]string) int { return 99 }
