//go:build !race

package uring

// raceSync is for the race detector only.
type raceSync struct{}

func newRaceSync() raceSync { return raceSync{} }

func (raceSync) submitting() {}
func (raceSync) completed()  {}
func (raceSync) close()      {}
