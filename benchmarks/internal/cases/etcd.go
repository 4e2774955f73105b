package cases

// etcdMutex is the mutex of etcd's own client, a session for each worker. It
// has one slot, and each claim is written to disk.
func (e *Env) etcdMutex() foreign {
	return foreign{
		binary: "etcd",
		args: func(port, dir string) []string {
			url := "http://127.0.0.1:" + port
			return []string{"--data-dir", dir, "--listen-client-urls", url, "--advertise-client-urls", url, "--listen-peer-urls", "http://127.0.0.1:0"}
		},
		start: func(addr string, r *run) (func(), func() error, func() (int64, error), error) {
			program, err := e.etcdDriver()
			if err != nil {
				return nil, nil, nil, err
			}
			next, finish, err := r.startDriver(program, "-addr", addr)
			return next, finish, func() (int64, error) { return r.apart.Counted, nil }, err
		},
	}
}
