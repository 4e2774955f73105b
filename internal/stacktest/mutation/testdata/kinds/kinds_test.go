// Package kinds has a test for each way in which a test can end. The tests of
// the gate run them: what a run looks like is the toolchain's to say.
package kinds

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"testing"
	"testing/synctest"
	"time"
)

// never is a channel on which nothing comes.
var never = make(chan int)

func TestMain(m *testing.M) {
	code := m.Run()
	if os.Getenv("KINDS_LEAK") != "" {
		fmt.Println("goleak: Errors on successful test run: found a goroutine")
		code = 1
	}
	os.Exit(code)
}

func elsewhere() {
	go func() { panic("boom") }()
	<-never
}

func TestPasses(*testing.T) {}

func TestSkips(t *testing.T) { t.Skip() }

func TestFails(t *testing.T) { t.Error("no") }

func TestFailsInASubtest(t *testing.T) {
	t.Run("sub", func(t *testing.T) { t.Error("no") })
}

func TestPanics(*testing.T) { panic("boom") }

func TestPanicsElsewhere(*testing.T) { elsewhere() }

func TestPanicsElsewhereInASubtest(t *testing.T) {
	t.Run("sub", func(*testing.T) { elsewhere() })
}

func TestFailsThenPanicsElsewhere(t *testing.T) {
	t.Error("no")
	elsewhere()
}

func TestDiesOfAFatalError(*testing.T) {
	m := map[int]int{}
	for range 2 {
		go func() {
			for {
				m[1]++
			}
		}()
	}
	<-never
}

func TestBubbleIsDeadlocked(t *testing.T) {
	synctest.Test(t, func(*testing.T) { <-make(chan int) })
}

func TestHangs(*testing.T) { time.Sleep(time.Hour) }

func TestBubbleHangs(t *testing.T) {
	synctest.Test(t, func(*testing.T) {
		go func() {
			for {
				time.Sleep(time.Second)
			}
		}()
		<-make(chan int)
	})
}

func TestFailsThenHangs(t *testing.T) {
	t.Error("no")
	time.Sleep(time.Hour)
}

func TestFailsInASubtestThenHangs(t *testing.T) {
	t.Run("sub", func(t *testing.T) { t.Error("no") })
	time.Sleep(time.Hour)
}

func TestExits(*testing.T) { os.Exit(3) }

func TestSaysPanicAndExits(*testing.T) {
	fmt.Println("panic: so they say")
	os.Exit(3)
}

// TestHangsWithAChild starts a process that hangs too. Both hold one connection
// to KINDS_ADDRESS, which stays open until the last of them is gone. The test
// itself crashes when a byte comes.
func TestHangsWithAChild(t *testing.T) {
	conn, err := net.Dial("tcp", os.Getenv("KINDS_ADDRESS"))
	if err != nil {
		t.Fatal(err)
	}
	held, err := conn.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command("sleep", "3600")
	child.ExtraFiles = []*os.File{held}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "here\n"); err != nil {
		t.Fatal(err)
	}
	_, err = conn.Read(make([]byte, 1))
	panic(err) // the test that ran this one asked for the end
}
