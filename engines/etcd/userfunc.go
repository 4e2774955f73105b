package etcd

import "runtime/debug"

// call calls a function of the user's on a goroutine of its own, and waits for it.
// One that panics or calls runtime.Goexit ends nothing but itself.
func (c *config) call(name string, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = recover() }() // of the logger
		defer func() {
			if value := recover(); value != nil {
				c.logger().Error("etcd: "+name+" has panicked", "panic", value, "stack", string(debug.Stack()))
			}
		}()
		f()
	}()
	<-done
}
