package websocket

import (
	"testing"

	"github.com/burrownet/burrow/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// raceEnabled says that the race detector is on.
var raceEnabled bool
