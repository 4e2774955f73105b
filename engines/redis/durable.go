package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/berth-go/berth/internal/errs"
	"github.com/berth-go/berth/slot"
)

// checkEvery is the least time between two looks at the settings of a server that was
// found not to be durable.
const checkEvery = time.Second

// failoverAddress is what a client that follows Sentinel has for an address.
const failoverAddress = "FailoverClient"

// ErrNotDurable is returned where WithDurable was given and the server says that it
// is not. Until the server was found durable once it is permanent.
var ErrNotDurable = errors.New("the server can forget slots, and WithDurable says that it cannot")

// WithDurable says that the server, or each of a cluster, forgets nothing that it has
// answered: it stores each write before it answers (appendonly yes, appendfsync
// always), evicts nothing (maxmemory-policy noeviction), and no replica that may lag
// behind takes its place: no Sentinel, no failover of a cluster. Then slots are
// [slot.Info] Strict and have fences.
//
// What the server tells of that is checked before the first claim and when the
// connection was lost; claims are refused with [ErrNotDurable] where it does not hold.
// Managed servers tell little. What nobody tells has to be true nevertheless.
func WithDurable() Option {
	return func(c *config) error {
		c.durable = true
		return nil
	}
}

// checkDurableClient returns why what a client leads to cannot be durable.
func (c *config) checkDurableClient(client goredis.UniversalClient) error {
	if one, ok := client.(*goredis.Client); ok && c.durable && one.Options().Addr == failoverAddress {
		return fmt.Errorf("WithDurable: %w: the client follows Sentinel, and a replica that takes over may not know the last slots", ErrNotDurable)
	}
	return nil
}

// durability is what is known of the server's settings. Its fields are guarded by
// Source.mu.
type durability struct {
	known  bool // they were looked at, and hold
	before bool // they did once
	failed error
	at     time.Time // of the last look
}

// durable returns why no slot may be claimed, after a look at the server if that has
// become necessary.
func (s *Source) durable(ctx context.Context) error {
	d := &s.durability
	s.lock()
	known, failed, at := d.known, d.failed, d.at
	s.unlock()
	switch {
	case !s.cfg.durable || known:
		return nil
	case failed != nil && time.Since(at) < checkEvery:
		return failed
	}
	err := s.settings(ctx)
	s.lock()
	defer s.unlock()
	d.known, d.failed, d.at = err == nil, nil, time.Now()
	if err == nil {
		d.before = true
	} else if errors.Is(err, ErrNotDurable) && !d.before {
		err = errs.Permanently(err)
	}
	d.failed = err
	return err
}

// settings looks at the settings of each server that slots may lie on.
func (s *Source) settings(ctx context.Context) error {
	cluster, ok := s.client.(*goredis.ClusterClient)
	if !ok {
		return s.settingsOf(ctx, s.client)
	}
	var mu sync.Mutex // guards errs
	var errs []error
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, one *goredis.Client) error {
		err := s.settingsOf(ctx, one)
		if err == nil {
			err = noReplicas(ctx, one)
		}
		mu.Lock()
		defer mu.Unlock()
		errs = append(errs, err)
		return nil
	})
	if err != nil {
		return s.trouble(err)
	}
	return errors.Join(errs...)
}

// wanted are the settings of a server that forgets nothing. report is where INFO has
// one, for servers that do not let CONFIG be used.
var wanted = []struct{ setting, value, section, report, reported string }{
	{"maxmemory-policy", "noeviction", "memory", "maxmemory_policy", "noeviction"},
	{"appendonly", "yes", "persistence", "aof_enabled", "1"},
	{"appendfsync", "always", "", "", ""},
}

// settingsOf returns what is wrong with the settings of a server, as far as it tells.
func (s *Source) settingsOf(ctx context.Context, one goredis.UniversalClient) error {
	for _, w := range wanted {
		is, err := settingOf(ctx, one, w.setting, w.section, w.report)
		if err != nil {
			return s.trouble(err)
		}
		if is != "" && is != w.value && is != w.reported {
			return errs.InWords(fmt.Sprintf("%v: it has %s %s: set %s, or do without WithDurable", ErrNotDurable, w.setting, is, w.value), ErrNotDurable)
		}
	}
	return nil
}

// settingOf returns a setting of a server, and nothing where that does not tell. An
// error says that there was no answer.
func settingOf(ctx context.Context, one goredis.UniversalClient, setting, section, report string) (string, error) {
	values, err := one.ConfigGet(ctx, setting).Result()
	if err == nil {
		return values[setting], nil
	}
	if !answered(err) {
		return "", err
	}
	if section == "" {
		return "", nil
	}
	return reportOf(ctx, one, section, report)
}

// reportOf returns a line of a section of INFO.
func reportOf(ctx context.Context, one goredis.UniversalClient, section, name string) (string, error) {
	text, err := one.Info(ctx, section).Result()
	if err != nil && !answered(err) {
		return "", err
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return value, nil
		}
	}
	return "", nil
}

// noReplicas refuses a member of a cluster that has some: one takes its place when it
// does not answer.
func noReplicas(ctx context.Context, one *goredis.Client) error {
	n, err := reportOf(ctx, one, "replication", "connected_slaves")
	if err != nil || n == "" || n == "0" {
		return err
	}
	return errs.InWords(fmt.Sprintf("%v: %s has %s replicas, and one that takes over may not know the last slots", ErrNotDurable, one.Options().Addr, n), ErrNotDurable)
}

// answered reports whether an error is an answer of the server.
func answered(err error) bool {
	var answer goredis.Error
	return errors.As(err, &answer)
}

// asOutage returns an error of a claim that was not sent.
func asOutage(err error) error {
	if slot.IsPermanent(err) || errors.Is(err, slot.ErrUnavailable) {
		return err
	}
	return errs.InWords(err.Error(), slot.ErrUnavailable, err)
}
