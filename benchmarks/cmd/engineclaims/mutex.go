package main

import (
	"context"
	"errors"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

// mutexes are those of etcd's own client, with a session for each worker. They have one
// slot each.
type mutexes struct {
	db       *clientv3.Client
	sessions []*concurrency.Session // by worker
	held     []*concurrency.Mutex   // by worker; made once
}

func openMutexes(o options) (way, error) {
	if o.limit != 1 {
		return nil, errors.New("a mutex has one slot")
	}
	db, err := etcdClient(o)
	if err != nil {
		return nil, err
	}
	m := &mutexes{db: db}
	for range o.workers {
		session, err := concurrency.NewSession(db)
		if err != nil {
			return nil, err
		}
		m.sessions = append(m.sessions, session)
	}
	m.held = make([]*concurrency.Mutex, o.workers)
	return m, nil
}

func (m *mutexes) under(ctx context.Context, worker int, key string, job func()) error {
	if m.held[worker] == nil { // a worker has one key
		m.held[worker] = concurrency.NewMutex(m.sessions[worker], key)
	}
	if err := m.held[worker].Lock(ctx); err != nil {
		return err
	}
	job()
	return m.held[worker].Unlock(ctx)
}

// counted counts revisions: a claim makes a key and giving it back removes it.
func (m *mutexes) counted() (int64, error) {
	ctx, cancel := brief()
	defer cancel()
	r, err := m.db.Get(ctx, "revision")
	if err != nil {
		return 0, err
	}
	return r.Header.Revision / 2, nil
}

func (m *mutexes) close() error {
	var errs []error
	for _, s := range m.sessions {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, m.db.Close())...)
}
