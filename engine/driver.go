package engine

import (
	"fmt"
	"sync/atomic"
)

// Driver says what feeds the connections of an [Engine].
type Driver uint8

const (
	DriverAuto      Driver = iota // the first that the system allows of: ring, epoll, kqueue, goroutines
	DriverEpoll                   // Linux
	DriverUring                   // Linux 6.12 or later, where the ring (io_uring) is not forbidden
	DriverKqueue                  // macOS and the BSDs
	DriverGoroutine               // everywhere: one goroutine per connection
)

var driverNames = [...]string{"auto", "epoll", "uring", "kqueue", "goroutine"}

func (d Driver) String() string {
	if int(d) < len(driverNames) {
		return driverNames[d]
	}
	return fmt.Sprintf("Driver(%d)", uint8(d))
}

// Drivers lists the drivers of this system, DriverGoroutine last. Some may be refused:
// see [Driver.Available].
func Drivers() []Driver { return platformDrivers() }

// Available reports why the system refuses the driver: that is an error with
// [errors.ErrUnsupported] or [fs.ErrPermission] in it, or tells what the kernel lacks.
// It opens a loop to find out.
func (d Driver) Available() error {
	drivers, err := (&Engine{Driver: d}).drivers()
	if err != nil {
		return err
	}
	for _, d := range drivers {
		if d == DriverGoroutine {
			return nil
		}
		var p poller
		if p, err = newPoller(d, new(atomic.Bool)); err == nil {
			p.close()
			return nil
		}
	}
	return fmt.Errorf("engine: open an event loop: %w", err)
}

// ParseDriver is the driver of a name: auto, epoll, uring, kqueue or goroutine.
func ParseDriver(name string) (Driver, error) {
	for d, n := range driverNames {
		if n == name {
			return Driver(d), nil
		}
	}
	return 0, fmt.Errorf("engine: there is no driver %q; use auto, epoll, uring, kqueue or goroutine", name)
}

// DriverInUse is the driver that feeds the connections while the engine is in
// use, or fed them last: what DriverAuto has become. Before the first use it is
// the field Driver. Connections without a descriptor of their own are fed by
// goroutines in any case.
func (e *Engine) DriverInUse() Driver {
	if d := Driver(e.inUse.Load()); d != DriverAuto {
		return d
	}
	return e.Driver
}

// Fallbacks is how often the engine has come to use with DriverAuto and found that the
// system refuses its first choice, so that it took the next. The log says why.
func (e *Engine) Fallbacks() uint64 { return e.fallbacks.Load() }

// drivers are those to try, in their order.
func (e *Engine) drivers() ([]Driver, error) {
	if e.Driver == DriverAuto {
		return autoDrivers(), nil
	}
	if e.Driver == DriverGoroutine {
		return []Driver{DriverGoroutine}, nil
	}
	for _, d := range platformDrivers() {
		if e.Driver == d {
			return []Driver{d}, nil
		}
	}
	return nil, &driverError{e.Driver}
}

// start starts the loops.
func (e *Engine) start() (Driver, error) {
	drivers, err := e.drivers()
	if err != nil {
		return 0, err
	}
	return e.startFirst(drivers)
}

// startFirst starts the loops with the first of drivers that the system allows.
func (e *Engine) startFirst(drivers []Driver) (_ Driver, err error) {
	for i, d := range drivers {
		if d == DriverGoroutine {
			e.inUse.Store(uint32(d))
			return d, nil
		}
		if err = e.startLoops(d); err == nil {
			e.inUse.Store(uint32(d))
			return d, nil
		}
		if i+1 < len(drivers) {
			e.fallbacks.Add(1)
			e.logger().Warn("engine: the system refuses this driver, another is used", "driver", d.String(), "instead", drivers[i+1].String(), "err", err)
		}
	}
	return 0, fmt.Errorf("engine: open an event loop: %w", err)
}
