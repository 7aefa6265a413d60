package tftp

import (
	"testing"

	"github.com/burrownet/burrow/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }
