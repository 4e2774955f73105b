package engine

import (
	"fmt"
	"io"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/berth-go/berth/engines/etcd"
	"github.com/berth-go/berth/slot"
)

func openEtcd(a address) (*Engine, error) {
	client, err := clientv3.New(clientv3.Config{
		Endpoints:         a.hosts,
		DialKeepAliveTime: 5 * time.Second, DialKeepAliveTimeout: 2 * time.Second, // a member that hangs is noticed
		Logger: zap.NewNop(), // what is wrong is an error of the source
	})
	if err != nil {
		return nil, err
	}
	return &Engine{Kind: Etcd, close: client.Close, source: func(l slot.Limits, lease time.Duration) (slot.Source, error) {
		options := []etcd.Option{etcd.WithRequestTimeout(patience)}
		if lease > 0 {
			options = append(options, etcd.WithLease(lease))
		}
		return etcd.NewSource(client, l, options...)
	}}, nil
}

// memberProgram is an etcd in a module of its own: the server has a hundred more that
// no example needs.
const memberProgram = "github.com/berth-go/berth/engines/etcd/etcdtest/etcdmember"

// startEtcd has go compile and run an etcd of one member. The first time that takes
// a minute or two.
func startEtcd(out io.Writer) (*Started, error) {
	fmt.Fprintln(out, "starting an etcd; go compiles it first, which takes a minute or two the first time")
	p, err := startProgram("an etcd", "it needs Go and a clone of berth's repository; with -server etcd://host:port, one that runs already is used",
		"go", "run", memberProgram)
	if err != nil {
		return nil, err
	}
	endpoint, err := p.firstLine()
	if err != nil {
		return nil, err
	}
	return &Started{URL: "etcd://" + trimScheme(endpoint), Kind: Etcd, Where: "beside this process", close: p.end}, nil
}
