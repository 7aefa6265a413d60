package engine

import "sync/atomic"

const platformDriver = DriverEpoll

// platformDrivers are the drivers of this system.
func platformDrivers() []Driver { return []Driver{DriverEpoll, DriverUring, DriverGoroutine} }

// autoDrivers are those that DriverAuto tries, in this order.
func autoDrivers() []Driver { return []Driver{DriverUring, DriverEpoll} }

func newPoller(d Driver, parked *atomic.Bool) (poller, error) {
	switch d {
	case DriverEpoll:
		return newEpoll()
	case DriverUring:
		return newRing(parked, ringSizes{})
	}
	return nil, &driverError{d}
}
