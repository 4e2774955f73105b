package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/berth-go/berth/engines/redis"
	"github.com/berth-go/berth/slot"
)

const redisPort = "6379"

var redisWords = strings.NewReplacer("WithPrefix", "the prefix in the URL", "WithDurable", "?durable in the URL", "WithTimeout", "--timeout")

// redisEngine owns the client of its source.
type redisEngine struct {
	*redis.Source
	client goredis.UniversalClient
}

// openRedis opens redis://host:port/database.
func openRedis(at Address, s Settings, limits slot.Limits) (Engine, error) {
	options, err := redisOptions(at, s)
	if err != nil {
		return nil, err
	}
	client, err := redisClient(at, s)
	if err != nil {
		return nil, err
	}
	src, err := redis.NewSource(client, limits, options...)
	if err != nil {
		_ = client.Close() // nothing was sent
		return nil, err
	}
	return &redisEngine{src, client}, nil
}

func redisClient(at Address, s Settings) (goredis.UniversalClient, error) {
	hosts, err := at.servers(redisPort)
	if err != nil {
		return nil, err
	}
	cluster, err := at.flag("cluster")
	if err != nil {
		return nil, err
	}
	o := &goredis.UniversalOptions{Addrs: hosts, IsClusterMode: cluster, MasterName: at.Options.Get("master"), Username: at.Options.Get("user")}
	if database := strings.Trim(at.Path, "/"); database != "" {
		if o.DB, err = strconv.Atoi(database); err != nil || o.DB < 0 {
			return nil, fmt.Errorf("the URL of the engine has %q behind the host: with redis:// it is the number of a database", at.Path)
		}
	}
	if len(hosts) > 1 && !cluster && o.MasterName == "" {
		return nil, errors.New("the URL of the engine has several hosts: those of a Redis Cluster (?cluster), or of Sentinel (?master=name)?")
	}
	if o.Password, err = s.secret(); err != nil {
		return nil, err
	}
	if o.TLSConfig, err = s.TLS.config(); err != nil {
		return nil, err
	}
	return goredis.NewUniversalClient(o), nil
}

func redisOptions(at Address, s Settings) ([]redis.Option, error) {
	if err := at.known("cluster", "master", "user", "prefix", "durable"); err != nil {
		return nil, err
	}
	options := []redis.Option{redis.WithLogger(slog.New(slog.DiscardHandler))} // berth says what is wrong
	durable, err := at.flag("durable")
	if err != nil {
		return nil, err
	}
	if durable {
		options = append(options, redis.WithDurable())
	}
	if at.Options.Has("prefix") {
		options = append(options, redis.WithPrefix(at.Options.Get("prefix")))
	}
	if s.Admin {
		options = append(options, redis.WithAdministrator())
	}
	if s.Name != "" {
		options = append(options, redis.WithName(s.Name))
	}
	if s.Lease > 0 {
		options = append(options, redis.WithLease(s.Lease))
	}
	if s.Patience > 0 {
		options = append(options, redis.WithTimeout(s.Patience))
	}
	return options, nil
}

// List is for engines that know their keys.
func (e *redisEngine) List(context.Context) ([]Key, error) { return nil, cannotList("redis://") }

// Close closes the source, and then the client.
func (e *redisEngine) Close(ctx context.Context) error {
	return errors.Join(e.Source.Close(ctx), e.client.Close())
}
