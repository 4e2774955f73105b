package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
)

// telemetry is OpenTelemetry's SDK with three ways out: spans to a file, spans
// to memory for the timeline, metrics to a page.
type telemetry struct {
	tracers *sdktrace.TracerProvider
	meters  *sdkmetric.MeterProvider
	spans   *keeper
	file    *os.File
	page    *http.Server
	address string
	served  chan error // gets the error with which the page's server ended
}

func startTelemetry(s settings) (*telemetry, error) {
	t := &telemetry{spans: &keeper{}}
	if err := t.startTraces(s.trace); err != nil {
		return nil, fmt.Errorf("-trace: %w", err)
	}
	if err := t.startMetrics(s.metrics); err != nil {
		return nil, errors.Join(fmt.Errorf("-metrics: %w", err), t.stopTraces(context.Background()))
	}
	return t, nil
}

func (t *telemetry) startTraces(name string) (err error) {
	if t.file, err = os.Create(name); err != nil {
		return err
	}
	exporter, err := stdouttrace.New(stdouttrace.WithWriter(t.file))
	if err != nil {
		return errors.Join(err, t.file.Close())
	}
	t.tracers = sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithSyncer(t.spans))
	return nil
}

func (t *telemetry) startMetrics(address string) error {
	registry := prometheus.NewRegistry()
	exporter, err := otelprom.New(otelprom.WithRegisterer(registry))
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	t.meters = sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter))
	mux := http.NewServeMux()
	// OpenMetrics is the form that has exemplars: from a bucket to a trace.
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	t.address = "http://" + ln.Addr().String() + "/metrics"
	t.page = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	t.served = make(chan error, 1)
	go func() { t.served <- t.page.Serve(ln) }()
	return nil
}

// read returns the page of metrics, as Prometheus would get it.
func (t *telemetry) read(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.address, nil)
	if err != nil {
		return "", err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return string(text), err
}

// stop writes what is left of the trace and ends the page.
func (t *telemetry) stop(ctx context.Context) error {
	err := t.page.Shutdown(ctx)
	if served := <-t.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return errors.Join(err, t.meters.Shutdown(ctx), t.stopTraces(ctx))
}

func (t *telemetry) stopTraces(ctx context.Context) error {
	return errors.Join(t.tracers.Shutdown(ctx), t.file.Close())
}

// A keeper is an exporter that keeps spans.
type keeper struct {
	mu   sync.Mutex // guards kept
	kept []sdktrace.ReadOnlySpan
}

var _ sdktrace.SpanExporter = (*keeper)(nil)

func (k *keeper) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kept = append(k.kept, spans...)
	return nil
}

func (k *keeper) Shutdown(context.Context) error { return nil }

// all returns the spans that have ended, in the order of their begins.
func (k *keeper) all() []sdktrace.ReadOnlySpan {
	k.mu.Lock()
	defer k.mu.Unlock()
	spans := slices.Clone(k.kept)
	slices.SortStableFunc(spans, func(a, b sdktrace.ReadOnlySpan) int { return a.StartTime().Compare(b.StartTime()) })
	return spans
}
