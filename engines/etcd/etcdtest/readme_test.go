package etcdtest_test

import (
	"testing"

	"github.com/berth-go/berth/internal/stacktest/readme"
)

// The README's program with etcd: the lines of its engine differ.
func TestTheReadmesProgramRunsOnEtcd(t *testing.T) {
	t.Parallel()
	path := readme.BuildOn(t, "../../..", readme.Engine{
		Imports: []string{`"os"`, `clientv3 "go.etcd.io/etcd/client/v3"`, `"github.com/berth-go/berth/engines/etcd"`},
		Client: "\tclient, err := clientv3.New(clientv3.Config{Endpoints: os.Args[1:]})\n" +
			"\tif err != nil {\n\t\tlog.Fatal(err)\n\t}\n\tdefer client.Close()\n",
		Source: `etcd.NewSource(client, slot.Keyed("report:", 2))`,
	})
	readme.Run(t, path, single.Endpoints()[0])
}
