package browsertest

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// axe-core finds what is in the way of people who use a page in another way than by
// looking at it. It is fetched when the test runs, and never part of this repository.
const (
	axePath      = "/axe-core/-/axe-core-4.14.1.tgz"
	axeIntegrity = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==" // SHA-512, as npm has it
	axeFile      = "package/axe.min.js"
	npmRegistry  = "https://registry.npmjs.org"
)

// loadAxe returns the script: from the cache of the machine, or from npm.
func loadAxe() (script string, err error) {
	folder, err := os.UserCacheDir()
	if err != nil {
		folder = os.TempDir()
	}
	cached := filepath.Join(folder, "berth-tests", filepath.Base(axePath))
	archive, err := os.ReadFile(cached)
	if err != nil || intact(archive) != nil {
		if archive, err = fetchAxe(cmp.Or(os.Getenv("NPM_CONFIG_REGISTRY"), npmRegistry), patient); err != nil {
			return "", fmt.Errorf("axe-core cannot be had from npm: %w", err)
		}
		keep(cached, archive)
	}
	return unpack(archive, axeFile)
}

// patient is how long is waited before each try.
var patient = []time.Duration{0, time.Second, 3 * time.Second, 10 * time.Second}

// fetchAxe fetches the archive. A registry that does not answer at once is asked again.
func fetchAxe(registry string, pauses []time.Duration) (archive []byte, err error) {
	client := http.Client{Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	for _, pause := range pauses {
		time.Sleep(pause)
		if archive, err = download(&client, registry+axePath); err == nil {
			return archive, nil
		}
	}
	return nil, err
}

func download(client *http.Client, address string) ([]byte, error) {
	answer, err := client.Get(address)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", address, answer.Status)
	}
	archive, err := io.ReadAll(io.LimitReader(answer.Body, 32<<20))
	return archive, errors.Join(err, intact(archive))
}

// intact returns an error unless the archive is the one that is meant.
func intact(archive []byte) error {
	sum := sha512.Sum512(archive)
	if base64.StdEncoding.EncodeToString(sum[:]) != axeIntegrity {
		return errors.New("the archive of axe-core is not the one that the test knows")
	}
	return nil
}

// keep stores the archive for the next run, if it can. Several tests may do so at once.
func keep(name string, archive []byte) {
	if os.MkdirAll(filepath.Dir(name), 0o755) != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(name), "axe")
	if err != nil {
		return
	}
	_, err = f.Write(archive)
	if errors.Join(err, f.Close()) != nil || os.Rename(f.Name(), name) != nil {
		_ = os.Remove(f.Name())
	}
}

// unpack returns a file of a tar archive that is compressed.
func unpack(archive []byte, name string) (string, error) {
	z, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return "", err
	}
	for r := tar.NewReader(z); ; {
		header, err := r.Next()
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		if header.Name == name {
			text, err := io.ReadAll(r)
			return string(text), err
		}
	}
}

// Whatever a registry sends, only what the test knows is run.
func TestOnlyTheArchiveThatIsMeantIsTakenAndARegistryIsAskedAgain(t *testing.T) {
	asked := 0
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked == 1 {
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(packed(t, "package/axe.min.js", "evil()"))
	}))
	defer registry.Close()
	_, err := fetchAxe(registry.URL, []time.Duration{0, 0, 0})
	require.ErrorContains(t, err, "is not the one that the test knows")
	require.Equal(t, 3, asked)

	script, err := unpack(packed(t, "package/axe.min.js", "good()"), axeFile)
	require.NoError(t, err)
	require.Equal(t, "good()", script)
	_, err = unpack(packed(t, "other", "x"), axeFile)
	require.ErrorContains(t, err, axeFile)
}

func packed(t *testing.T, name, text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Size: int64(len(text)), Mode: 0o644}))
	_, err := io.WriteString(w, text)
	require.NoError(t, errors.Join(err, w.Close(), z.Close()))
	return b.Bytes()
}
