package slothttp

// ForgetWhatWasSaid lets the next forgotten body be reported again.
func ForgetWhatWasSaid() { forgotten.Again() }
