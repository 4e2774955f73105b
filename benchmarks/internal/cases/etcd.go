package cases

import (
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.uber.org/zap"
)

// etcdMutex is the mutex of etcd's own client, a session for each worker. It
// has one slot, and each claim is written to disk.
var etcdMutex = foreign{
	binary: "etcd",
	args: func(port, dir string) []string {
		url := "http://127.0.0.1:" + port
		return []string{"--data-dir", dir, "--listen-client-urls", url, "--advertise-client-urls", url, "--listen-peer-urls", "http://127.0.0.1:0"}
	},
	start: startEtcd,
}

func startEtcd(addr string, r *run) (func(), func() error, func() (int64, error), error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	db, err := clientv3.New(clientv3.Config{Endpoints: []string{addr}, DialTimeout: 10 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		return nil, nil, nil, err
	}
	before, err := db.Get(ctx, "revision")
	if err != nil {
		return nil, nil, nil, err
	}
	next, finish, err := startWorkers(r.workers, func(i int) (func() error, func(), error) { return etcdWorker(db, r, i) })
	counted := func() (int64, error) {
		defer db.Close()
		after, err := db.Get(context.Background(), "revision")
		if err != nil {
			return 0, err
		}
		// A claim makes a key and giving it back removes it: two revisions.
		return (after.Header.Revision - before.Header.Revision) / 2, nil
	}
	return next, finish, counted, err
}

func etcdWorker(db *clientv3.Client, r *run, i int) (func() error, func(), error) {
	session, err := concurrency.NewSession(db)
	if err != nil {
		return nil, nil, err
	}
	ctx := context.Background()
	m := concurrency.NewMutex(session, r.key(i))
	work := func() error {
		if err := m.Lock(ctx); err != nil {
			return err
		}
		r.do(i)
		return m.Unlock(ctx)
	}
	return work, func() { _ = session.Close() }, nil
}
