package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// deployed reads a file of folder deploy.
func deployed(t *testing.T, name string) string {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "deploy", filepath.FromSlash(name)))
	require.NoError(t, err)
	return string(text)
}

// documents reads all YAML documents of a text.
func documents(t *testing.T, text string) (all []map[string]any) {
	d := yaml.NewDecoder(strings.NewReader(text))
	for {
		var doc map[string]any
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		all = append(all, doc)
	}
}

// at follows names and indices into what was decoded.
func at(t *testing.T, v any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, ok := v.(map[string]any)
			require.True(t, ok, "%v of %v", step, v)
			require.Contains(t, m, step)
			v = m[step]
		case int:
			v = v.([]any)[step]
		}
	}
	return v
}

// metricNames returns the names of all families that the program serves.
func metricNames(t *testing.T) []string {
	p := startProgram(t, "--metrics-addr", ":0")
	_, text := get(t, p.logged(t, "serving figures.* address=(.*)"), "/metrics")
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`).FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
		if m[2] == "histogram" {
			names = append(names, m[1]+"_bucket", m[1]+"_sum", m[1]+"_count")
		}
	}
	require.Greater(t, len(names), 20)
	return names
}

func TestEachMetricThatAlertsAndDashboardNameIsServed(t *testing.T) {
	served := metricNames(t)
	named := map[string]bool{}
	for _, f := range []string{"prometheus/alerts.yaml", "grafana/dflockd.json"} {
		for _, name := range regexp.MustCompile(`\b(?:dflockd|process|go)_[a-z_]+`).FindAllString(deployed(t, f), -1) {
			require.Contains(t, served, name, f)
			named[name] = true
		}
	}
	for _, name := range served {
		if strings.HasPrefix(name, "dflockd_") && !strings.HasSuffix(name, "_seconds") { // a histogram is named by its parts
			require.True(t, named[name], "%s is served, and neither alerts nor dashboard look at it", name)
		}
	}
}

func TestAlertsAreRulesOfPrometheus(t *testing.T) {
	rules := at(t, documents(t, deployed(t, "prometheus/alerts.yaml"))[0], "groups", 0, "rules").([]any)
	require.NotEmpty(t, rules)
	seen := map[any]bool{}
	for _, rule := range rules {
		name := at(t, rule, "alert")
		require.False(t, seen[name], name)
		seen[name] = true
		expr := at(t, rule, "expr").(string)
		require.Equal(t, strings.Count(expr, "("), strings.Count(expr, ")"), name)
		require.Contains(t, []any{"critical", "warning"}, at(t, rule, "labels", "severity"))
		require.NotEmpty(t, at(t, rule, "annotations", "summary"))
		if wait, ok := rule.(map[string]any)["for"]; ok {
			_, err := time.ParseDuration(wait.(string))
			require.NoError(t, err, name)
		}
	}
}

func TestDashboardIsJSONWhosePanelsAskForSomething(t *testing.T) {
	var dashboard map[string]any
	require.NoError(t, json.Unmarshal([]byte(deployed(t, "grafana/dflockd.json")), &dashboard))
	ids := map[any]bool{}
	for _, panel := range at(t, dashboard, "panels").([]any) {
		id := at(t, panel, "id")
		require.False(t, ids[id], "panels have numbers of their own")
		ids[id] = true
		for _, target := range at(t, panel, "targets").([]any) {
			require.NotEmpty(t, at(t, target, "expr"))
		}
	}
	require.Greater(t, len(ids), 8)
}

func TestManifestRunsOneServerThatStartsAndIsProbedWhereItAnswers(t *testing.T) {
	deployment := documents(t, deployed(t, "kubernetes/dflockd.yaml"))[0]
	require.Equal(t, 1, at(t, deployment, "spec", "replicas"))
	require.Equal(t, map[string]any{"type": "Recreate"}, at(t, deployment, "spec", "strategy"))
	pod := at(t, deployment, "spec", "template", "spec")
	container := at(t, pod, "containers", 0)

	dir := t.TempDir()
	for _, folder := range []string{"token", "tls"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, folder), 0o700))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "token", "token"), []byte("sesame\n"), 0o600))
	certificate(t, filepath.Join(dir, "tls", "tls.crt"), filepath.Join(dir, "tls", "tls.key"), "dflockd")
	args := []string{"--port=0"}
	for _, arg := range at(t, container, "args").([]any) {
		args = append(args, strings.NewReplacer("/etc/dflockd", dir, "0.0.0.0:9388", "127.0.0.1:0", "0.0.0.0", "127.0.0.1").Replace(arg.(string)))
	}
	set, err := serving.parse(args, noEnv)
	require.NoError(t, err)
	require.False(t, set.autoRelease, "strict")
	require.Greater(t, at(t, pod, "terminationGracePeriodSeconds"), int(set.shutdownTimeout.Seconds()), "the drain is not cut off")

	p := startProgramIn(t, nil, args...)
	metrics := p.logged(t, `"serving figures","address":"([^"]+)"`)
	for _, name := range []string{"readinessProbe", "livenessProbe"} {
		path := at(t, container, name, "httpGet", "path").(string)
		require.Equal(t, "metrics", at(t, container, name, "httpGet", "port"))
		status, _ := get(t, metrics, path)
		require.Equal(t, http.StatusOK, status, path)
	}
	for _, mount := range at(t, container, "volumeMounts").([]any) {
		require.NotContains(t, mount, "subPath", "a file that is mounted by itself never changes")
	}
}

func TestUnitIsOneThatSystemdTakesAndTheProgramStartsWith(t *testing.T) {
	unit := deployed(t, "systemd/dflockd.service")
	vars := environment{}
	for _, m := range regexp.MustCompile(`(?m)^Environment=(.*)$`).FindAllStringSubmatch(unit, -1) {
		for pair := range strings.FieldsSeq(m[1]) {
			name, value, _ := strings.Cut(pair, "=")
			vars[name] = value
		}
	}
	set, err := serving.parse(nil, vars)
	require.NoError(t, err)
	require.Empty(t, set.notes)
	require.False(t, set.autoRelease, "strict")
	m := regexp.MustCompile(`(?m)^TimeoutStopSec=(.*)$`).FindStringSubmatch(unit)
	stop, err := time.ParseDuration(m[1])
	require.NoError(t, err)
	require.Greater(t, stop, set.shutdownTimeout, "the drain is not cut off")
	require.Contains(t, unit, "Type=notify\n")
	require.Contains(t, unit, "ExecReload=/bin/kill -HUP $MAINPID\n")

	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze here to verify the unit with")
	}
	path := filepath.Join(t.TempDir(), "dflockd.service")
	require.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(unit, "/usr/local/bin/dflockd", binary)), 0o600))
	out, err := exec.Command(analyze, "verify", path).CombinedOutput()
	require.NoError(t, err, string(out))
	require.Empty(t, string(bytes.TrimSpace(out)))
}

func TestImageSetsVariablesThatTheProgramKnows(t *testing.T) {
	dockerfile := deployed(t, "Dockerfile")
	vars := environment{}
	for _, m := range regexp.MustCompile(`(DFLOCKD_[A-Z_]+)=(\S+)`).FindAllStringSubmatch(dockerfile, -1) {
		vars[m[1]] = m[2]
	}
	set, err := serving.parse(nil, vars)
	require.NoError(t, err)
	require.Empty(t, set.notes)
	require.False(t, isLoopback(set.host), "loopback of a container reaches nobody")
	for _, port := range regexp.MustCompile(`(?m)^EXPOSE (.*)$`).FindStringSubmatch(dockerfile)[1:] {
		require.Equal(t, []string{"6388", "9388"}, strings.Fields(port))
	}
	require.Contains(t, dockerfile, "FROM golang:"+goVersion(t)+"-")
}

// goVersion returns what the module needs, without its last part.
func goVersion(t *testing.T) string {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "go.mod"))
	require.NoError(t, err)
	return regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(text))[1]
}

func TestGuideNamesSettingsAndFilesThatExist(t *testing.T) {
	guide := deployed(t, "README.md")
	flags := []string{}
	for row := range serving.rows() {
		flags = append(flags, "--"+row.flag)
	}
	for _, flag := range regexp.MustCompile("`(--[a-z-]+)`").FindAllStringSubmatch(guide, -1) {
		require.Contains(t, append(flags, "--help"), flag[1])
	}
	for _, name := range regexp.MustCompile(`DFLOCKD_[A-Z_]+[A-Z]`).FindAllString(guide, -1) {
		require.True(t, slices.Contains(knownVariables(), name), name)
	}
	for _, link := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(guide, -1) {
		_, err := os.Stat(filepath.Join("..", "..", "..", "deploy", filepath.FromSlash(link[1])))
		require.NoError(t, err)
	}
}
