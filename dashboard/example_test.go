package dashboard_test

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/berth-go/berth/dashboard"
	"github.com/berth-go/berth/pool"
)

// requireLogin lets through only who knows the password. Have TLS in front of it.
func requireLogin(password string, next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(password))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, given, _ := r.BasicAuth()
		got := sha256.Sum256([]byte(given))
		if subtle.ConstantTimeCompare(got[:], want[:]) == 0 {
			w.Header().Set("WWW-Authenticate", `Basic realm="pools"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// A page that is mounted beside others, with a login before it.
func ExampleHandler() {
	rec, err := dashboard.NewRecorder()
	if err != nil {
		panic(err)
	}
	p, err := pool.New(8, pool.WithHooks(rec.Hooks()))
	if err != nil {
		panic(err)
	}
	defer p.Shutdown(context.Background())
	page, err := dashboard.Handler(dashboard.Pool{Name: "mail", Pool: p, Recorder: rec})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/pool/", requireLogin("open sesame", http.StripPrefix("/pool", page)))

	for _, password := range []string{"please", "open sesame"} {
		r := httptest.NewRequest(http.MethodGet, "/pool/", nil)
		r.SetBasicAuth("", password)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Println(password+":", w.Code)
	}
	// Output:
	// please: 401
	// open sesame: 200
}
