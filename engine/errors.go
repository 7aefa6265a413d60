package engine

import "errors"

// ErrBacklog says that a connection has more unsent bytes than its budget
// allows ([Engine.MaxBacklog]): the peer reads too slowly. Nothing of the
// refused write was sent.
var ErrBacklog = errors.New("engine: write: too many unsent bytes, the peer reads too slowly")

// ErrUnread says that a protocol let more unused input pile up than
// [Engine.MaxUnread] allows.
var ErrUnread = errors.New("engine: read: too many unused input bytes")

// driverError says that the driver asked for is not there.
type driverError struct{ driver Driver }

func (e *driverError) Error() string {
	return "engine: the " + e.driver.String() + " driver does not exist on this system; use auto or goroutine"
}

func (e *driverError) Is(target error) bool { return target == errors.ErrUnsupported }
