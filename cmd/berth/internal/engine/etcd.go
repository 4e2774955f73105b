package engine

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/berth-go/berth/engines/etcd"
	"github.com/berth-go/berth/slot"
)

const etcdPort = "2379"

var etcdWords = strings.NewReplacer("WithPrefix", "the prefix in the URL", "WithRequestTimeout", "--timeout")

// etcdEngine owns the client of its source.
type etcdEngine struct {
	*etcd.Source
	client *clientv3.Client
}

// openEtcd opens etcd://host:port,host:port/prefix/.
func openEtcd(at Address, s Settings, limits slot.Limits) (Engine, error) {
	if err := at.known("user"); err != nil {
		return nil, err
	}
	client, err := etcdClient(at, s)
	if err != nil {
		return nil, err
	}
	src, err := etcd.NewSource(client, limits, etcdOptions(at, s)...)
	if err != nil {
		_ = client.Close() // nothing was sent
		return nil, err
	}
	return &etcdEngine{src, client}, nil
}

func etcdClient(at Address, s Settings) (*clientv3.Client, error) {
	hosts, err := at.servers(etcdPort)
	if err != nil {
		return nil, err
	}
	secret, err := s.secret()
	if err != nil {
		return nil, err
	}
	user := at.Options.Get("user")
	if (user == "") != (secret == "") {
		return nil, errors.New("etcd asks for a name and a secret: give both, ?user=name in the URL and --secret-file, or neither")
	}
	tls, err := s.TLS.config()
	if err != nil {
		return nil, err
	}
	return clientv3.New(clientv3.Config{
		Endpoints: hosts, TLS: tls, Username: user, Password: secret,
		DialKeepAliveTime: 5 * time.Second, DialKeepAliveTimeout: 2 * time.Second, // a member that hangs is noticed
		Logger: zap.NewNop(), // berth says what is wrong
	})
}

func etcdOptions(at Address, s Settings) []etcd.Option {
	options := []etcd.Option{etcd.WithLogger(slog.New(slog.DiscardHandler))}
	if prefix := strings.TrimPrefix(at.Path, "/"); prefix != "" {
		options = append(options, etcd.WithPrefix(strings.TrimSuffix(prefix, "/")+"/"))
	}
	if s.Name != "" {
		options = append(options, etcd.WithName(s.Name))
	}
	if s.Lease > 0 {
		options = append(options, etcd.WithLease(s.Lease))
	}
	if s.Patience > 0 {
		options = append(options, etcd.WithRequestTimeout(s.Patience))
	}
	return options
}

// Ping looks at a key that need not be there.
func (e *etcdEngine) Ping(ctx context.Context) error {
	_, err := e.Inspect(ctx, "ping")
	return err
}

// List is for engines that know their keys.
func (e *etcdEngine) List(context.Context) ([]Key, error) { return nil, cannotList("etcd://") }

// Close closes the source, and then the client.
func (e *etcdEngine) Close(ctx context.Context) error {
	return errors.Join(e.Source.Close(ctx), e.client.Close())
}
