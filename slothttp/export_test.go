package slothttp

import "github.com/berth-go/berth/internal/rarely"

// ForgetWhatWasSaid lets the next forgotten body be reported again.
func ForgetWhatWasSaid() { forgotten = rarely.Logger{} }
