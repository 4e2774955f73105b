package etcdtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// startTimeout is how long members may take until they serve.
const startTimeout = 30 * time.Second

// A Cluster is etcd in this process. Its methods must not be called at once.
type Cluster struct {
	folder  string
	configs []*embed.Config
	members []*embed.Etcd // nil: it does not run
}

// Start starts a cluster of so many members, with empty data. The functions change
// each member's configuration before. Elections take half a second, leases of 2 s are
// granted, and what is written does not wait for the disk.
func Start(members int, change ...func(*embed.Config)) (*Cluster, error) {
	folder, err := os.MkdirTemp("", "etcdtest")
	if err != nil {
		return nil, err
	}
	c := &Cluster{folder: folder, members: make([]*embed.Etcd, members)}
	var peers []string
	for i := range members {
		cfg, err := c.configure(i)
		if err != nil {
			_ = os.RemoveAll(folder)
			return nil, err
		}
		for _, f := range change {
			f(cfg)
		}
		c.configs = append(c.configs, cfg)
		peers = append(peers, cfg.Name+"="+cfg.AdvertisePeerUrls[0].String())
	}
	for _, cfg := range c.configs {
		cfg.InitialCluster = strings.Join(peers, ",")
	}
	if err := c.StartMembers(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// configure returns the configuration of a member.
func (c *Cluster) configure(i int) (*embed.Config, error) {
	urls := make([]url.URL, 2)
	for j := range urls {
		address, err := freeAddress()
		if err != nil {
			return nil, err
		}
		urls[j] = url.URL{Scheme: "http", Host: address}
	}
	cfg := embed.NewConfig()
	cfg.Name = fmt.Sprintf("m%d", i)
	cfg.Dir = filepath.Join(c.folder, cfg.Name)
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = urls[:1], urls[:1]
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = urls[1:], urls[1:]
	cfg.TickMs, cfg.ElectionMs = 50, 500
	cfg.UnsafeNoFsync = true
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	return cfg, nil
}

// freeAddress returns a loopback address that nobody listens on: the members have to
// know each other's before they start. Its port is none of those that Linux gives to
// whoever asks for any, who could have it by then.
func freeAddress() (address string, err error) {
	const first, ports, tries = 10_000, 20_000, 100
	for range tries {
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(ports))); err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", err
}

// StartMembers starts those members that do not run, with the data that they have.
func (c *Cluster) StartMembers() error {
	for i, cfg := range c.configs {
		if c.members[i] != nil {
			continue
		}
		m, err := embed.StartEtcd(cfg)
		if err != nil {
			return err
		}
		c.members[i] = m
	}
	timeout := time.After(startTimeout)
	for _, m := range c.members {
		select {
		case <-m.Server.ReadyNotify():
		case err := <-m.Err():
			return err
		case <-timeout:
			return errors.New("etcdtest: the members found no leader in time")
		}
	}
	return nil
}

// Stop stops a member, whose data stay.
func (c *Cluster) Stop(member int) {
	if m := c.members[member]; m != nil {
		m.Close()
		c.members[member] = nil
	}
}

// Leader returns the number of the member that leads, or -1.
func (c *Cluster) Leader() int {
	for i, m := range c.members {
		if m != nil && m.Server.MemberID() == m.Server.Leader() {
			return i
		}
	}
	return -1
}

// Endpoints returns where the members serve clients.
func (c *Cluster) Endpoints() []string {
	var all []string
	for _, cfg := range c.configs {
		all = append(all, cfg.AdvertiseClientUrls[0].String())
	}
	return all
}

// Client returns a client of the cluster, for its caller to close.
func (c *Cluster) Client(change ...func(*clientv3.Config)) (*clientv3.Client, error) {
	cfg := clientv3.Config{Endpoints: c.Endpoints(), Logger: zap.NewNop(), DialKeepAliveTime: 5 * time.Second, DialKeepAliveTimeout: 2 * time.Second}
	for _, f := range change {
		f(&cfg)
	}
	return clientv3.New(cfg)
}

// Close stops all members and removes their data.
func (c *Cluster) Close() {
	for i := range c.members {
		c.Stop(i)
	}
	_ = os.RemoveAll(c.folder)
}
