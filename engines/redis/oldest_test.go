package redis

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// since has the commands that the script calls, and since which version Redis has them
// as they are called here.
var since = map[string]string{
	"TIME": "2.6", // in a script that writes, 5.0
	"SET":  "6.2", // with GET; together with NX 7.0
	"GET":  "1.0", "DEL": "1.0", "EXISTS": "3.0", "PTTL": "2.6", "PUBLISH": "2.0",
	"PEXPIRE": "2.6", // its options NX, XX, GT, LT: 7.0
	"ZADD":    "3.0", "ZCARD": "1.2", "ZCOUNT": "2.0", "ZRANGE": "1.2", "ZRANGEBYSCORE": "2.2",
	"ZRANK": "2.0", // WITHSCORE: 7.2
	"ZREM":  "2.4", "ZREMRANGEBYSCORE": "1.2", "ZSCORE": "1.2",
}

// newer is what has come after Redis 6.2 and can stand in a script.
var newer = map[string]*regexp.Regexp{
	"an option of PEXPIRE":  regexp.MustCompile(`'PEXPIRE'[^)]*'(NX|XX|GT|LT)'`),
	"SET with NX and GET":   regexp.MustCompile(`'SET'[^)]*('NX'[^)]*'GET'|'GET'[^)]*'NX')`),
	"ZRANK with a score":    regexp.MustCompile(`'ZRANK'[^)]*'WITHSCORE'`),
	"a shebang":             regexp.MustCompile(`\A#!`),
	"a function of 7.0":     regexp.MustCompile(`redis\.(acl_check_cmd|register_function|REDIS_VERSION)`),
	"a command of a table":  regexp.MustCompile(`call\([^'"]`),
	"pcall, not looked at":  regexp.MustCompile(`pcall`),
	"another name for call": regexp.MustCompile(`=\s*redis\.call\b`),
}

// CI has one version of Redis. So that the oldest one that the documentation names is
// not forgotten, the script is read for what it does not have.
func TestTheScriptUsesNothingThatTheOldestRedisLacks(t *testing.T) {
	code := regexp.MustCompile(`(?m)--.*$`).ReplaceAllString(lineText, "")
	calls := regexp.MustCompile(`call\('([A-Z]+)'`).FindAllStringSubmatch(code, -1)
	require.Greater(t, len(calls), 20)
	seen := map[string]bool{}
	for _, call := range calls {
		require.Contains(t, since, call[1], "say since when Redis has it")
		seen[call[1]] = true
	}
	for command, version := range since {
		require.True(t, seen[command], "%s is not called", command)
		require.LessOrEqual(t, version, "6.2", command)
	}
	for what, pattern := range newer {
		found := pattern.FindAllString(code, -1)
		if what == "another name for call" {
			require.Equal(t, []string{"= redis.call"}, found, "the script has one name for it, which is read above")
			continue
		}
		require.Empty(t, found, what)
	}
}

// Besides the script, a source sends a few commands by the client's methods.
func TestTheSourceSendsNothingThatTheOldestRedisLacks(t *testing.T) {
	methods := map[string]bool{
		"Pipeline": true, "Eval": true, "EvalSha": true, "Exec": true, // 2.6
		"Subscribe": true, "Ping": true, "Info": true, "ConfigGet": true, "ForEachMaster": true, // 2.0
	}
	used := regexp.MustCompile(`(?:client|\bone|\bp|cluster)\.([A-Z]\w*)\(`)
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	seen := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || file == "doc.go" {
			continue
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range used.FindAllStringSubmatch(string(text), -1) {
			if m[1] == "Options" { // which sends nothing
				continue
			}
			require.True(t, methods[m[1]], "%s: %s: say since when Redis has it", file, m[0])
			seen++
		}
	}
	require.Greater(t, seen, 5)
}
