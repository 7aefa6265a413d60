//go:build race

package uring

import "syscall"

// raceSync tells the race detector what it does not see: that what was done
// before an operation was submitted happened before what is done after its
// peer, ring or not, has seen the effect. Package syscall tells it so in Write
// and in Read; so these are called, to no other effect.
type raceSync struct{ null int } // 0: none

func newRaceSync() raceSync {
	fd, err := syscall.Open("/dev/null", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return raceSync{}
	}
	return raceSync{fd}
}

// submitting comes before the kernel is entered.
func (s raceSync) submitting() { syscall.Write(-1, nil) }

// completed comes after completions were found.
func (s raceSync) completed() {
	if s.null > 0 {
		syscall.Read(s.null, nil)
	}
}

func (s raceSync) close() {
	if s.null > 0 {
		syscall.Close(s.null)
	}
}
