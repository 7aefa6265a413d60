package httpd_test

import (
	"os"
	"testing"

	"github.com/burrownet/burrow/internal/leak"
)

// childJobs are what this test binary does instead of testing, when a stress test starts it again as another process:
// the environment variable stressChild names the job.
var childJobs = map[string]func() int{}

const stressChild = "BURROW_STRESS_CHILD"

func TestMain(m *testing.M) {
	if job, ok := childJobs[os.Getenv(stressChild)]; ok {
		os.Exit(job())
	}
	leak.Main(m)
}
