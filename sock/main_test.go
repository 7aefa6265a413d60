package sock

import (
	"os"
	"testing"

	"github.com/burrownet/burrow/internal/leak"
)

func TestMain(m *testing.M) {
	if os.Getenv(systemdChildEnv) != "" {
		os.Exit(systemdChild())
	}
	leak.Main(m)
}
