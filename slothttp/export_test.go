package slothttp

import "time"

// ForgetWhatWasSaid lets the next forgotten body be reported again.
func ForgetWhatWasSaid() {
	forgotten.mu.Lock()
	defer forgotten.mu.Unlock()
	forgotten.said = time.Time{}
}
